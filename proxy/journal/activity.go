package journal

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What is remembered of the activity: slots of a few seconds, for a quarter of an hour.
const (
	SlotTime  = 5 * time.Second
	Slots     = 180
	flowsMost = 1024 // in a slot; further ones are counted together
)

// Origin is on whose side a failure arose.
type Origin uint8

// The origins. None is a good end.
const (
	None    Origin = iota
	Client         // the question was at fault or kept out by a limit of its caller, or its client left
	Us             // a mistake or a shortage of the gateway
	Back           // the channel: its model, its account, its limits
	Network        // the way to the channel, or the connection broke off
	origins
)

// Flow is a way that questions take.
type Flow struct {
	Front   string `json:"front"`
	Model   string `json:"model"`
	Channel string `json:"channel"` // that was asked last; empty: none was
}

// Flowed is how many questions took it.
type Flowed struct {
	Flow
	Questions uint64 `json:"questions"` // that have ended
	Failed    uint64 `json:"failed"`    // of them, those whose failure was not their client's
	Running   uint64 `json:"running"`
}

// Slot is the activity of one stretch of time.
type Slot struct {
	Ended         [origins]uint64 // exchanges that have ended, by the origin of their failure
	Input, Output int64           // tokens
	Cost          int64           // in billionths of the unit of the prices
	// Added is the time from a question to the attempt that was the last; First that to the
	// first content of its answer.
	Added, First Durations
}

// Questions is how many have ended.
func (s *Slot) Questions() (n uint64) {
	for _, of := range s.Ended {
		n += of
	}
	return n
}

// merge adds o to s.
func (s *Slot) merge(o *Slot) {
	for i := range o.Ended {
		s.Ended[i] += o.Ended[i]
	}
	s.Input, s.Output, s.Cost = s.Input+o.Input, s.Output+o.Output, s.Cost+o.Cost
	s.Added.merge(&o.Added)
	s.First.merge(&o.First)
}

// Buckets of Durations: eight for each power of two of microseconds, up to some minutes.
const (
	fineness  = 3
	durations = (28 - fineness + 1) << fineness
)

// Durations counts durations so finely that quantiles are right to a tenth. Its zero value is empty.
type Durations struct {
	n     uint64
	count [durations]uint32
}

func (d *Durations) add(t time.Duration) {
	d.n++
	d.count[bucketOf(uint64(max(t.Microseconds(), 0)))]++
}

func (d *Durations) merge(o *Durations) {
	if o.n == 0 {
		return
	}
	d.n += o.n
	for i := range o.count {
		d.count[i] += o.count[i]
	}
}

// bucketOf is the bucket of us microseconds: below eight one for each, then eight for each
// power of two.
func bucketOf(us uint64) int {
	top := bits.Len64(us)
	if top <= fineness {
		return int(us)
	}
	shift := top - fineness - 1
	return min((shift+1)<<fineness+int(us>>shift)&(1<<fineness-1), durations-1)
}

// bucketMiddle is the middle of bucket i, in microseconds.
func bucketMiddle(i int) float64 {
	if i < 1<<fineness {
		return float64(i)
	}
	shift := i>>fineness - 1
	return (float64(i&(1<<fineness-1)+1<<fineness) + 0.5) * float64(uint64(1)<<shift)
}

// Spread is how many durations are within each half of a doubling: from a power of two of
// microseconds up to one and a half times it, and from there to the next. Empty ones are left out.
type Spread struct {
	FromMs float64 `json:"from_ms"`
	ToMs   float64 `json:"to_ms"`
	Count  uint64  `json:"count"`
}

// Spread returns how d is spread, the shortest first; nil: it is empty.
func (d *Durations) Spread() (all []Spread) {
	const half = 1 << (fineness - 1)
	if d.n == 0 {
		return nil
	}
	for i := 0; i < durations; i += half {
		n := uint64(0)
		for _, of := range d.count[i : i+half] {
			n += uint64(of)
		}
		if n > 0 {
			all = append(all, Spread{bucketFrom(i) / 1000, bucketFrom(i+half) / 1000, n})
		}
	}
	return all
}

// bucketFrom is where bucket i begins, in microseconds.
func bucketFrom(i int) float64 {
	if i < 1<<fineness {
		return float64(i)
	}
	return float64(i&(1<<fineness-1)+1<<fineness) * float64(uint64(1)<<(i>>fineness-1))
}

// Quantile returns the duration below which the part q of all are, in milliseconds; 0: there
// are none.
func (d *Durations) Quantile(q float64) float64 {
	left := uint64(q*float64(d.n) + 0.5)
	for i, n := range d.count {
		if uint64(n) >= max(left, 1) {
			return bucketMiddle(i) / 1000
		}
		left -= uint64(n)
	}
	return 0
}

// Activity is what exchanges were like that ended in the last quarter of an hour. Its zero
// value is empty. It is safe for concurrent use.
type Activity struct {
	mu   sync.Mutex
	ring [Slots]*kept
}

// kept is a slot and its flows.
type kept struct {
	number int64 // since 1970, in SlotTime
	Slot
	flows map[Flow]*Flowed
}

