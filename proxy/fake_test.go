package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/proxytest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f with a clock of its own, beside other tests.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// What tests are written in.
type (
	step   = proxytest.Step
	script = proxytest.Script
	fakeUp = proxytest.Upstream
)

func text(s string) step                { return proxytest.Text(s) }
func start(id string) step              { return proxytest.Start(id) }
func finish() step                      { return proxytest.Ends(translate.FinishStop) }
func ends(f translate.Finish) step      { return proxytest.Ends(f) }
func fails(err error) step              { return step{Err: err} }
func hangs() step                       { return step{Hang: true} }
func says(pieces ...string) script      { return proxytest.Says(pieces...) }
func refuses(err error) script          { return proxytest.Refuses(err) }
func said(m []translate.Message) string { return proxytest.Said(m) }

func fault(f translate.Fault) *translate.Error {
	e := &translate.Error{Code: translate.CodeModel, Fault: f, Message: "it failed"}
	switch f {
	case translate.FaultDial, translate.FaultDenied, translate.FaultPurse, translate.FaultCost, translate.FaultPlace, translate.FaultNoModel, translate.FaultAstray, translate.FaultSize:
		e.Code = translate.CodeUnavailable
	case translate.FaultBusy:
		e.Code = translate.CodeRateLimited
	case translate.FaultSlow:
		e.Timeout = true
	case translate.FaultGone:
		e.Code = translate.CodeCanceled
	}
	return e
}

// world is a gateway with scripted channels.
type world struct {
	t       *testing.T
	g       *Gateway
	st      store.Store
	limiter limiter.Limiter
	up      map[string]*fakeUp
	log     strings.Builder
	mu      sync.Mutex
	tale    []string // the channels in the order in which they were asked
}

func (w *world) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tale = append(w.tale, s)
}

func (w *world) order() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.tale, " ")
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// channel is a channel of kind openai that serves the model m.
func backend(id string, change ...func(*config.Channel)) config.Channel {
	c := config.Channel{ID: id, Kind: "openai", Models: []config.Model{{Name: "m", Upstream: "up-" + id}}, Tier: 1, Weight: 1, URL: "https://secret-address.example", Keys: []string{"sk-secret-" + id}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func tier(n int) func(*config.Channel)       { return func(c *config.Channel) { c.Tier = n } }
func kind(k string) func(*config.Channel)    { return func(c *config.Channel) { c.Kind = k } }
func atMost(n int) func(*config.Channel)     { return func(c *config.Channel) { c.Concurrent = n } }
func keys(k ...string) func(*config.Channel) { return func(c *config.Channel) { c.Keys = k } }

// newWorld makes a gateway of conf, whose channels answer with the scripts under
// their ids. At the end of the test nothing may be left behind.
func newWorld(t *testing.T, conf *config.Config, scripts map[string][]script) *world {
	t.Helper()
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, conf, scripts, st)
}

func newWorldOn(t *testing.T, conf *config.Config, scripts map[string][]script, st store.Store) *world {
	t.Helper()
	return newWorldWith(t, conf, scripts, st, Options{})
}

func newWorldWith(t *testing.T, conf *config.Config, scripts map[string][]script, st store.Store, o Options) *world {
	t.Helper()
	w := &world{t: t, st: st, up: map[string]*fakeUp{}}
	log := slog.New(slog.NewTextHandler(locked{&w.mu, &w.log}, nil))
	if o.Limiter == nil {
		o.Limiter = limiter.NewLocal(limiter.Options{})
	}
	w.limiter = o.Limiter
	g, err := New(conf, st, func(c *config.Channel, key string) (Upstream, error) {
		name := c.ID
		if len(c.Keys) > 1 {
			name += "/" + key
		}
		u := proxytest.NewUpstream(name, w.note, scripts[name]...)
		w.up[name] = u
		return u, nil
	}, log, o)
	if err != nil {
		t.Fatal(err)
	}
	w.g = g
	t.Cleanup(w.end)
	return w
}

// end checks that everything was given back.
func (w *world) end() {
	w.mustBeIdle()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := w.g.Drain(ctx); err != nil {
		w.t.Errorf("an exchange was not given back: %v", err)
	}
	_ = w.g.Close()
	if log := w.log.String(); strings.Contains(log, "secret") {
		w.t.Errorf("the log tells a secret: %s", log)
	}
}

func (w *world) mustBeIdle() {
	w.t.Helper()
	for _, ch := range w.g.plan.Load().Channels {
		if n, m := ch.InFlight.Load(), ch.Slots.Taken(); n != 0 || m != 0 {
			w.t.Errorf("channel %s: %d in flight, %d of its limit", ch.ID, n, m)
		}
	}
	for name, u := range w.up {
		if opened, closed := u.Streams(); opened != closed {
			w.t.Errorf("channel %s: %d streams, %d closed", name, opened, closed)
		}
	}
	if n := w.g.Conversations().Stats().InUse; n != 0 {
		w.t.Errorf("%d conversations are still in use", n)
	}
}

func conf(channels ...config.Channel) *config.Config { return &config.Config{Channels: channels} }

var alice = &Caller{Name: "alice"}

// question is a question of a test, its place in a conversation, and what is told of it.
type question struct {
	Question
	Turn     *conversation.Turn // given back with the question
	Admitted func(limiter.State)
	Timing   Timing
	p        *Pending // once it is admitted
}

func (w *world) admit(ctx context.Context, q *question) (err error) {
	q.p, err = w.g.Admit(ctx, q.Question)
	switch {
	case err != nil && q.Turn != nil:
		q.Turn.Done()
	case err == nil && q.Turn != nil:
		q.p.Enter(q.Turn)
	}
	return err
}

// join takes the place of q, which was admitted, in the conversation of id.
func (w *world) join(ctx context.Context, q *question, id conversation.Identity) error {
	err := q.p.Join(ctx, id)
	q.Turn = q.p.Turn()
	return err
}

// needs is the estimate for q.
func (w *world) needs(q *question) int {
	return w.g.pending(context.Background(), q.Question).x.prompt.needs()
}

func (q *question) dismiss() {
	if q.p != nil {
		q.p.Dismiss()
	}
}

// open puts q to the gateway, admitted or not.
func (w *world) open(ctx context.Context, q *question) (*Exchange, error) {
	if q.p == nil {
		if err := w.admit(ctx, q); err != nil {
			return nil, err
		}
	}
	p := q.p
	q.p = nil // it may be put again
	if q.Caller.Limited() {
		p.Tell(q.Admitted)
	}
	x, err := p.Open(ctx)
	q.Timing = p.Timing()
	return x, err
}

// question is one of alice, streamed, outside any conversation.
func (w *world) question(text string) *question {
	return w.questionOf(alice, "", text)
}

func (w *world) questionOf(c *Caller, model, text string) *question {
	w.t.Helper()
	m, err := w.g.Resolve(c, model)
	if err != nil {
		w.t.Fatal(err)
	}
	q := &question{Question: Question{ID: "r1", Front: "test", Caller: c, Model: m, Request: &translate.Request{Dialect: "test", Stream: true}}}
	if text != "" {
		q.Request.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, text)}
	}
	return q
}

