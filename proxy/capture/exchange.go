package capture

import (
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// slack is kept of a form beyond what is shown of it, so that no part of a key is shown
	// that the end of the form has cut.
	slack = 2 << 10
	// roomForOne is what one exchange may take, unless it makes many attempts.
	roomForOne = 1 << 20
)

// Exchange is one that is kept. A nil one keeps nothing. It is safe for concurrent use.
type Exchange struct {
	Kept
	book *Book
	mask func(string) string

	mu        sync.Mutex
	dropped   bool // it has made room for another one
	asked     form
	canonical form
	told      form
	attempts  []*Attempt
}

// Attempt is one attempt of an exchange that is kept. It is a [translate.Tap].
type Attempt struct {
	x              *Exchange
	channel, model string
	sent, came     form
}

var _ translate.Tap = (*Attempt)(nil)

// form is what has come of one form.
type form struct {
	text []byte
	size int64 // of all of it
}

// keep adds p to f, as far as there is room.
func (x *Exchange) keep(f *form, p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f.size += int64(len(p))
	p = p[:min(len(p), FormBytes+slack-len(f.text))]
	if len(p) == 0 || x.dropped || !x.book.reserve(int64(len(p))) {
		return
	}
	f.text = append(f.text, p...)
}

// reserve takes n bytes of the budget, if they are left.
func (b *Book) reserve(n int64) bool {
	if b.bytes.Add(n) <= MostBytes {
		return true
	}
	b.bytes.Add(-n)
	return false
}

// drop forgets what was kept of x.
func (x *Exchange) drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropped = true
	all := []*form{&x.asked, &x.canonical, &x.told}
	for _, a := range x.attempts {
		all = append(all, &a.sent, &a.came)
	}
	for _, f := range all {
		x.book.bytes.Add(-int64(len(f.text)))
		f.text = nil
	}
}

// Asked keeps the question as its client has sent it.
func (x *Exchange) Asked(p []byte) {
	if x != nil {
		x.keep(&x.asked, p)
	}
}

// Canonical keeps the question in the canonical form, with what its conversation and its preset
// have added.
func (x *Exchange) Canonical(p []byte) {
	if x != nil {
		x.keep(&x.canonical, p)
	}
}

// Told keeps a piece of the answer as its client gets it.
func (x *Exchange) Told(p []byte) {
	if x != nil {
		x.keep(&x.told, p)
	}
}

// Try begins an attempt on a channel and its model. Where x is nil, so is the tap.
func (x *Exchange) Try(channel, model string) translate.Tap {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := &Attempt{x: x, channel: channel, model: model}
	x.attempts = append(x.attempts, a)
	return a
}

// Untry forgets the newest attempt, in which nothing was sent.
func (x *Exchange) Untry() {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.attempts); n > 0 && x.attempts[n-1].sent.size == 0 {
		x.attempts = x.attempts[:n-1]
	}
}

// Sent implements [translate.Tap].
func (a *Attempt) Sent(p []byte) { a.x.keep(&a.sent, p) }

// Came implements [translate.Tap].
func (a *Attempt) Came(p []byte) { a.x.keep(&a.came, p) }

// Forms are those of one exchange.
type Forms struct {
	Kept
	Asked     Form           `json:"asked"`     // as the client sent it
	Canonical Form           `json:"canonical"` // as it was understood
	Attempts  []AttemptForms `json:"attempts"`  // in their order
	Told      Form           `json:"told"`      // the answer, as the client got it
}

// AttemptForms are those of one attempt.
type AttemptForms struct {
	Channel string `json:"channel"`
	Model   string `json:"model"`
	Sent    Form   `json:"sent"` // the question, as the channel got it
	Came    Form   `json:"came"` // its answer, as it came
}

// Form is what was kept of one form, without keys. Its text is UTF-8, with � in the place of what
// is not.
type Form struct {
	Text  string `json:"text"`
	Bytes int64  `json:"bytes"`         // of all of it
	Cut   bool   `json:"cut,omitempty"` // the text is its beginning
}

// forms are those of x so far, read through its own mask and another one.
func (x *Exchange) forms(mask func(string) string) *Forms {
	x.mu.Lock()
	asked, canonical, told := x.asked, x.canonical, x.told
	attempts := make([]Attempt, 0, len(x.attempts))
	for _, a := range x.attempts {
		attempts = append(attempts, *a)
	}
	x.mu.Unlock() // texts only grow, and hiding the keys takes its time
	show := func(f form) Form { return f.shown(func(s string) string { return mask(x.mask(s)) }) }
	all := &Forms{Kept: x.Kept, Asked: show(asked), Canonical: show(canonical), Told: show(told), Attempts: []AttemptForms{}}
	for _, a := range attempts {
		all.Attempts = append(all.Attempts, AttemptForms{Channel: a.channel, Model: a.model, Sent: show(a.sent), Came: show(a.came)})
	}
	return all
}

// shown is f as an operator sees it. A key that the end of the text has cut is in its last bytes,
// which are left out then.
func (f form) shown(mask func(string) string) Form {
	text := mask(strings.ToValidUTF8(string(f.text), "�"))
	out := Form{Text: text, Bytes: f.size, Cut: f.size > int64(len(f.text))}
	if out.Cut {
		out.Text = text[:max(len(text)-slack, 0)]
	}
	if len(out.Text) > FormBytes {
		out.Text, out.Cut = out.Text[:FormBytes], true
	}
	if out.Cut {
		out.Text = strings.ToValidUTF8(out.Text, "")
	}
	return out
}
