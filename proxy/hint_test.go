package proxy

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAHintKeepsAwayForTheLongerOfBothAndClosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := newCell(rand.Int64N), &Gateway{}
		told := 0
		c.tell = func(time.Duration, time.Duration) { told++ }
		g.plan.Store(&Plan{cells: map[string][]*cell{"x": {c}}})
		g.Hint(Hint{Cell: "y", Open: time.Second})
		if why, _ := c.blocked(time.Now()); why != "" {
			t.Fatalf("word about another record: %s", why)
		}
		g.Hint(Hint{Cell: "x", Open: 5 * time.Second})
		g.Hint(Hint{Cell: "x", Open: time.Second})
		g.Hint(Hint{Cell: "x", Open: -time.Hour, Cool: -time.Hour})
		if _, wait := c.blocked(time.Now()); wait != 5*time.Second {
			t.Errorf("kept away for %v, want 5s", wait)
		}
		if n := c.br.Counts(); n.TotalFailures != 0 || n.Requests != 0 {
			t.Errorf("the breaker counts %+v", n)
		}
		g.Hint(Hint{Cell: "x", Open: 24 * time.Hour, Cool: 24 * time.Hour})
		if open := time.Duration(c.open.Load() - time.Now().UnixNano()); open != HintOpenMost {
			t.Errorf("open for %v", open)
		}
		if cool := time.Duration(c.cool.Load() - time.Now().UnixNano()); cool != HintCoolMost {
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
		c := newCell(rand.Int64N)
		var open, cool time.Duration
		c.tell = func(o, w time.Duration) { open, cool = max(open, o), max(cool, w) }
		c.chillFor(7 * time.Second)
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

// What was learnt at one address says nothing of another, here or to other gateways.
func TestAnotherAddressBeginsWithACleanRecordOfAnotherName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {refuses(fault(translate.FaultBroken))}, "b": {says("b")}})
		var told []Hint
		w.g.tell = func(h Hint) { told = append(told, h) }
		w.g.plan.Load().share(w.g.tell)
		fail := func() {
			for range openAfter {
				w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
			}
		}
		fail()
		w.apply(conf(backend("a", func(c *config.Channel) { c.URL = "https://another-address.example" }), backend("b", tier(2))))
		names := w.g.HintCells()
		if len(told) != 1 || len(names) != 2 || slices.Contains(names, told[0].Cell) {
			t.Fatalf("told %v before, known by %q now", told, names)
		}
		fail()
		if len(w.up["a"].Asked()) != openAfter {
			t.Errorf("the new address was asked %d times", len(w.up["a"].Asked()))
		}
		if len(told) != 2 || !slices.Contains(names, told[1].Cell) {
			t.Errorf("told %v, known by %q", told, names)
		}
		w.apply(conf(backend("a", func(c *config.Channel) { c.URL, c.Weight = "https://another-address.example", 7 }), backend("b", tier(2))))
		w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		if len(w.up["a"].Asked()) != openAfter {
			t.Error("the record was lost with another weight")
		}
	})
}
