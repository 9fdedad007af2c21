package channel

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

func TestAHintKeepsAwayForTheLongerOfBothAndClosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		told := 0
		c.tell = func(time.Duration, time.Duration) { told++ }
		c.Take(Hint{Open: 5 * time.Second}, time.Now())
		c.Take(Hint{Open: time.Second}, time.Now())
		c.Take(Hint{Open: -time.Hour, Cool: -time.Hour}, time.Now())
		if _, wait := c.Blocked(time.Now()); wait != 5*time.Second {
			t.Errorf("kept away for %v, want 5s", wait)
		}
		if n := c.br.Counts(); n.TotalFailures != 0 || n.Requests != 0 {
			t.Errorf("the breaker counts %+v", n)
		}
		c.Take(Hint{Open: 24 * time.Hour, Cool: 24 * time.Hour}, time.Now())
		if open := time.Duration(c.openUntil.Load() - time.Now().UnixNano()); open != HintOpenMost {
			t.Errorf("open for %v", open)
		}
		if cool := time.Duration(c.cooldownUntil.Load() - time.Now().UnixNano()); cool != HintCoolMost {
			t.Errorf("cooling down for %v", cool)
		}
		if told != 0 {
			t.Errorf("what was heard was told again %d times", told)
		}
		time.Sleep(HintCoolMost)
		if !ask(c, nil) {
			t.Error("closed after the time that was told")
		}
	})
}

func TestAnOpeningAndACoolDownAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		var open, cool time.Duration
		c.tell = func(o, w time.Duration) { open, cool = max(open, o), max(cool, w) }
		c.CoolDown(7 * time.Second)
		if cool != 7*time.Second {
			t.Errorf("a cool-down of 7s is told as %v", cool)
		}
		time.Sleep(cool)
		for range openAfter {
			ask(c, down)
		}
		if open < openFirst || open > openFirst*5/4 {
			t.Errorf("an opening is told as %v", open)
		}
	})
}

func TestARecordHasOneNameEverywhereAndShowsNothing(t *testing.T) {
	t.Parallel()
	a := &config.Channel{ID: "a", Kind: "openai", URL: "https://h/v1"}
	b := &config.Channel{ID: "b", Kind: "openai", URL: "https://h/v1", Weight: 3}
	if cellName(a, "k", "m") != cellName(b, "k", "m") {
		t.Error("the same back end has two names")
	}
	for _, other := range []string{cellName(a, "l", "m"), cellName(a, "k", "n"), cellName(a, "km", ""), cellName(&config.Channel{Kind: "openai", URL: "https://h/v2"}, "k", "m")} {
		if other == cellName(a, "k", "m") {
			t.Error("two back ends have one name")
		}
	}
}
