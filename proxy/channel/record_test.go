package channel

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// ask lets one request through c if it may go, and reports how it went.
func ask(c *Record, err *translate.Error) (let bool) {
	if why, _ := c.Blocked(time.Now()); why != "" {
		return false
	}
	done := c.Allow()
	if done == nil {
		return false
	}
	c.Report(time.Now(), done, err)
	return true
}

var down = &translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "down"}

func TestABreakerOpensAfterFiveFailuresInARowAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for i := range openAfter {
			if !ask(c, down) {
				t.Fatalf("failure %d was not let through", i)
			}
		}
		for range 100 {
			if ask(c, nil) {
				t.Fatal("an open breaker let a request through")
			}
		}
		why, wait := c.Blocked(time.Now())
		if !strings.HasPrefix(why, "breaker open for ") || wait < openFirst || wait > openFirst*5/4 {
			t.Fatalf("%q, %v", why, wait)
		}
		time.Sleep(wait)
		if !ask(c, down) {
			t.Fatal("no probe after the open time")
		}
		_, wait = c.Blocked(time.Now())
		if wait < 2*openFirst || wait > 2*openFirst*5/4 {
			t.Fatalf("after a failed probe open for %v, want twice as long", wait)
		}
		time.Sleep(wait)
		for range 2 {
			if !ask(c, nil) {
				t.Fatal("a probe that went well did not close the breaker")
			}
		}
	})
}

func TestFailuresInARowCountHoweverSlowlyTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for range openAfter {
			time.Sleep(judgeWindow)
			if !ask(c, down) {
				t.Fatal("it was not let through")
			}
		}
		if why, _ := c.Blocked(time.Now()); why == "" {
			t.Fatal("five failures in a row did not open the breaker")
		}
	})
}

func TestHalfOfTenFailuresOpenABreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for i := range judgeFrom {
			if !ask(c, map[bool]*translate.Error{true: down}[i%2 == 1]) {
				t.Fatalf("request %d was not let through", i)
			}
		}
		if why, _ := c.Blocked(time.Now()); why == "" {
			t.Fatal("5 of 10 failures did not open the breaker")
		}
	})
}

func TestOnlyOneRequestProbesARecoveringChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for range openAfter {
			ask(c, down)
		}
		time.Sleep(openFirst * 5 / 4)
		var probes atomic.Int32
		var all sync.WaitGroup
		hold := make(chan struct{})
		for range 10_000 {
			all.Go(func() {
				if done := c.Allow(); done != nil {
					probes.Add(1)
					<-hold
					c.Report(time.Now(), done, nil)
				}
			})
		}
		synctest.Wait()
		if n := probes.Load(); n != 1 {
			t.Errorf("%d probes at once, want 1", n)
		}
		close(hold)
		all.Wait()
	})
}

func TestOutcomesThatSayNothingGiveTheProbeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []translate.Fault{translate.FaultGone, translate.FaultBusy, translate.FaultDenied, translate.FaultLocal, 0} {
			c := NewRecord(rand.Int64N)
			for range openAfter {
				ask(c, down)
			}
			time.Sleep(openFirst * 5 / 4)
			c.Report(time.Now(), c.Allow(), &translate.Error{Fault: fault})
			if done := c.Allow(); done == nil {
				t.Errorf("fault %s kept the probe's place", fault)
			}
		}
	})
}

func TestAFaultThatManySharedIsCountedOnce(t *testing.T) {
	t.Parallel()
	c := NewRecord(rand.Int64N)
	echo := *down
	echo.Echo = true
	ask(c, down)
	for range 20 * openAfter {
		if !ask(c, &echo) {
			t.Fatal("the breaker opened")
		}
	}
	for range openAfter - 1 {
		ask(c, down)
	}
	if ask(c, down) {
		t.Error("the breaker is closed after five faults of their own")
	}
}

func TestAThrottledChannelIsLeftAloneForTheHintedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		ask(c, &translate.Error{Fault: translate.FaultBusy, Retry: 7 * time.Second})
		if why, wait := c.Blocked(time.Now()); why != "throttled for 7 s" || wait != 7*time.Second {
			t.Fatalf("%q, %v", why, wait)
		}
		time.Sleep(7 * time.Second)
		for _, want := range []time.Duration{coolFirst, 2 * coolFirst, 4 * coolFirst} {
			ask(c, &translate.Error{Fault: translate.FaultBusy})
			if _, wait := c.Blocked(time.Now()); wait != want {
				t.Fatalf("cooling down for %v, want %v", wait, want)
			}
			time.Sleep(want)
		}
		ask(c, nil)
		ask(c, &translate.Error{Fault: translate.FaultBusy})
		if _, wait := c.Blocked(time.Now()); wait != coolFirst {
			t.Fatalf("after a success cooling down for %v, want %v", wait, coolFirst)
		}
	})
}

func TestRetryAfterIsTheLeastOpenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for range openAfter {
			ask(c, &translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Retry: 30 * time.Second})
		}
		if _, wait := c.Blocked(time.Now()); wait < 30*time.Second {
			t.Fatalf("open for %v, want at least 30 s", wait)
		}
	})
}
