package proxy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// tracer is a Tracer of a test.
type tracer struct {
	off    bool
	sample bool

	mu    sync.Mutex
	ended []*journal.Ended
}

func (t *tracer) On() bool     { return !t.off }
func (t *tracer) Sample() bool { return t.sample }
func (t *tracer) Add(e *journal.Ended) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = append(t.ended, e)
}

// newTraced is newWorld with a tracer.
func newTraced(t *testing.T, tr *tracer, conf *config.Config, scripts map[string][]script) *world {
	t.Helper()
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	return newWorldWith(t, conf, scripts, st, Options{Tracer: tr})
}

// theOne is the exchange that was kept.
func (t *tracer) theOne(tt *testing.T) *journal.Ended {
	tt.Helper()
	if len(t.ended) != 1 {
		tt.Fatalf("%d exchanges were kept", len(t.ended))
	}
	return t.ended[0]
}

var clientSpan = translate.TraceContext{TraceID: [16]byte{1, 15: 2}, SpanID: [8]byte{3, 7: 4}, Sampled: true, State: "vendor=1"}

func TestAFailoverIsKeptAttemptByAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tr := &tracer{}
		broken := script{After: 2 * time.Second, Err: fault(translate.FaultDial)}
		good := script{After: time.Second, Steps: []step{start("x"), text("well").In(3 * time.Second), finish().In(4 * time.Second)}}
		w := newTraced(t, tr, conf(backend("a"), backend("b", tier(2), kind("anthropic"))), map[string][]script{"a": {broken}, "b": {good}})
		q := w.question("hi")
		q.Parent, q.Session = clientSpan, "sock"
		w.ask(t.Context(), q).mustSay(t, "well")

		e := tr.theOne(t)
		if e.Span.TraceID != clientSpan.TraceID || e.Parent != clientSpan.SpanID || e.Span.State != "vendor=1" || !e.Span.Valid() || e.Span.SpanID == e.Parent {
			t.Errorf("the span is %+v under %x", e.Span, e.Parent)
		}
		if e.ID != "r1" || e.Session != "sock" || e.Caller != "alice" || e.Model != "m" || e.Took != 10*time.Second || !e.Stream || e.Answered != "model-x" || e.Finish != translate.FinishStop || e.Usage.Output == 0 || e.Code != "" {
			t.Errorf("%+v", e)
		}
		if len(e.Attempts) != 2 {
			t.Fatalf("%d attempts", len(e.Attempts))
		}
		a, b := e.Attempts[0], e.Attempts[1]
		if a.Channel != "a" || a.Kind != "openai" || a.Host != "secret-address.example" || a.Model != "up-a" || a.Took != 2*time.Second || a.Content || !a.Failed || a.Fault != translate.FaultDial {
			t.Errorf("the first is %+v", a)
		}
		if b.Channel != "b" || b.Kind != "anthropic" || b.Began != 2*time.Second || b.Took != 8*time.Second || b.Open != time.Second || b.First != 3*time.Second || !b.Content || b.Code != "" {
			t.Errorf("the second is %+v", b)
		}
		for i, name := range []string{"a", "b"} {
			told := w.up[name].Asked()[0].Trace
			if told == nil || told.TraceID != clientSpan.TraceID || !told.Sampled || told.State != "vendor=1" {
				t.Errorf("%s was told of %+v", name, told)
			}
			if id := e.Attempts[i].Span; id == e.Span.SpanID || id == e.Attempts[1-i].Span {
				t.Errorf("attempt %d has the span %x", i, id)
			}
		}
		if told := w.up["b"].Asked()[0].Trace; told.SpanID != b.Span { // the first attempt's room was used again
			t.Errorf("b was told of %x, its span is %x", told.SpanID, b.Span)
		}
		if !strings.Contains(w.log.String(), "trace=01000000000000000000000000000002") {
			t.Errorf("the log says %s", w.log.String())
		}
	})
}

func TestEveryLineAboutAnExchangeHasItsTrace(t *testing.T) {
	denied, unknown := fault(translate.FaultDenied), fault(translate.FaultRejected)
	unknown.Unknown = []string{"top_p"}
	for name, one := range map[string]struct {
		scripts []script
		asks    int
		lines   []string // parts of lines
	}{
		"failed attempts": {[]script{refuses(fault(translate.FaultDial)), refuses(fault(translate.FaultBroken))}, 1, []string{"failed_a.code=", "msg=exchange"}},
		"a cut":           {[]script{{Steps: []step{text("half"), fails(fault(translate.FaultBroken))}}}, 1, []string{"code=MODEL_ERROR"}},
		"a refusal":       {[]script{says("x")}, 2, []string{"code=ok", "code=RATE_LIMITED"}},
		"set aside":       {[]script{refuses(denied), refuses(denied)}, 1, []string{"is set aside", "msg=exchange"}},
		"no such member":  {[]script{refuses(unknown), says("x")}, 1, []string{"refuses members", "code=ok"}},
		"wild counts":     {[]script{reported(translate.Usage{Input: 7, Output: -3})}, 1, []string{"tokens that no model can use", "code=ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := conf(backend("a"))
				c.Limits = map[string]config.Limit{"once": {Requests: config.Rate{N: 1, Per: 24 * time.Hour}}}
				c.Callers.Anonymous = &config.Anonymous{Access: config.Access{Limits: config.Names{"once"}}}
				w := newTraced(t, &tracer{}, c, map[string][]script{"a": one.scripts})
				for range one.asks {
					q := w.by("", "192.0.2.1")
					q.Parent = clientSpan
					w.ask(t.Context(), q)
				}
				said := w.said()
				for line := range strings.Lines(said) {
					if !strings.Contains(line, " id=r") || !strings.Contains(line, "trace=01000000000000000000000000000002") {
						t.Errorf("without an id or a trace: %s", line)
					}
				}
				for _, part := range one.lines {
					if !strings.Contains(said, part) {
						t.Errorf("no line with %s in\n%s", part, said)
					}
				}
			})
		})
	}
}

