package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Filter chooses exchanges; empty fields choose all.
type Filter struct {
	Front, Model string
	Caller       string // by its name, or the shown one, see [store.IsCaller]
	Channel      string // that was asked last
	Outcome      string // ok, or the code of the error
	// Before chooses those that ended earlier than the one with this cursor; 0: all.
	Before uint64
	// Limit is how many are returned at most.
	Limit int
}

// Summary is one exchange in a list.
type Summary struct {
	// Cursor counts the exchanges in the order in which they ended; 0: it runs.
	Cursor   uint64  `json:"cursor"`
	ID       string  `json:"id"`
	At       string  `json:"at"` // when the question came, in RFC 3339
	Front    string  `json:"front"`
	Caller   string  `json:"caller"` // by its shown name, see [store.ShownCaller]
	Model    string  `json:"model"`
	State    string  `json:"state"`   // running or done
	Outcome  string  `json:"outcome"` // ok or the code of the error; empty: it runs
	Message  string  `json:"message"`
	Channel  string  `json:"channel"` // that was asked last; empty: none
	Attempts int     `json:"attempts"`
	FirstMs  float64 `json:"first_ms"` // of the last attempt
	TookMs   float64 `json:"took_ms"`
	Input    int64   `json:"input_tokens"` // as they are charged; 0 while it runs
	Output   int64   `json:"output_tokens"`
	Cost     float64 `json:"cost"` // in the unit of the configured prices
}

// channel is the one that was asked last.
func (r *record) channel() string {
	if len(r.tries) == 0 {
		return ""
	}
	return r.tries[len(r.tries)-1].target.Channel
}

func (r *record) outcome() string { return cmp.Or(string(r.end.code), "ok") }

func (r *record) summary(running bool) Summary {
	s := Summary{Cursor: r.seq, ID: r.id, At: r.received.UTC().Format(time.RFC3339Nano), Front: r.front, Caller: store.ShownCaller(r.caller), Model: r.model, State: "done",
		Outcome: r.outcome(), Message: r.end.message, Channel: r.channel(), Attempts: len(r.tries), TookMs: Millis(r.took), Input: r.input, Output: r.output, Cost: float64(r.cost) / 1e9}
	if n := len(r.tries); n > 0 {
		s.FirstMs = Millis(r.tries[n-1].first)
	}
	if running {
		s.State, s.Outcome, s.TookMs = "running", "", Millis(time.Since(r.received))
	}
	return s
}

func (f *Filter) fits(r *record) bool {
	is := func(want, has string) bool { return want == "" || want == has }
	return is(f.Front, r.front) && (f.Caller == "" || store.IsCaller(f.Caller, r.caller)) && is(f.Model, r.model) && is(f.Channel, r.channel())
}

// Recent returns remembered exchanges that have ended, those that ended last first.
func (s *Traces) Recent(f Filter) []Summary {
	s.mu.Lock()
	var list []Summary
	s.each(func(r *record) {
		if (f.Before == 0 || r.seq < f.Before) && (f.Outcome == "" || f.Outcome == r.outcome()) && f.fits(r) {
			list = append(list, r.summary(false))
		}
	})
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b Summary) int { return cmp.Compare(b.Cursor, a.Cursor) })
	return list[:min(len(list), max(f.Limit, 0))]
}

// Running returns those that have not ended, the newest first.
func (s *Traces) Running(f Filter) (list []Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.runs; r != nil && len(list) < f.Limit; r = r.next {
		r.mu.Lock()
		if f.fits(&r.record) {
			list = append(list, r.summary(true))
		}
		r.mu.Unlock()
	}
	return list
}

// Since returns up to limit exchanges that ended after the one with cursor after, in that
// order, the cursor to go on with, and how many between were remembered no longer.
func (s *Traces) Since(after uint64, limit int) (list []Summary, next, missed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = s.seq
	if next < after {
		return nil, next, 0
	}
	var found []*record
	if next > after {
		s.each(func(r *record) {
			if r.seq > after {
				found = append(found, r)
			}
		})
	}
	slices.SortFunc(found, func(a, b *record) int { return cmp.Compare(a.seq, b.seq) })
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].seq
	}
	for _, r := range found {
		list = append(list, r.summary(false))
	}
	return list, next, next - after - uint64(len(list))
}

// Failed is an attempt that failed.
type Failed struct {
	Exchange string  `json:"exchange"` // its request id
	At       string  `json:"at"`       // when the attempt began, in RFC 3339
	Key      int     `json:"key"`
	Model    string  `json:"model"` // by its name at the back end
	Front    string  `json:"front"`
	Caller   string  `json:"caller"`
	Result   string  `json:"result"` // the kind of fault
	Message  string  `json:"message"`
	OpenMs   float64 `json:"open_ms"`
	FirstMs  float64 `json:"first_ms"`

	began time.Time
}

// Failures returns the newest attempts on a channel that failed, the newest first, of
// exchanges that have ended and are remembered. An answer that broke off is one.
func (s *Traces) Failures(channel string, limit int) (list []Failed) {
	s.mu.Lock()
	s.each(func(r *record) {
		for i := range r.tries {
			t := &r.tries[i]
			how := t.end
			if i == len(r.tries)-1 && how.code == "" && r.end.fault == translate.FaultCut {
				how = r.end
			}
			if t.target.Channel != channel || how.code == "" || how.fault == translate.FaultGone {
				continue
			}
			began := r.received.Add(t.began)
			list = append(list, Failed{began: began, Exchange: r.id, At: began.UTC().Format(time.RFC3339Nano), Key: t.target.Key, Model: t.target.Model, Front: r.front, Caller: store.ShownCaller(r.caller),
				Result: how.result(), Message: how.message, OpenMs: Millis(t.open), FirstMs: Millis(t.first)})
		}
	})
	s.mu.Unlock()
	slices.SortStableFunc(list, func(a, b Failed) int { return b.began.Compare(a.began) })
	return list[:min(len(list), max(limit, 0))]
}

// each calls f for all that have ended and are remembered; s.mu is held.
func (s *Traces) each(f func(*record)) {
	for _, g := range [...]*ring{&s.plain, &s.bad, &s.out} {
		for _, r := range g.kept {
			f(&r.record)
		}
	}
}
