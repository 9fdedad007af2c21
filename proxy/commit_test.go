package proxy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func usage(in, out int64) step {
	return step{Event: translate.Event{Kind: translate.KindUsage, Usage: translate.Usage{Input: in, Output: out}}}
}

func ping(raw string) step {
	return step{Event: translate.Event{Kind: translate.KindOpaque, Raw: []byte(raw)}}
}

func TestWhatComesBeforeTheFirstContentIsHeldAndCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tool := step{Event: translate.Event{Kind: translate.KindToolStart, ID: []byte("call"), Name: []byte("look")}}
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{
			start("id1"), ping(": ping\n\n"), usage(3, 0), tool, text("hello"), finish(), usage(3, 9)}}}})
		r := w.ask(t.Context(), w.question("hi"))
		r.mustSay(t, "hello")
		var got []string
		for _, ev := range r.events {
			got = append(got, fmt.Sprintf("%s %s %s %s %s", ev.Kind, ev.ID, ev.Name, ev.Text, strings.TrimSpace(string(ev.Raw))))
		}
		want := []string{"start id1 model-id1  ", "opaque    : ping", "usage    ", "tool call look  ", "text   hello ", "finish    ", "usage    "}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestBeforeTheFirstContentAnotherChannelIsAsked(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]step{
		"start":             {start("a")},
		"usage":             {start("a"), usage(1, 0)},
		"opaque":            {ping(": x\n\n")},
		"an empty piece":    {start("a"), text("")},
		"a signature":       {start("a"), {Event: translate.Event{Kind: translate.KindSignature, Text: []byte("sig")}}},
		"an empty answer":   {start("a"), finish()},
		"an empty tool use": {start("a"), ends(translate.FinishTool)},
		"nothing":           {},
	} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s stream=%v", name, stream), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {{Steps: steps}}, "b": {says("b")}})
					q := w.question("hi")
					q.Request.Stream = stream
					r := w.ask(t.Context(), q)
					r.mustSay(t, "b")
					for _, ev := range r.events {
						if string(ev.ID) == "a" || ev.Kind == translate.KindOpaque {
							t.Error("an event of the failed attempt got through")
						}
					}
				})
			})
		}
	}
}

func TestAnEmptyAnswerIsAModelsError(t *testing.T) {
	t.Parallel()
	for finish, good := range map[translate.Finish]bool{
		translate.FinishStop: false, translate.FinishTool: false, translate.FinishSequence: true, translate.FinishPause: true,
		translate.FinishSilent: true, translate.FinishFilter: true, translate.FinishLength: true,
	} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("finish %s stream=%v", finish, stream), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{start("a"), usage(1, 0), ends(finish)}}}})
					q := w.question("hi")
					q.Request.Stream = stream
					r := w.ask(t.Context(), q)
					if good {
						r.mustSay(t, "")
						return
					}
					r.mustFail(t, translate.CodeModel, translate.FaultBroken)
				})
			})
		}
	}
}

func TestACutAfterTheFirstContentIsAnErrorAndNothingAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		how  step
		code translate.Code
	}{
		"end without a mark": {fails(translate.Truncated(nil)), translate.CodeModel},
		"reset":              {fails(fault(translate.FaultBroken)), translate.CodeModel},
		"throttled":          {fails(fault(translate.FaultBusy)), translate.CodeModel},
		"denied":             {fails(fault(translate.FaultDenied)), translate.CodeUnavailable},
		"untyped":            {fails(errors.New("oops")), translate.CodeModel},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
					map[string][]script{"a": {{Steps: []step{start("a"), text("half"), c.how}}}, "b": {says("b")}})
				r := w.ask(t.Context(), w.in("k", w.question("hi")))
				r.mustFail(t, c.code, translate.FaultCut)
				if r.text != "half" || len(w.up["b"].Asked()) != 0 {
					t.Errorf("it said %q; b was asked %d times", r.text, len(w.up["b"].Asked()))
				}
				if got := w.stored("k"); got != "" {
					t.Errorf("stored: %s", got)
				}
			})
		})
	}
}

func TestAWholeAnswerIsAskedForAgainEvenAfterACut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
			map[string][]script{"a": {{Steps: []step{start("a"), text("half"), fails(translate.Truncated(nil))}}}, "b": {says("who", "le")}})
		q := w.in("k", w.question("hi"))
		q.Request.Stream = false
		w.ask(t.Context(), q).mustSay(t, "whole")
		if got := w.stored("k"); got != "user:hi|assistant:whole" {
			t.Errorf("stored: %s", got)
		}
	})
}

