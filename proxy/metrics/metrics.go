// Package metrics counts exchanges and attempts by channel.
//
// A [Channel] is held by whoever answers for it, so that counting is an addition to what is
// at hand. Names of fronts are labels as the exchanges bring them; no list of them is here.
// How the counts are written down for a scraper is another's: see [Registry.Snapshots].
package metrics

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// manyFronts is how many fronts are counted apart, of which the names become labels; the rest
// is otherFront.
const (
	manyFronts = 32
	otherFront = "other"
)

// Channel counts the exchanges of one configured channel, or those that no channel was
// asked for. It is safe for concurrent use, and allocates only for the first exchange of a
// front. Its zero value has counted nothing.
type Channel struct {
	fronts   atomic.Pointer[[]*front]            // replaced when a front is new
	attempts [translate.Faults + 1]atomic.Uint64 // by fault; 0: they gave content; the last: our own errors
	first    histogram                           // from the question to the first content
	took     histogram                           // the whole exchange

	input, output, sound, images, cost atomic.Uint64 // see Used
}

// front counts the exchanges of one front by outcome.
type front struct {
	name string
	n    [outcomes]atomic.Uint64
}

// Answered counts an attempt that gave content, first after its question came.
func (c *Channel) Answered(first time.Duration) {
	c.attempts[0].Add(1)
	c.first.observe(first)
}

// Failed counts an attempt that failed with f. A fault that is none of an upstream's is
// counted as another.
func (c *Channel) Failed(f translate.Fault) {
	if f == 0 || int(f) >= translate.Faults {
		f = translate.Fault(translate.Faults)
	}
	c.attempts[f].Add(1)
}

// Attempts is how many there were, of every kind.
func (c *Channel) Attempts() (n uint64) {
	for i := range c.attempts {
		n += c.attempts[i].Load()
	}
	return n
}

// Ended counts an exchange of a front that ended took after its question came.
func (c *Channel) Ended(name string, o Outcome, took time.Duration) {
	c.of(name).n[o].Add(1)
	c.took.observe(took)
}

// Used counts what an exchange has used: tokens of its question and of its answer, sound and
// pictures, and what they cost in billionths of the unit of the prices. What is negative counts as
// nothing.
func (c *Channel) Used(u translate.Usage, cost int64) {
	c.input.Add(uint64(max(u.Input, 0)))
	c.output.Add(uint64(max(u.Output, 0)))
	c.cost.Add(uint64(max(cost, 0)))
	if u.Sound > 0 {
		c.sound.Add(uint64(u.Sound))
	}
	if u.Images > 0 {
		c.images.Add(uint64(u.Images))
	}
}

// of returns the counters of a front, which begin with its first exchange.
func (c *Channel) of(name string) *front {
	for {
		before := c.fronts.Load()
		var all []*front
		if before != nil {
			all = *before
		}
		for _, f := range all {
			if f.name == name {
				return f
			}
		}
		if name == "" || len(all) >= manyFronts && name != otherFront {
			name = otherFront
			continue
		}
		more := append(slices.Clone(all), &front{name: name})
		c.fronts.CompareAndSwap(before, &more)
	}
}

// Registry has the counters by channel. Those of a channel that has gone stay, so that no
// counter ever falls. It is safe for concurrent use, and its zero value is empty.
type Registry struct {
	None Channel // exchanges that reached no channel

	mu   sync.Mutex
	ids  []string
	byID map[string]*Channel
}

// Channel returns the counters of the channel id, which are the same for the whole life of r.
func (r *Registry) Channel(id string) *Channel {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.byID[id]; c != nil {
		return c
	}
	if r.byID == nil {
		r.byID = make(map[string]*Channel)
	}
	c := &Channel{}
	r.byID[id] = c
	r.ids = append(r.ids, id)
	return c
}

// Snapshot is what was counted of one channel since the process began.
type Snapshot struct {
	Channel   string     // empty: exchanges that reached no channel
	Exchanges []Exchange // by front and outcome, without zeros
	Attempts  []Attempt  // by outcome, without zeros
	First     Histogram  // from the question to the first content
	Took      Histogram  // the whole exchange

	Input, Output uint64 // tokens of questions and of answers
	Sound, Images uint64 // milliseconds, and how many
	Cost          uint64 // in billionths of the unit of the prices
}

// Exchange is how many exchanges of one front ended in one way.
type Exchange struct {
	Front   string
	Outcome Outcome
	N       uint64
}

// Attempt is how many attempts went one way: "ok", or the name of a [translate.Fault].
type Attempt struct {
	Outcome string
	N       uint64
}

// Snapshots returns what was counted, first for exchanges that reached no channel, then for
// each channel in the order in which they were first configured. Counters are read one
// after the other, so that an exchange may be in some and not yet in others.
func (r *Registry) Snapshots() []Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := []Snapshot{r.None.snapshot("")}
	for _, id := range r.ids {
		all = append(all, r.byID[id].snapshot(id))
	}
	return all
}

func (c *Channel) snapshot(id string) Snapshot {
	s := Snapshot{
		Channel: id, First: c.first.snapshot(), Took: c.took.snapshot(),
		Input: c.input.Load(), Output: c.output.Load(), Sound: c.sound.Load(), Images: c.images.Load(), Cost: c.cost.Load(),
	}
	if fronts := c.fronts.Load(); fronts != nil {
		all := slices.Clone(*fronts)
		slices.SortFunc(all, func(a, b *front) int { return strings.Compare(a.name, b.name) })
		for _, f := range all {
			for o := range f.n {
				if n := f.n[o].Load(); n > 0 {
					s.Exchanges = append(s.Exchanges, Exchange{f.name, Outcome(o), n})
				}
			}
		}
	}
	for f := range c.attempts {
		if n := c.attempts[f].Load(); n > 0 {
			s.Attempts = append(s.Attempts, Attempt{translate.Fault(f).String(), n})
		}
	}
	return s
}