func TestTheFlagOfAParentDecidesForCallersWithAKey(t *testing.T) {
	unsampled := clientSpan
	unsampled.Sampled = false
	nobody := &Caller{Name: "anonymous", Anonymous: true}
	for name, one := range map[string]struct {
		parent translate.TraceContext
		caller *Caller
		draw   bool
		want   bool
	}{
		"no parent, drawn":                  {translate.TraceContext{}, alice, true, true},
		"no parent, not drawn":              {translate.TraceContext{}, alice, false, false},
		"kept by the parent, not drawn":     {clientSpan, alice, false, true},
		"not kept by the parent, drawn":     {unsampled, alice, true, false},
		"kept by a stranger, not drawn":     {clientSpan, nobody, false, false},
		"not kept by a stranger, but drawn": {unsampled, nobody, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tr := &tracer{sample: one.draw}
				c := conf(backend("a"))
				c.Callers.Anonymous = &config.Anonymous{}
				w := newTraced(t, tr, c, map[string][]script{"a": {says("x")}})
				q := w.questionOf(one.caller, "", "hi")
				q.Parent = one.parent
				w.ask(t.Context(), q).mustSay(t, "x")
				told := w.up["a"].Asked()[0].Trace
				if told == nil || !told.Valid() || told.Sampled != one.want || len(tr.ended) == 1 != one.want {
					t.Errorf("told %+v, %d kept", told, len(tr.ended))
				}
				if one.parent.Valid() && told.TraceID != one.parent.TraceID {
					t.Error("the trace is another one")
				}
			})
		})
	}
}

func TestAFailedExchangeIsKeptWhateverWasDrawn(t *testing.T) {
	gone := func(w *world, q *question) result {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return w.ask(ctx, q)
	}
	plain := func(w *world, q *question) result { return w.ask(context.Background(), q) }
	for name, one := range map[string]struct {
		script script
		ask    func(*world, *question) result
		kept   bool
		fault  translate.Fault // of its last attempt
	}{
		"refused":       {refuses(fault(translate.FaultRejected)), plain, true, translate.FaultRejected},
		"cut":           {script{Steps: []step{text("half"), fails(fault(translate.FaultBroken))}}, plain, true, translate.FaultCut},
		"a client left": {script{Hang: true}, gone, false, 0},
		"it went well":  {says("x"), plain, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tr := &tracer{}
				w := newTraced(t, tr, conf(backend("a")), map[string][]script{"a": {one.script}})
				one.ask(w, w.question("hi"))
				if len(tr.ended) == 1 != one.kept {
					t.Fatalf("%d exchanges were kept", len(tr.ended))
				}
				if !one.kept {
					return
				}
				e := tr.theOne(t)
				a := e.Attempts[len(e.Attempts)-1]
				if e.Span.Sampled || !e.Failed || e.Code == "" || a.Fault != one.fault || !a.Failed || a.Content != (one.fault == translate.FaultCut) {
					t.Errorf("%+v, its last attempt %+v", e.Outcome, a)
				}
			})
		})
	}
}

func TestWithoutTracesNobodyIsToldOfAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tr := &tracer{off: true, sample: true}
		w := newTraced(t, tr, conf(backend("a")), map[string][]script{"a": {says("x"), refuses(fault(translate.FaultRejected))}})
		for range 2 {
			q := w.question("hi")
			q.Parent = clientSpan
			w.ask(t.Context(), q)
		}
		for _, req := range w.up["a"].Asked() {
			if req.Trace != nil {
				t.Errorf("told of %+v", req.Trace)
			}
		}
		if w.g.Tracing() || len(tr.ended) != 0 || strings.Contains(w.log.String(), "trace=") {
			t.Errorf("%d were kept; the log says %s", len(tr.ended), w.log.String())
		}
	})
}

func TestTheLogHasAShareOfWhatWentWell(t *testing.T) {
	for requests, want := range map[string]int{"": 40, "on": 40, "off": 0, "0.5": -1} {
		t.Run(requests, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := conf(backend("a"), backend("b", tier(2)))
				c.Log.Requests = requests
				w := newWorld(t, c, map[string][]script{"a": {says("x")}, "b": {says("y")}})
				lines := func() int { return strings.Count(w.log.String(), "msg=exchange") }
				for range 40 {
					w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
				}
				well := lines()
				if want >= 0 && well != want || want < 0 && (well == 0 || well == 40) {
					t.Errorf("%d lines of 40 that went well", well)
				}
				w.up["a"].Play(refuses(fault(translate.FaultRejected)))
				w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultRejected)
				w.up["a"].Play(refuses(fault(translate.FaultDial)))
				w.ask(t.Context(), w.question("hi")).mustSay(t, "y")
				if n := lines() - well; n != 2 {
					t.Errorf("%d lines of one that failed, and one that took two attempts", n)
				}
			})
		})
	}
}
