package mockmodel

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func ask(texts ...string) *translate.Request {
	req := &translate.Request{Stream: true}
	for _, t := range texts {
		req.Messages = append(req.Messages, translate.TextMessage(translate.RoleUser, t))
	}
	return req
}

// read collects a whole stream; err is nil when it ended well.
func read(t *testing.T, s translate.Stream) (a translate.Answer, err error) {
	t.Helper()
	defer s.Close()
	for {
		ev, err := s.Next()
		if err == io.EOF {
			return a, nil
		}
		if err != nil {
			a.Settle()
			return a, err
		}
		a.Add(ev)
	}
}

func answerOf(t *testing.T, model string, req *translate.Request) translate.Answer {
	t.Helper()
	s, err := Open(t.Context(), model, req)
	if err != nil {
		t.Fatalf("%s: %v", model, err)
	}
	a, err := read(t, s)
	if err != nil {
		t.Fatalf("%s: %v", model, err)
	}
	return a
}

func TestAnUnknownNameEchoesTheLastUserText(t *testing.T) {
	t.Parallel()
	req := ask("one", "two words")
	req.Messages = append([]translate.Message{translate.TextMessage(translate.RoleSystem, "be brief")}, req.Messages...)
	a := answerOf(t, "gpt-4o", req)
	if got, want := a.Text(), `Hello, you said "two words" (n=2)`; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if a.Finish != translate.FinishStop || a.Model != "gpt-4o" {
		t.Errorf("finish %v, model %q", a.Finish, a.Model)
	}
	if want := (translate.Usage{Input: 5, Output: 5}); a.Usage != want {
		t.Errorf("usage %+v, want %+v", a.Usage, want)
	}
}

func TestEveryWordOfTheTableIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, w := range Words {
		name := w.Name
		if n := len(name) - 2; n > 0 && (name[n:] == "-N" || name[n:] == "-S") {
			name = name[:n]
		}
		if name == "echo" {
			continue
		}
		got, plain := parse(name), spec{}
		if w.Default != "" && !reflect.DeepEqual(got, parse(name+"-"+w.Default)) {
			t.Errorf("%s: the default is not %s", name, w.Default)
		}
		if reflect.DeepEqual(got, plain) {
			t.Errorf("%s changes nothing", w.Name)
		}
	}
}

func TestToolCallsStreamTheirArgumentsInPieces(t *testing.T) {
	t.Parallel()
	req := ask("where?")
	req.Tools = []translate.Tool{{Name: "find"}, {Name: "grep"}}
	a := answerOf(t, "tools", req)
	if len(a.Parts) != 2 || a.Finish != translate.FinishTool {
		t.Fatalf("parts %+v, finish %v", a.Parts, a.Finish)
	}
	for i, name := range []string{"find", "grep"} {
		if p := a.Parts[i]; p.Name != name || p.Args != `{"q":"where?"}` || p.ID == "" {
			t.Errorf("call %d: %+v", i, p)
		}
	}
	req.Messages = append(req.Messages, translate.Message{Role: translate.RoleTool,
		Parts: []translate.Part{{Kind: translate.PartToolResult, ID: "call_1", Text: "here"}}})
	if b := answerOf(t, "tool", req); b.Text() != "tool said: here" {
		t.Errorf("after a result: %q", b.Text())
	}
}

func TestFaultsInTheProcessAreTyped(t *testing.T) {
	t.Parallel()
	tests := []struct {
		model string
		fault translate.Fault
		text  string // that came before
	}{
		{"fail-429-retry-3", translate.FaultBusy, ""},
		{"fail-401", translate.FaultDenied, ""},
		{"fail-503", translate.FaultBroken, ""},
		{"context", translate.FaultRejected, ""},
		{"refuse", translate.FaultDial, ""},
		{"drop", translate.FaultBroken, ""},
		{"cut0", translate.FaultBroken, ""},
		{"cut", translate.FaultBroken, "Hello, "},
		{"garbage", translate.FaultBroken, ""},
		{"garbagemid", translate.FaultBroken, "Hello, "},
		{"errormid", translate.FaultBroken, "Hello, "},
		{"error200", translate.FaultBroken, ""},
		{"blank", translate.FaultBroken, ""},
		{"noend-say", translate.FaultBroken, "hi"},
	}
	for _, test := range tests {
		s, err := Open(t.Context(), test.model, ask("hi"))
		var a translate.Answer
		if err == nil {
			a, err = read(t, s)
		}
		var e *translate.Error
		if !errors.As(err, &e) || e.Fault != test.fault {
			t.Errorf("%s: %v, want fault %s", test.model, err, test.fault)
			continue
		}
		if a.Text() != test.text {
			t.Errorf("%s: text %q before it, want %q", test.model, a.Text(), test.text)
		}
	}
}

func TestARefusalCarriesItsRetryAndItsCode(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "fail-429-retry-3", ask("hi"))
	var e *translate.Error
	if !errors.As(err, &e) || e.Retry != 3*time.Second {
		t.Errorf("%v", err)
	}
	_, err = Open(t.Context(), "context", ask("hi"))
	if !errors.As(err, &e) || e.Upstream == nil || e.Upstream.Code != "context_length_exceeded" || e.Upstream.Status != 400 {
		t.Errorf("%v", err)
	}
}

func TestAFaultWithTimesHappensOnlyAsOften(t *testing.T) {
	t.Parallel()
	var m Model
	for i := range 4 {
		_, err := m.Open(t.Context(), "fail-500-times-2", ask("hi"))
		if failed := err != nil; failed != (i < 2) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

func TestSilentAndEmptyAnswersFinishWithoutContent(t *testing.T) {
	t.Parallel()
	a, b := answerOf(t, "silent", ask("hi")), answerOf(t, "empty", ask("hi"))
	if !a.Empty() || a.Finish != translate.FinishSilent {
		t.Errorf("silent: %+v", a)
	}
	if !b.Empty() || b.Finish != translate.FinishStop || b.Usage.Known() {
		t.Errorf("empty: %+v", b)
	}
}

func TestABlockedNextReturnsTheCauseOfItsContext(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"stall", "stallmid", "first-600000"} {
		synctest.Test(t, func(t *testing.T) {
			want := &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true}
			ctx, cancel := context.WithCancelCause(t.Context())
			s, err := Open(ctx, model, ask("hi"))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				_, err := read(t, s)
				done <- err
			}()
			synctest.Wait()
			cancel(want)
			if err := <-done; err != want {
				t.Errorf("%s: %v", model, err)
			}
		})
	}
}

func TestAHangingOpenReturnsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := Open(ctx, "hang", ask("hi"))
	var e *translate.Error
	if !errors.As(err, &e) || e.Code != translate.CodeCanceled || e.Fault != translate.FaultGone {
		t.Errorf("%v", err)
	}
}

func TestReadyTellsWhetherADelayIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), "long-2-slow-50", ask("hi"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, want := range []bool{true, true, false, true} { // start, w0, w1, finish
			if s.Ready() != want {
				t.Errorf("before event %d: ready %v", i, !want)
			}
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAnEventInTheProcessAllocatesNothing(t *testing.T) {
	s, err := Open(context.Background(), "long-5000", ask("hi"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Next()
	_, _ = s.Next()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}