func TestWhatFailsBehindTheEndMarkIsNobodysLoss(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream=%v", stream), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{
					"a": {{Steps: []step{text("all"), finish(), fails(fault(translate.FaultBroken))}}}, "b": {says("b")}})
				q := w.in("k", w.question("hi"))
				q.Request.Stream = stream
				w.ask(t.Context(), q).mustSay(t, "all")
				if got := w.stored("k"); got != "user:hi|assistant:all" {
					t.Errorf("stored: %s", got)
				}
			})
		})
	}
}

func TestAFloodBeforeTheAnswerEndsTheAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{
			"a": {{Again: []step{ping(strings.Repeat("x", 1000))}}}, "b": {says("b")}})
		w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
	})
}

func TestAnEndlessAnswerThatIsKeptIsCut(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream=%v", stream), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Again: []step{text(strings.Repeat("x", 4<<20))}}}})
				q := w.in("k", w.question("hi"))
				q.Request.Stream = stream
				x, err := w.open(t.Context(), q)
				for err == nil {
					_, err = x.Next()
				}
				if x != nil {
					_ = x.Close()
				}
				if e := typed(err); e.Code != translate.CodeModel {
					t.Errorf("it ended with %v", e)
				}
			})
		})
	}
}

func TestUsageIsEstimatedWhereNobodyReportsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("12345678"), {Steps: []step{text("x"), usage(7, 5), finish()}}}})
		for i, want := range []translate.Usage{{Input: 1, Output: 2, Estimated: true}, {Input: 7, Output: 5}} {
			x, err := w.open(t.Context(), w.question("four"))
			if err != nil {
				t.Fatal(err)
			}
			if r := readAll(x); r.err != nil {
				t.Fatal(r.err)
			}
			if got := x.Usage(); got != want {
				t.Errorf("%d: usage %+v, want %+v", i, got, want)
			}
			_ = x.Close()
		}
	})
}

func TestAnAnswerIsPassedThroughOnlyWhenNothingMustBeRewritten(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"model":"m"}`)
	for name, c := range map[string]struct {
		dialect string
		raw     []byte
		preset  bool
		turn    bool
		want    bool
	}{
		"the same dialect": {"openai", raw, false, false, true},
		"another dialect":  {"anthropic", raw, false, false, false},
		"a dubious body":   {"openai", nil, false, false, false},
		"a preset":         {"openai", raw, true, false, false},
		"a conversation":   {"openai", raw, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				frame := step{Event: translate.Event{Kind: translate.KindText, Text: []byte("x")}}
				if c.want {
					frame.Event.Raw = []byte("data: x\n\n")
				}
				w := newWorld(t, withPreset(conf(backend("a"))), map[string][]script{"a": {{Steps: []step{frame, finish()}}}})
				model := map[bool]string{true: "p"}[c.preset]
				q := w.questionOf(alice, model, "hi")
				q.Request.Dialect, q.Request.Raw = c.dialect, c.raw
				if c.turn {
					w.in("k", q)
				}
				x, err := w.open(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				if req := w.up["a"].Asked()[0]; req.PassThrough != c.want || x.PassThrough() != c.want {
					t.Errorf("asked to pass through: %v, passed through: %v, want %v", req.PassThrough, x.PassThrough(), c.want)
				}
			})
		})
	}
}

func TestAWholePassedThroughAnswerIsGivenAsItCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		body := step{Event: translate.Event{Kind: translate.KindStart, Raw: []byte(`{"odd":  1}`)}}
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {
			{Steps: []step{body, text("x"), fails(fault(translate.FaultBroken))}},
			{Steps: []step{body, text("y"), finish()}}}})
		for range 2 {
			q := w.question("hi")
			q.Request.Stream, q.Request.Dialect, q.Request.Raw = false, "openai", []byte("{}")
			x, err := w.open(t.Context(), q)
			if err != nil {
				continue
			}
			if a, err := x.Whole(); err != nil || a.Text() != "y" || string(x.Raw()) != `{"odd":  1}` {
				t.Errorf("%v %v %s", a, err, x.Raw())
			}
			_ = x.Close()
			return
		}
		t.Error("no answer")
	})
}
