//go:build !race

package micro

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

func TestAnEventOfAnyPairAllocatesNothing(t *testing.T) {
	eachPair(func(name string, up, down translate.Dialect) {
		if !pieces(up) || !pieces(down) {
			return
		}
		r := newRoad(t, up, down)
		if n := testing.AllocsPerRun(500, func() { r.step(t, r.txt) }); n != 0 {
			t.Errorf("%s: %v allocations per event", name, n)
		}
		if len(r.out) == 0 {
			t.Errorf("%s: nothing was written", name)
		}
	})
}

// answerCeiling bounds the allocations of decoding an answer in one piece and
// writing it, a new decoder and encoder included.
const answerCeiling = 41

func TestAWholeAnswerAllocatesLittle(t *testing.T) {
	eachPair(func(name string, up, down translate.Dialect) {
		body := wholeOf(up)
		if body == nil {
			return
		}
		dst := make([]byte, 0, 4096)
		n := testing.AllocsPerRun(200, func() { answer(t, up, down, body, dst[:0]) })
		if t.Logf("%s: %v", name, n); n > answerCeiling {
			t.Errorf("%s: %v allocations per answer, at most %d", name, n, answerCeiling)
		}
	})
}

// perEvent returns the allocations of one more event, from an answer with 100
// and one with 1,100, and those of the shorter answer.
func perEvent(short, long func()) (event, exchange float64) {
	short()
	long()
	exchange = testing.AllocsPerRun(20, short)
	return (testing.AllocsPerRun(20, long) - exchange) / 1000, exchange
}

// noAllocation allows for what the runtime and the pools do by themselves now and
// then, which is no matter of single events.
const noAllocation = 0.05

// exchangeCeiling bounds the allocations of an exchange through the gateway, the
// model inside the process included.
const exchangeCeiling = 60

func TestAnExchangeThroughTheGatewayAllocatesPerExchangeOnly(t *testing.T) {
	g, _, _ := openGateway(t, mockChannel)
	for _, d := range dialects.All {
		short, long, whole := newAsker(t, g, d, "long-100", true), newAsker(t, g, d, "long-1100", true), newAsker(t, g, d, "long-100", false)
		event, exchange := perEvent(func() { short.ask(t) }, func() { long.ask(t) })
		inOne := testing.AllocsPerRun(50, func() { whole.ask(t) })
		t.Logf("%-10s streamed %5.1f, each event %.3f; whole %5.1f", d.Name(), exchange, event, inOne)
		if long.events < 1100 {
			t.Errorf("%s: only %d events", d.Name(), long.events)
		}
		if pieces(d) && event > noAllocation {
			t.Errorf("%s: %v allocations per event", d.Name(), event)
		}
		if max(exchange, inOne) > exchangeCeiling {
			t.Errorf("%s: %v and %v allocations per exchange, at most %d", d.Name(), exchange, inOne, exchangeCeiling)
		}
	}
}

// wireCeiling bounds the allocations of an exchange over sockets, the model's
// included, which takes about thirty, and twice as many as a responses server. It is a fence, not the aim.
const wireCeiling = 180

func TestAnEventOverSocketsAllocatesNothing(t *testing.T) {
	model := serveModel(t)
	direct := dial(t, model)
	short, long := question("openai", "long-100-forget", true), question("openai", "long-1100-forget", true)
	event, alone := perEvent(func() { direct.ask(t, short) }, func() { direct.ask(t, long) })
	t.Logf("%-24s %5.1f per exchange, %.3f per event", "the model alone (openai)", alone, event)
	for _, r := range routes {
		c := dial(t, serveGateway(t, r.channel, model))
		short, long := question(r.front, "long-100-forget", true), question(r.front, "long-1100-forget", true)
		c.check(t, short, 100)
		c.check(t, long, 1100)
		event, exchange := perEvent(func() { c.ask(t, short) }, func() { c.ask(t, long) })
		q := question(r.front, "long-1-forget", false)
		c.check(t, q, 1)
		whole := testing.AllocsPerRun(50, func() { c.ask(t, q) })
		t.Logf("%-24s %5.1f per exchange, %.3f per event, %5.1f in one piece; client, gateway and model together", r, exchange, event, whole)
		if event > noAllocation {
			t.Errorf("%v: %v allocations per event", r, event)
		}
		if max(exchange, whole) > wireCeiling {
			t.Errorf("%v: %v and %v allocations per exchange, at most %d", r, exchange, whole, wireCeiling)
		}
	}
}