// SlotAt is the number of the slot of t, counted since 1970.
func SlotAt(t time.Time) int64 { return t.UnixNano() / int64(SlotTime) }

// count counts r, which has ended.
func (a *Activity) count(r *record) {
	n := SlotAt(r.received.Add(r.took))
	a.mu.Lock()
	defer a.mu.Unlock()
	at := &a.ring[n%Slots]
	switch {
	case *at == nil:
		*at = &kept{number: n, flows: map[Flow]*Flowed{}}
	case (*at).number < n:
		clear((*at).flows)
		**at = kept{number: n, flows: (*at).flows}
	case (*at).number > n:
		return // the clock was set back
	}
	(*at).add(r)
}

func (s *kept) add(r *record) {
	origin := r.origin()
	s.Ended[origin]++
	s.Input, s.Output, s.Cost = s.Input+r.input, s.Output+r.output, s.Cost+r.cost
	if n := len(r.tries); n > 0 {
		last := &r.tries[n-1]
		s.Added.add(last.began)
		if last.over && last.end.code == "" {
			s.First.add(last.began + last.open + last.first)
		}
	}
	flow := Flow{r.front, r.model, r.channel()}
	f := s.flows[flow]
	if f == nil && len(s.flows) >= flowsMost {
		flow = Flow{r.front, "(others)", "(others)"}
		f = s.flows[flow]
	}
	if f == nil {
		f = &Flowed{Flow: flow}
		s.flows[flow] = f
	}
	f.Questions++
	if origin > Client {
		f.Failed++
	}
}

// last calls f, under the lock, for the slots that ended in the stretch of time before now, the
// oldest first. The slot that is being filled is not among them.
func (a *Activity) last(d time.Duration, now time.Time, f func(*kept)) {
	end := SlotAt(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := max(end-int64(d/SlotTime), end-Slots+1, 0); n < end; n++ {
		if s := a.ring[n%Slots]; s != nil && s.number == n {
			f(s)
		}
	}
}

// Sum returns the activity of the time d before the slot of now, at most a quarter of an hour.
func (a *Activity) Sum(d time.Duration, now time.Time) *Slot {
	sum := &Slot{}
	a.last(d, now, func(s *kept) { sum.merge(&s.Slot) })
	return sum
}

// Each calls f for each slot of the last quarter of an hour in which anything ended, the oldest
// first, with its beginning. f must not keep s.
func (a *Activity) Each(now time.Time, f func(at time.Time, s *Slot)) {
	a.last(Slots*SlotTime, now, func(s *kept) { f(time.Unix(0, s.number*int64(SlotTime)), &s.Slot) })
}

// Flows returns the ways that questions took in the time d before the slot of now, with those
// that run, the most used first.
func (s *Traces) Flows(d time.Duration, now time.Time) []Flowed {
	sum := map[Flow]*Flowed{}
	of := func(f Flow) *Flowed {
		if sum[f] == nil {
			sum[f] = &Flowed{Flow: f}
		}
		return sum[f]
	}
	s.Activity.last(d, now, func(k *kept) {
		for f, n := range k.flows {
			one := of(f)
			one.Questions, one.Failed = one.Questions+n.Questions, one.Failed+n.Failed
		}
	})
	s.mu.Lock()
	for r := s.runs; r != nil; r = r.next {
		r.mu.Lock()
		of(Flow{r.front, r.model, r.channel()}).Running++
		r.mu.Unlock()
	}
	s.mu.Unlock()
	all := make([]Flowed, 0, len(sum))
	for _, f := range sum {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Flowed) int {
		return cmp.Or(cmp.Compare(b.Questions+b.Running, a.Questions+a.Running), cmp.Compare(a.Front, b.Front), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Channel, b.Channel))
	})
	return all
}

// KeptOut reports whether err is a refusal under a limit or a budget of the caller, which is
// nobody's failure.
func KeptOut(err *translate.Error) bool {
	_, limited := err.Cause.(*limiter.Exceeded)
	return limited || err.Spent != nil
}

// origin is on whose side the failure of r arose.
func (r *record) origin() Origin {
	how := r.end
	if n := len(r.tries); how.code != "" && how.fault == 0 && n > 0 {
		how.fault = r.tries[n-1].end.fault // of an error that sums up several
	}
	switch {
	case how.code == "":
		return None
	case how.code == translate.CodeInternal || how.fault == translate.FaultLocal:
		return Us
	case how.code == translate.CodeCanceled || how.keptOut || how.fault == translate.FaultRejected || how.fault == translate.FaultGone || how.fault == translate.FaultSize:
		return Client
	case how.fault == translate.FaultDial || how.fault == translate.FaultCut:
		return Network
	case how.fault != 0 || how.code == translate.CodeModel || how.code == translate.CodeRateLimited:
		return Back
	case how.code == translate.CodeUnavailable && len(r.notes)+len(r.tries) == 0:
		return Us // it stops, or its store is lost
	case how.code == translate.CodeUnavailable:
		return Back
	}
	return Client
}
