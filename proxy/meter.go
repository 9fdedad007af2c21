package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Outcomes are the ways in which an exchange can end, as metrics count them.
func Outcomes() []string {
	return []string{"ok", "limited", "rate_limited", "channel_unavailable", "model_error", "canceled", "refused", "internal_error"}
}

// outcomeOf is the place in Outcomes of how an exchange ended.
func outcomeOf(err *translate.Error) int {
	if err == nil {
		return 0
	}
	switch err.Code {
	case translate.CodeRateLimited:
		if keptOut(err) {
			return 1
		}
		return 2
	case translate.CodeUnavailable:
		return 3
	case translate.CodeModel:
		return 4
	case translate.CodeCanceled:
		return 5
	case translate.CodeInternal:
		return 7
	}
	return 6
}

// manyFronts is how many fronts are counted apart, of which the names become labels; the rest
// is otherFront.
const (
	manyFronts = 32
	otherFront = "other"
)

// frontEnds counts the exchanges of one front by outcome.
type frontEnds struct {
	front string
	n     [8]atomic.Uint64
}

// of returns the counters of a front, which begin with its first exchange.
func (m *meter) of(front string) *frontEnds {
	for {
		before := m.ends.Load()
		var all []*frontEnds
		if before != nil {
			all = *before
		}
		for _, e := range all {
			if e.front == front {
				return e
			}
		}
		if front == "" || len(all) >= manyFronts && front != otherFront {
			front = otherFront
			continue
		}
		more := append(slices.Clone(all), &frontEnds{front: front})
		m.ends.CompareAndSwap(before, &more)
	}
}

// Bounds are the upper ends of the buckets of a [Histogram] but the last, which has
// none.
func Bounds() [13]time.Duration {
	return [13]time.Duration{
		time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, 60 * time.Second, 120 * time.Second,
	}
}

// Histogram counts durations by size. Counts has one more than [Bounds]; each is of
// its own bucket alone.
type Histogram struct {
	Counts [14]uint64
	Sum    time.Duration
}

type histogram struct {
	counts [14]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	bounds := Bounds()
	n := 0
	for n < len(bounds) && d > bounds[n] {
		n++
	}
	h.counts[n].Add(1)
	h.sum.Add(int64(max(d, 0)))
}

func (h *histogram) read() (out Histogram) {
	for i := range h.counts {
		out.Counts[i] = h.counts[i].Load()
	}
	out.Sum = time.Duration(h.sum.Load())
	return out
}

// meter counts the exchanges of one configured channel, or those that no channel
// was asked for. It is safe for concurrent use, and allocates only for the
// first exchange of a front.
type meter struct {
	ends   atomic.Pointer[[]*frontEnds]        // by front and outcome; replaced when a front is new
	faults [translate.Faults + 1]atomic.Uint64 // attempts, by fault; 0: they gave content; the last: our own errors
	first  histogram                           // from the question to the first content
	took   histogram                           // the whole exchange
}

// meters are the counters by channel. Those of a channel that has gone stay, so that
// no counter ever falls.
type meters struct {
	mu   sync.Mutex
	ids  []string
	of   map[string]*meter
	none meter
}

func (m *meters) channel(id string) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.of[id]; one != nil {
		return one
	}
	if m.of == nil {
		m.of = make(map[string]*meter)
	}
	one := &meter{}
	m.of[id] = one
	m.ids = append(m.ids, id)
	return one
}

// Count is how many exchanges of one front ended in one way.
type Count struct {
	Front, Outcome string
	N              uint64
}

// Tally is what was counted of one channel since the process began.
type Tally struct {
	Channel  string  // empty: exchanges that reached no channel
	Counts   []Count // without zeros
	Attempts []Count // by fault, in Outcome; Front is empty
	First    Histogram
	Took     Histogram
}

// Tallies returns what was counted, first for exchanges that reached no channel, then
// for each channel in the order in which they were configured.
func (g *Gateway) Tallies() []Tally {
	g.meters.mu.Lock()
	defer g.meters.mu.Unlock()
	all := []Tally{g.meters.none.read("")}
	for _, id := range g.meters.ids {
		all = append(all, g.meters.of[id].read(id))
	}
	return all
}

func (m *meter) read(id string) Tally {
	t := Tally{Channel: id, First: m.first.read(), Took: m.took.read()}
	outcomes := Outcomes()
	if ends := m.ends.Load(); ends != nil {
		all := slices.Clone(*ends)
		slices.SortFunc(all, func(a, b *frontEnds) int { return strings.Compare(a.front, b.front) })
		for _, e := range all {
			for o := range outcomes {
				if n := e.n[o].Load(); n > 0 {
					t.Counts = append(t.Counts, Count{e.front, outcomes[o], n})
				}
			}
		}
	}
	for f := range m.faults {
		if n := m.faults[f].Load(); n > 0 {
			t.Attempts = append(t.Attempts, Count{Outcome: translate.Fault(f).String(), N: n})
		}
	}
	return t
}

// tried counts an attempt for a question that came at received; err is nil for one that
// gave content.
func (m *meter) tried(received time.Time, err *translate.Error) {
	switch {
	case err == nil:
		m.faults[0].Add(1)
		m.first.add(time.Since(received))
	case err.Fault == 0 || int(err.Fault) >= len(m.faults):
		m.faults[len(m.faults)-1].Add(1)
	default:
		m.faults[err.Fault].Add(1)
	}
}

// attempts is how many there were.
func (m *meter) attempts() (n uint64) {
	for i := range m.faults {
		n += m.faults[i].Load()
	}
	return n
}

// count notes how the exchange ended.
func (x *Exchange) count(err *translate.Error) {
	m := &x.g.meters.none
	if ch := x.attempt.lease.ch; ch != nil { // it was asked, be it in vain
		m = ch.meter
	}
	m.of(x.q.Front).n[outcomeOf(err)].Add(1)
	m.took.add(time.Since(x.q.Received))
}
