// Package proxytest is a scripted back end for tests of the gateway and of what stands in front
// of it: an [Upstream] plays a [Script] for each request.
package proxytest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Script is how one attempt goes.
type Script struct {
	After time.Duration // before Open returns
	Err   error         // of Open
	Hang  bool          // Open does, until its context ends
	Steps []Step
	Again []Step // repeated for ever after Steps
}

// Step is one thing that a scripted stream does.
type Step struct {
	After time.Duration // it lets this much time pass first
	Event translate.Event
	Err   error
	Hang  bool // until its context ends
	Crash bool // it panics
}

// In is s after d.
func (s Step) In(d time.Duration) Step { s.After = d; return s }

// Text is a step that says a piece of text.
func Text(s string) Step {
	return Step{Event: translate.Event{Kind: translate.KindText, Text: []byte(s)}}
}

// Start is a step that begins an answer.
func Start(id string) Step {
	return Step{Event: translate.Event{Kind: translate.KindStart, ID: []byte(id), Name: []byte("model-" + id)}}
}

// Ends is a step that ends an answer.
func Ends(f translate.Finish) Step {
	return Step{Event: translate.Event{Kind: translate.KindFinish, Finish: f}}
}

// Says is a good answer.
func Says(pieces ...string) Script {
	s := Script{Steps: []Step{Start("s")}}
	for _, p := range pieces {
		s.Steps = append(s.Steps, Text(p))
	}
	s.Steps = append(s.Steps, Ends(translate.FinishStop))
	return s
}

// Refuses is a script whose Open fails with err.
func Refuses(err error) Script { return Script{Err: err} }

// Upstream plays its scripts one after the other, the last one for ever. It is a
// proxy.Upstream, and safe for concurrent use.
type Upstream struct {
	name string
	note func(name string)

	mu      sync.Mutex
	scripts []Script
	mood    func(n int) Script
	reply   func(*translate.Request) Script
	reqs    []translate.Request
	opened  int
	closed  int
	ended   int // calls of Close
}

// NewUpstream returns an upstream that plays scripts, and calls note, if that is not nil, with
// its name at each request.
func NewUpstream(name string, note func(name string), scripts ...Script) *Upstream {
	return &Upstream{name: name, note: note, scripts: scripts}
}

// Play sets the scripts: the nth request gets the nth, counted from the first request of all.
func (u *Upstream) Play(scripts ...Script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.scripts, u.mood, u.reply = scripts, nil, nil
}

// PlayAt replaces the script of the nth request, from 0.
func (u *Upstream) PlayAt(n int, s Script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.scripts = slices.Clone(u.scripts)
	u.scripts[n] = s
}

// PlayNth sets a function that returns the script of the nth request, in place of scripts.
func (u *Upstream) PlayNth(mood func(n int) Script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mood, u.reply = mood, nil
}

// Reply sets a function that returns the script of a request, in place of scripts.
func (u *Upstream) Reply(reply func(*translate.Request) Script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mood, u.reply = nil, reply
}

// Open implements proxy.Upstream.
func (u *Upstream) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	s := u.script(req)
	if u.note != nil {
		u.note(u.name)
	}
	if err := pass(ctx, s.After, s.Hang); err != nil {
		return nil, err
	}
	if s.Err != nil {
		return nil, s.Err
	}
	u.mu.Lock()
	u.opened++
	u.mu.Unlock()
	return &stream{up: u, ctx: ctx, left: s.Steps, again: s.Again}, nil
}

// script notes a request and returns what is played for it.
func (u *Upstream) script(req *translate.Request) Script {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := len(u.reqs)
	u.reqs = append(u.reqs, *req)
	switch {
	case u.reply != nil:
		return u.reply(req)
	case u.mood != nil:
		return u.mood(n)
	case len(u.scripts) > 0:
		return u.scripts[min(n, len(u.scripts)-1)]
	}
	return Script{}
}

// Close implements proxy.Upstream.
func (u *Upstream) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended++
	return nil
}

// Ends returns how often u was closed.
func (u *Upstream) Ends() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// Streams returns how many answers were begun, and how many of them were closed.
func (u *Upstream) Streams() (opened, closed int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.opened, u.closed
}

// Asked returns the requests so far.
func (u *Upstream) Asked() []translate.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.reqs)
}

// Forget forgets the requests so far, so that the next one is the first again.
func (u *Upstream) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reqs = nil
}

// Texts is what the messages of the newest request say, with their roles.
func (u *Upstream) Texts() string {
	reqs := u.Asked()
	if len(reqs) == 0 {
		return ""
	}
	return Said(reqs[len(reqs)-1].Messages)
}

// Said is what messages say, with their roles.
func Said(msgs []translate.Message) string {
	var b strings.Builder
	for i := range msgs {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(msgs[i].Role.String() + ":" + msgs[i].Text())
	}
	return b.String()
}

// pass lets time pass, unless ctx ends.
func pass(ctx context.Context, d time.Duration, forever bool) error {
	var timer <-chan time.Time
	if !forever {
		timer = time.After(d)
	}
	if !forever && d == 0 {
		return nil // whether ctx has ended is for the gateway to see
	}
	select {
	case <-timer:
		return nil
	case <-ctx.Done():
		var e *translate.Error
		if errors.As(context.Cause(ctx), &e) {
			return e
		}
		return &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "ended", Cause: context.Cause(ctx)}
	}
}

// stream hands out events in buffers that it spoils at the next call.
type stream struct {
	up       *Upstream
	ctx      context.Context
	left     []Step
	again    []Step
	lent     [][]byte
	finished bool
	closed   bool
}

func (s *stream) spoil() {
	for _, b := range s.lent {
		for i := range b {
			b[i] = '#'
		}
	}
	s.lent = s.lent[:0]
}

func (s *stream) lend(b []byte) []byte {
	if b == nil {
		return nil
	}
	b = append([]byte{}, b...)
	s.lent = append(s.lent, b)
	return b
}

// Next implements translate.Stream.
func (s *stream) Next() (translate.Event, error) {
	s.spoil()
	if len(s.left) == 0 {
		s.left = s.again
	}
	if len(s.left) == 0 {
		if s.finished {
			return translate.Event{}, io.EOF
		}
		return translate.Event{}, translate.Truncated(io.ErrUnexpectedEOF)
	}
	now := s.left[0]
	s.left = s.left[1:]
	if err := pass(s.ctx, now.After, now.Hang); err != nil {
		return translate.Event{}, err
	}
	if now.Crash {
		panic("a bug in an upstream")
	}
	if now.Err != nil {
		return translate.Event{}, now.Err
	}
	ev := now.Event
	s.finished = s.finished || ev.Kind == translate.KindFinish
	ev.Text, ev.ID, ev.Name, ev.Raw = s.lend(ev.Text), s.lend(ev.ID), s.lend(ev.Name), s.lend(ev.Raw)
	return ev, nil
}

// Ready implements translate.Stream.
func (s *stream) Ready() bool {
	return len(s.left) == 0 || s.left[0].After == 0 && !s.left[0].Hang
}

// Close implements translate.Stream.
func (s *stream) Close() error {
	s.spoil()
	if !s.closed {
		s.closed = true
		s.up.mu.Lock()
		s.up.closed++
		s.up.mu.Unlock()
	}
	return nil
}
