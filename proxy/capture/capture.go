// Package capture keeps what was said in exchanges, in all their forms, for the callers that an
// operator has chosen and for the time that the operator has set. It is for looking at a problem:
// nothing is kept where nobody has switched it on, and nothing outlives the process.
package capture

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// The budget of all captures.
const (
	MostTime      = time.Hour // of one capture
	MostCallers   = 8         // that are captured at once
	MostName      = 256       // bytes of a caller's name
	MostExchanges = 100       // that are kept; the oldest makes room
	MostBytes     = 16 << 20  // of all that is kept
	FormBytes     = 64 << 10  // of one form of an exchange; of a longer one its beginning
	KeptFor       = time.Hour // of an exchange, from its question on
)

// Capture is one caller whose exchanges are kept.
type Capture struct {
	Caller string    `json:"caller"`
	By     string    `json:"by"` // the operator who has switched it on
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Taken  int       `json:"taken"` // exchanges, those that made room for others included
}

// Kept says of which exchange there are forms.
type Kept struct {
	ID     string    `json:"id"`
	Caller string    `json:"caller"`
	Front  string    `json:"front"`
	At     time.Time `json:"at"` // when its question came
}

// Book knows who is captured, and has what was kept. The zero value is empty. It is safe for
// concurrent use. While nobody is captured a question costs it one atomic load.
type Book struct {
	on    atomic.Pointer[map[string]bool] // the callers; nil: none. The map is replaced, never changed
	bytes atomic.Int64                    // that are kept

	mu    sync.Mutex
	of    map[string]*Capture // those of on, some of which may be over
	kept  []*Exchange         // the oldest first
	clock *time.Timer         // looks for what is over; nil: nothing will be
}

// On captures a caller from now on, for as long as it says; a capture of the same caller that is
// on takes its end from it. The error's code is VALIDATION_ERROR, or RATE_LIMITED where as many
// callers are captured as there may be.
func (b *Book) On(caller, by string, long time.Duration) (Capture, error) {
	if caller == "" || len(caller) > MostName {
		return Capture{}, translate.Invalid("caller wants the name of a caller")
	}
	if long < time.Second || long > MostTime {
		return Capture{}, translate.Invalid("seconds wants a number from 1 to 3600")
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tidy(now)
	c := b.of[caller]
	if c == nil {
		if len(b.of) >= MostCallers {
			return Capture{}, &translate.Error{Code: translate.CodeRateLimited, Message: "as many callers are captured as may be at once: end one of them", Retry: b.next(now)}
		}
		if b.of == nil {
			b.of = make(map[string]*Capture)
		}
		c = &Capture{Caller: caller, Since: now}
		b.of[caller] = c
	}
	c.By, c.Until = by, now.Add(long)
	b.publish(now)
	return *c, nil
}

// Off ends the capture of a caller, and reports whether there was one. What was kept stays.
func (b *Book) Off(caller string) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tidy(now)
	_, was := b.of[caller]
	delete(b.of, caller)
	b.publish(now)
	return was
}

// Clear ends all captures and forgets what was kept. It returns how many exchanges that were.
func (b *Book) Clear() (forgotten int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	forgotten = len(b.kept)
	for _, x := range b.kept {
		x.drop()
	}
	b.kept = nil
	clear(b.of)
	b.publish(time.Now())
	return forgotten
}

// State returns who is captured, by name, and what is kept, the newest first.
func (b *Book) State() (on []Capture, kept []Kept, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tidy(time.Now())
	for _, c := range b.of {
		on = append(on, *c)
	}
	slices.SortFunc(on, func(a, b Capture) int { return cmp.Compare(a.Caller, b.Caller) })
	for _, x := range slices.Backward(b.kept) {
		kept = append(kept, x.Kept)
	}
	return on, kept, b.bytes.Load()
}

// Active returns who is captured, by name: nearly always nobody, which costs one atomic load.
func (b *Book) Active() []Capture {
	if !b.Any() {
		return nil
	}
	on, _, _ := b.State()
	return on
}

// Any reports whether there is a caller who is captured, at the cost of one atomic load.
func (b *Book) Any() bool { return b.on.Load() != nil }

// Captures reports whether the exchanges of a caller are kept.
func (b *Book) Captures(caller string) bool {
	on := b.on.Load()
	return on != nil && (*on)[caller]
}

// Take begins to keep an exchange whose caller is captured; of any other one it returns nil,
// which takes everything and keeps nothing. mask hides the keys from those who read it.
func (b *Book) Take(k Kept, mask func(string) string) *Exchange {
	if !b.Captures(k.Caller) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tidy(time.Now())
	c := b.of[k.Caller]
	if c == nil {
		return nil
	}
	c.Taken++
	for len(b.kept) > 0 && (len(b.kept) >= MostExchanges || b.bytes.Load() > MostBytes-roomForOne) {
		b.kept[0].drop()
		b.kept = slices.Delete(b.kept, 0, 1)
	}
	x := &Exchange{Kept: k, book: b, mask: mask}
	b.kept = append(b.kept, x)
	b.watch(time.Now())
	return x
}

// Find returns the forms of the newest exchange with this id that is kept: of caller unless that
// is empty, and of the question that came at that time unless that is zero.
func (b *Book) Find(id, caller string, at time.Time, mask func(string) string) (*Forms, bool) {
	b.mu.Lock()
	b.tidy(time.Now())
	var found *Exchange
	for _, x := range slices.Backward(b.kept) {
		if x.ID == id && (caller == "" || x.Caller == caller) && (at.IsZero() || x.At.Equal(at)) {
			found = x
			break
		}
	}
	b.mu.Unlock()
	if found == nil {
		return nil, false
	}
	return found.forms(mask), true
}

// tidy removes what is over at now; b.mu is held.
func (b *Book) tidy(now time.Time) {
	over := false
	for name, c := range b.of {
		if !now.Before(c.Until) {
			delete(b.of, name)
			over = true
		}
	}
	if over {
		b.publish(now)
	}
	for len(b.kept) > 0 && now.Sub(b.kept[0].At) >= KeptFor {
		b.kept[0].drop()
		b.kept = slices.Delete(b.kept, 0, 1)
	}
}

// publish tells those who take questions whom to capture; b.mu is held.
func (b *Book) publish(now time.Time) {
	b.on.Store(nil)
	if len(b.of) > 0 {
		names := make(map[string]bool, len(b.of))
		for name := range maps.Keys(b.of) {
			names[name] = true
		}
		b.on.Store(&names)
	}
	b.watch(now)
}

// watch sets the clock for the next thing that will be over; b.mu is held.
func (b *Book) watch(now time.Time) {
	if b.clock != nil {
		b.clock.Stop()
		b.clock = nil
	}
	if len(b.of) > 0 || len(b.kept) > 0 {
		b.clock = time.AfterFunc(b.next(now), b.look)
	}
}

// look removes what is over.
func (b *Book) look() {
	defer func() { _ = recover() }()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tidy(now)
	b.watch(now)
}

// next is how long it takes until something is over; b.mu is held.
func (b *Book) next(now time.Time) time.Duration {
	next := MostTime
	for _, c := range b.of {
		next = min(next, c.Until.Sub(now))
	}
	if len(b.kept) > 0 {
		next = min(next, b.kept[0].At.Add(KeptFor).Sub(now))
	}
	return max(next, time.Second)
}
