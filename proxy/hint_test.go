package proxy

import (
	"slices"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What was learnt at one address says nothing of another, here or to other gateways.
func TestAnotherAddressBeginsWithACleanRecordOfAnotherName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {refuses(fault(translate.FaultBroken))}, "b": {says("b")}})
		var told []channel.Hint
		w.g.tell = func(h channel.Hint) { told = append(told, h) }
		w.g.plan.Load().Publish(w.g.tell)
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
