package proxy

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// crowd asks in the background and notes in which order who was answered.
type crowd struct {
	*world
	all  sync.WaitGroup
	mu   sync.Mutex
	done []string
	bad  map[string]int // errors by caller and code
}

func newCrowd(w *world) *crowd { return &crowd{world: w, bad: map[string]int{}} }

func (c *crowd) asks(ctx context.Context, caller string) {
	q := c.questionOf(&Caller{Name: caller}, "", "hi")
	c.all.Go(func() {
		r := c.ask(ctx, q)
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.err != nil {
			c.bad[caller+" "+string(r.err.Code)]++
			return
		}
		c.done = append(c.done, caller)
	})
	synctest.Wait()
}

func lasts(d time.Duration) script { return script{After: d, Steps: says("x").Steps} }

func TestQuestionsWaitForAFullChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1)), backend("b", tier(2), atMost(1))),
			map[string][]script{"a": {lasts(time.Second)}, "b": {lasts(time.Second)}}))
		began := time.Now()
		for i := range 6 {
			c.asks(t.Context(), fmt.Sprint(i))
		}
		c.all.Wait()
		if len(c.done) != 6 || time.Since(began) != 3*time.Second {
			t.Errorf("%v answered after %v; %v", c.done, time.Since(began), c.bad)
		}
	})
}

func TestAWaitThatIsTooLongIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {lasts(time.Minute)}}))
		c.asks(t.Context(), "x")
		began := time.Now()
		e := c.ask(t.Context(), c.question("hi")).mustFail(t, translate.CodeRateLimited, translate.FaultBusy)
		if time.Since(began) != fairqueue.Wait || e.Retry <= 0 {
			t.Errorf("refused after %v, retry after %v", time.Since(began), e.Retry)
		}
		c.all.Wait()
	})
}

func TestWhoWaitsForAFullChannelTakesOneWhoseCoolDownEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1)), backend("b")),
			map[string][]script{"a": {lasts(time.Minute)}, "b": {says("b")}}))
		for _, ch := range c.g.plan.Load().Channels {
			if ch.ID == "b" {
				c.g.plan.Load().Routes["m"].Tiers[0][1].Record.CoolDown(3 * time.Second)
			}
		}
		c.asks(t.Context(), "x")
		began := time.Now()
		for i := range 5 {
			c.asks(t.Context(), fmt.Sprint(i%2))
		}
		for c.answered() < 5 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took < 3*time.Second || took > 3*time.Second+10*time.Millisecond {
			t.Errorf("answered after %v, want 3 s", took)
		}
		c.all.Wait()
	})
}

func (c *crowd) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.done)
}

func TestABrokenChannelIsNotWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {refuses(fault(translate.FaultDial))}})
		for range openAfter + 1 {
			took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeUnavailable, 0) })
			mustTake(t, took, 0, 0)
		}
	})
}

// TestCallersTakeTurns has one caller with as many questions as the room holds,
// and nine others that come later with one each.
func TestCallersTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {lasts(50 * time.Millisecond)}}))
		c.asks(t.Context(), "hog")
		for range fairqueue.Size {
			c.asks(t.Context(), "hog")
		}
		c.asks(t.Context(), "hog") // there is no room for it
		for i := range 9 {
			c.asks(t.Context(), fmt.Sprint(i))
		}
		c.all.Wait()
		if len(c.done) != 1+fairqueue.Size || len(c.bad) != 1 || c.bad["hog "+string(translate.CodeRateLimited)] != 10 {
			t.Fatalf("%d were answered; %v", len(c.done), c.bad)
		}
		seen := map[string]bool{}
		for _, who := range c.done[:12] {
			seen[who] = true
		}
		if len(seen) != 10 {
			t.Errorf("the first twelve answers went to %v", c.done[:12])
		}
	})
}

func TestTheQuestionsOfACallerKeepTheirOrderAndNewcomersGoLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {lasts(time.Second)}}))
		for _, who := range []string{"x", "x", "x", "y", "z"} {
			c.asks(t.Context(), who)
		}
		for i := range 3 {
			time.Sleep(1001 * time.Millisecond)
			c.asks(t.Context(), fmt.Sprint("new", i))
		}
		c.all.Wait()
		if got := fmt.Sprint(c.done); got != "[x x y z x new0 new1 new2]" {
			t.Errorf("answered in the order %s", got)
		}
	})
}

func TestALeaverGivesUpItsPlaceAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCrowd(newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {lasts(time.Second)}}))
		ctx, cancel := context.WithCancelCause(t.Context())
		c.asks(t.Context(), "x")
		for range fairqueue.Size {
			c.asks(ctx, "y")
		}
		cancel(errLeft)
		synctest.Wait()
		if c.bad["y "+string(translate.CodeCanceled)] != fairqueue.Size || c.g.room.Len() != 0 {
			t.Fatalf("%v; %d in the room", c.bad, c.g.room.Len())
		}
		c.asks(t.Context(), "z")
		c.all.Wait()
		if got := fmt.Sprint(c.done); got != "[x z]" || len(c.up["a"].Asked()) != 2 {
			t.Errorf("answered %s with %d calls", got, len(c.up["a"].Asked()))
		}
	})
}

func TestASlotIsNeverLostAmongMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		broken := script{After: time.Millisecond, Err: fault(translate.FaultBroken)}
		c := newCrowd(newWorld(t, conf(backend("a", atMost(2), keys("k1", "k2")), backend("b", atMost(3))), map[string][]script{
			"a/k1": {lasts(7 * time.Millisecond), broken}, "a/k2": {lasts(3 * time.Millisecond)}, "b": {lasts(5 * time.Millisecond)}}))
		for i := range 600 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%40)*time.Millisecond)
			defer cancel()
			c.asks(ctx, fmt.Sprint(i%7))
			if i%3 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		c.all.Wait()
		c.mustBeIdle()
		for _, ch := range c.g.plan.Load().Channels {
			if n := ch.Slots.Waiting(); n != 0 || c.g.room.Len() != 0 {
				t.Errorf("%d wait for %s, %d in the room", n, ch.ID, c.g.room.Len())
			}
		}
		if len(c.done) < 100 {
			t.Errorf("%d were answered", len(c.done))
		}
	})
}