// in puts q into the conversation of alice under key.
func (w *world) in(key string, q *question) *question {
	w.t.Helper()
	turn, err := w.g.Enqueue(context.Background(), q.Caller, talkOf(key))
	if err != nil {
		w.t.Fatal(err)
	}
	q.Turn = turn
	return q
}

func talkOf(key string) conversation.Identity {
	return conversation.Identity{Find: store.Ref{Key: key}, Make: &store.Conversation{Key: key, User: "u"}}
}

// result is an answer as a client saw it.
type result struct {
	text   string
	events []translate.Event // copied
	err    *translate.Error
}

// ask puts q and reads the answer to its end.
func (w *world) ask(ctx context.Context, q *question) result {
	w.t.Helper()
	x, err := w.open(ctx, q)
	if err != nil {
		return result{err: typed(err)}
	}
	defer x.Close()
	if !q.Request.Stream {
		a, err := x.Whole()
		if err != nil {
			return result{err: typed(err)}
		}
		return result{text: a.Text()}
	}
	return readAll(x)
}

func readAll(x *Exchange) result {
	var r result
	for {
		ev, err := x.Next()
		if err == io.EOF {
			return r
		}
		if err != nil {
			r.err = typed(err)
			if _, again := x.Next(); again == nil || again == io.EOF {
				r.err = &translate.Error{Code: "AFTER_THE_ERROR"}
			}
			return r
		}
		r.text += map[bool]string{true: string(ev.Text)}[ev.Kind == translate.KindText]
		r.events = append(r.events, new(answer).copied(ev))
	}
}

func (r result) mustSay(t *testing.T, want string) {
	t.Helper()
	if r.err != nil {
		t.Fatalf("it failed: %v (fault %s) after %q", r.err, r.err.Fault, r.text)
	}
	if r.text != want {
		t.Fatalf("it says %q, want %q", r.text, want)
	}
}

func (r result) mustFail(t *testing.T, code translate.Code, f translate.Fault) *translate.Error {
	t.Helper()
	if r.err == nil {
		t.Fatalf("it did not fail: %q", r.text)
	}
	if r.err.Code != code || r.err.Fault != f {
		t.Fatalf("it failed with %v (fault %s), want %s (fault %s)", r.err, r.err.Fault, code, f)
	}
	if strings.Contains(r.err.Message, "secret") {
		t.Errorf("the message tells a secret: %s", r.err.Message)
	}
	return r.err
}

// stored is what models are told of the conversation of alice under key.
func (w *world) stored(key string) string { return w.view(key, store.ViewSent) }

// screen is all that the conversation of alice under key has, with its marks.
func (w *world) screen(key string) string { return w.view(key, store.ViewAll) }

func (w *world) view(key string, v store.View) string {
	w.t.Helper()
	c, err := w.st.Load(context.Background(), "alice", store.Ref{Key: key}, store.Window{View: v})
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return onScreen(c.Messages)
}

func onScreen(stored []store.Message) string {
	var msgs []translate.Message
	for _, m := range stored {
		note := [...]string{"", "(failed)", "(superseded)", "(empty)", "(orphan)"}[m.Mark]
		if note != "" {
			m.Parts = []translate.Part{{Kind: translate.PartText, Text: m.Text() + note}}
		}
		if m.Incomplete {
			m.Parts = append(m.Parts, translate.Part{Kind: translate.PartText, Text: "(incomplete)"})
		}
		msgs = append(msgs, m.Message)
	}
	return said(msgs)
}
