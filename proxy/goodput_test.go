package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/proxytest"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The load of TestGoodput: questions at fixed times, streamed, one after the other
// for a minute, to four channels of which d is not well.
const (
	goodputEvery = 30 * time.Millisecond
	goodputFor   = time.Minute
	goodputFirst = 100 * time.Millisecond // until a channel that is well says something
)

// ills are what d suffers from: how its nth call goes, at a time since the beginning.
var ills = []struct {
	name string
	call func(n int, at time.Duration, r *rand.Rand) script
}{
	{"nothing", func(_ int, _ time.Duration, r *rand.Rand) script { return wellSaid(r, goodputFirst) }},
	{"dead: refuses connections", func(int, time.Duration, *rand.Rand) script { return refuses(fault(translate.FaultDial)) }},
	{"slow: 10 s to the first content", func(_ int, _ time.Duration, r *rand.Rand) script { return wellSaid(r, 10*time.Second) }},
	{"ten times slower", func(_ int, _ time.Duration, r *rand.Rand) script { return wellSaid(r, 10*goodputFirst) }},
	{"throttled: 429 to every second call", func(n int, _ time.Duration, r *rand.Rand) script {
		if n%2 == 1 {
			return throttles(0)
		}
		return wellSaid(r, goodputFirst)
	}},
	{"fails 30 % of its calls with 500", func(_ int, _ time.Duration, r *rand.Rand) script {
		if r.IntN(10) < 3 {
			return refuses(fault(translate.FaultBroken))
		}
		return wellSaid(r, goodputFirst)
	}},
	{"flapping: 10 s up, 10 s down", func(_ int, at time.Duration, r *rand.Rand) script {
		if at/(10*time.Second)%2 == 1 {
			return refuses(fault(translate.FaultDial))
		}
		return wellSaid(r, goodputFirst)
	}},
	{"stalls in the middle of each answer", func(_ int, _ time.Duration, r *rand.Rand) script {
		s := wellSaid(r, goodputFirst)
		s.Steps = append(s.Steps[:2:2], hangs())
		return s
	}},
}

// wellSaid is a good answer in four pieces, 25 ms apart. A part of a millisecond is
// left to chance, so that no two things happen at once and a run can be repeated.
func wellSaid(r *rand.Rand, first time.Duration) script {
	odd := func(d time.Duration) time.Duration { return d + time.Duration(1+r.Int64N(int64(time.Millisecond))) }
	s := script{Steps: []step{start("s"), text("x").In(odd(first))}}
	for range 3 {
		s.Steps = append(s.Steps, text("x").In(odd(25*time.Millisecond)))
	}
	s.Steps = append(s.Steps, finish())
	return s
}

// askOnce puts one question somehow: it returns how long the first content took, and
// whether the answer was whole.
type askOnce func(w *world) (first time.Duration, good bool)

// viaGateway asks as a front does.
func viaGateway(w *world) (first time.Duration, good bool) {
	began := time.Now()
	x, err := w.open(context.Background(), w.question("hi"))
	if err != nil {
		return 0, false
	}
	defer func() { _ = x.Close() }()
	first = time.Since(began)
	return first, readAll(x).text == "xxxx"
}

// inTurns asks the channels in turns, and nobody else when one fails. Who asks has as
// much patience with an answer as the gateway with a gap.
func inTurns() askOnce {
	var mu sync.Mutex
	n := 0
	return func(w *world) (first time.Duration, good bool) {
		mu.Lock()
		u := w.up[string("abcd"[n%4])]
		n++
		mu.Unlock()
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s, err := u.Open(ctx, &translate.Request{})
		if err != nil {
			return 0, false
		}
		defer func() { _ = s.Close() }()
		said := ""
		for {
			ev, err := s.Next()
			if err != nil {
				return first, err == io.EOF && said == "xxxx"
			}
			if said += string(ev.Text); said == "x" && first == 0 {
				first = time.Since(began)
			}
		}
	}
}

// goodput is what came of one run.
type goodput struct {
	asked, good, calls int
	added              []time.Duration // of good answers, to the first content; sorted
}

func (g *goodput) at(percent int) time.Duration { return g.added[(len(g.added)*percent+99)/100-1] }

func (g *goodput) share() float64 { return float64(g.good) / float64(g.asked) * 100 }

// runGoodput puts the load to four channels under policy; ask says how, nil: through
// the gateway.
func runGoodput(t *testing.T, policy string, ask askOnce, call func(int, time.Duration, *rand.Rand) script) (g goodput) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := chancyWorld(t, policy, []int{1, 1, 1, 1}, func(id string, n int, r *rand.Rand) script {
			if id == "d" {
				return call(n, time.Since(began), r)
			}
			return wellSaid(r, goodputFirst)
		})
		defer w.end()
		if ask == nil {
			ask = viaGateway
		}
		g = w.load(ask, goodputEvery)
		g.calls = len(w.up["d"].Asked())
	})
	return g
}

// load puts questions, one every so often, and says what came of them.
func (w *world) load(ask askOnce, every time.Duration) (g goodput) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for began := time.Now(); time.Since(began) < goodputFor; time.Sleep(every) {
		g.asked++
		all.Go(func() {
			first, good := ask(w)
			mu.Lock()
			defer mu.Unlock()
			if good {
				g.good++
				g.added = append(g.added, max(first-goodputFirst, 0))
			}
		})
	}
	all.Wait()
	slices.Sort(g.added)
	return g
}

// chancyWorld is a gateway of channels a, b and so on with weights, whose nth calls go
// as mood has it. All chance is seeded.
func chancyWorld(t *testing.T, policy string, weights []int, mood func(id string, n int, r *rand.Rand) script) *world {
	t.Helper()
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, st: st, up: map[string]*fakeUp{}}
	c := conf()
	for i, weight := range weights {
		c.Channels = append(c.Channels, backend(string(rune('a'+i)), func(c *config.Channel) { c.Weight = weight }))
	}
	c.Balance = policy
	var drawing sync.Mutex
	drawn := rand.New(rand.NewPCG(5, 7))
	w.g, err = New(c, st, func(c *config.Channel, _ string) (Upstream, error) {
		r := rand.New(rand.NewPCG(1, uint64(c.ID[0])))
		w.up[c.ID] = proxytest.NewUpstream(c.ID, w.note)
		w.up[c.ID].PlayNth(func(n int) script { return mood(c.ID, n, r) })
		return w.up[c.ID], nil
	}, slog.New(slog.DiscardHandler), Options{Chance: func(n int64) int64 {
		drawing.Lock()
		defer drawing.Unlock()
		return drawn.Int64N(n)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestGoodput has one of four channels be ill in each way, and compares what comes of
// the questions under each policy with a plain round robin that has no breaker and
// tries nothing twice. With -v it writes the table of benchmarks/README.md.
func TestGoodput(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	for _, ill := range ills {
		plain := runGoodput(t, "", inTurns(), ill.call)
		fmt.Fprintf(&table, "| %s | round robin | %s\n", ill.name, plain.row())
		for _, policy := range []string{"p2c", "weighted", "busy"} {
			g := runGoodput(t, policy, nil, ill.call)
			fmt.Fprintf(&table, "| | %s | %s\n", policy, g.row())
			g.check(t, ill.name+" under "+policy, &plain)
		}
	}
	t.Logf("\n| the fourth channel | | good answers | added p50, ms | p99, ms | max, ms | calls to it |\n|---|---|---|---|---|---|---|\n%s", table.String())
}

// check holds g to what users may count on, and to be better than plain.
func (g *goodput) check(t *testing.T, name string, plain *goodput) {
	t.Helper()
	stalls := strings.HasPrefix(name, "stalls") // behind the commit point nothing can be mended
	switch {
	case g.asked != plain.asked:
		t.Fatalf("%s: %d questions, and %d in turns", name, g.asked, plain.asked)
	case !stalls && g.good != g.asked:
		t.Errorf("%s: %d of %d failed", name, g.asked-g.good, g.asked)
	case stalls && g.good <= plain.good:
		t.Errorf("%s: %d good answers, in turns %d", name, g.good, plain.good)
	case g.at(50) > 5*time.Millisecond:
		t.Errorf("%s: half of the answers come %v late", name, g.at(50))
	case strings.HasPrefix(name, "dead") && (g.calls < openAfter || g.calls > openAfter+8):
		t.Errorf("%s: it was called %d times, want %d and a few probes", name, g.calls, openAfter)
	case strings.HasPrefix(name, "slow") && g.calls > plain.calls/5:
		t.Errorf("%s: it was called %d times, in turns %d", name, g.calls, plain.calls)
	case (strings.HasPrefix(name, "throttled") || strings.HasPrefix(name, "flapping")) && g.calls > plain.calls/2:
		t.Errorf("%s: it was called %d times, in turns %d", name, g.calls, plain.calls)
	}
}

// row is the end of a row of the table.
func (g *goodput) row() string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	return fmt.Sprintf("%.2f %% of %d | %s | %s | %s | %d |", g.share(), g.asked, ms(g.at(50)), ms(g.at(99)), ms(g.at(100)), g.calls)
}
