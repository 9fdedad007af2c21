package mockmodel

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Model answers inside the process. The zero value is ready. Its only state is
// the count of requests by name, for the word times. It is safe for concurrent
// use.
type Model struct{ count counter }

// Open puts req to a model of its own, so that times-N never runs out: use
// [Model.Open] where it matters.
func Open(ctx context.Context, model string, req *translate.Request) (translate.Stream, error) {
	return new(Model).Open(ctx, model, req)
}

// Open puts req to the model that the name describes. Faults that a real
// upstream shows before its headers come from Open, the others from the stream;
// all are *translate.Error. When ctx ends, a waiting Open or Next returns the
// *translate.Error that is its cause, or else one with CodeCanceled.
func (m *Model) Open(ctx context.Context, model string, req *translate.Request) (translate.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, left(ctx)
	}
	tools := make([]string, len(req.Tools))
	for i := range req.Tools {
		tools[i] = req.Tools[i].Name
	}
	sc := m.count.apply(model, Plan(model, turnsOf(req), tools))
	switch sc.Fault {
	case FaultFail:
		r := sc.refusal()
		kind, code := openaiKind(r)
		return nil, translate.FromStatus(r.status, translate.Refusal{Type: kind, Code: code, Message: r.message}, sc.Retry)
	case FaultRefuse:
		return nil, &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultDial,
			Message: "the model cannot be reached", Cause: errors.New("connection refused by script")}
	case FaultDrop:
		return nil, translate.Broken("the model closed the connection", io.EOF)
	case FaultHang:
		<-ctx.Done()
		return nil, left(ctx)
	}
	return &stream{ctx: ctx, sc: sc, stop: sc.before(), model: model}, nil
}

func left(ctx context.Context) *translate.Error {
	cause := context.Cause(ctx)
	var e *translate.Error
	if errors.As(cause, &e) {
		return e
	}
	return &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "the client left", Cause: cause}
}

// turnsOf reads the messages of req.
func turnsOf(req *translate.Request) []Turn {
	turns := make([]Turn, 0, len(req.Messages))
	for i := range req.Messages {
		m := &req.Messages[i]
		t := Turn{Role: m.Role.String(), Text: m.Text()}
		var results []string
		for j := range m.Parts {
			switch p := &m.Parts[j]; p.Kind {
			case translate.PartImage:
				t.Images++
			case translate.PartToolResult:
				results = append(results, p.Text)
			}
		}
		for _, r := range results {
			turns = append(turns, Turn{Role: "tool", Text: r})
		}
		if len(results) == 0 || t.Text != "" && m.Role != translate.RoleTool {
			turns = append(turns, t)
		}
	}
	return turns
}

// counter counts requests by model name, for the word times.
type counter struct {
	mu sync.Mutex
	by map[string]int
}

// maxCounted bounds the names that are remembered; further ones always fail.
const maxCounted = 10_000

// apply returns sc, without its fault once it has happened sc.Times times.
func (c *counter) apply(model string, sc Script) Script {
	if sc.Times == 0 || sc.Fault == 0 {
		return sc.settle()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]int)
	}
	if c.by[model] >= sc.Times {
		return sc.Succeeds()
	}
	if _, known := c.by[model]; known || len(c.by) < maxCounted {
		c.by[strings.Clone(model)]++
	}
	return sc.settle()
}

// stage is where a stream stands.
type stage uint8

const (
	stageStart stage = iota
	stageSteps
	stageEnd
)

// stream is an answer in the process. Its context bounds its life, as that of
// every stream: it is the one that Open was given.
type stream struct {
	ctx   context.Context
	sc    Script
	model string
	stop  int // steps before the fault
	next  int // step
	stage stage
	buf   []byte // lent to the event
	name  []byte
	timer *time.Timer
	err   error // what the stream ended with
}

// Next returns the next event.
func (s *stream) Next() (translate.Event, error) {
	if s.err != nil {
		return translate.Event{}, s.err
	}
	if s.ctx.Err() != nil {
		return s.fail(left(s.ctx))
	}
	switch s.stage {
	case stageStart:
		return s.start()
	case stageSteps:
		if s.next < s.stop {
			return s.step()
		}
		return s.end()
	}
	return s.fail(io.EOF)
}

func (s *stream) fail(err error) (translate.Event, error) {
	s.err = err
	return translate.Event{}, err
}

func (s *stream) start() (translate.Event, error) {
	switch s.sc.Fault {
	case FaultBlank:
		return s.fail(translate.Truncated(io.ErrUnexpectedEOF))
	case FaultGarbage:
		return s.fail(translate.Broken("the model answered nonsense", errors.New("nonsense by script")))
	}
	s.stage = stageSteps
	s.buf = append(s.buf[:0], "mock-1"...)
	s.name = append(s.name[:0], s.model...)
	return translate.Event{Kind: translate.KindStart, ID: s.buf, Name: s.name}, nil
}

func (s *stream) step() (translate.Event, error) {
	st := &s.sc.Steps[s.next]
	if st.Wait > 0 && !s.wait(st.Wait) {
		return s.fail(left(s.ctx))
	}
	s.next++
	ev := translate.Event{Index: int32(st.Index)}
	switch st.Kind {
	case StepCall:
		s.buf = append(s.buf[:0], st.ID...)
		s.name = append(s.name[:0], st.Name...)
		ev.Kind, ev.ID, ev.Name = translate.KindToolStart, s.buf, s.name
		return ev, nil
	case StepReasoning:
		ev.Kind = translate.KindReasoning
	case StepArgs:
		ev.Kind = translate.KindToolArgs
	default:
		ev.Kind = translate.KindText
	}
	s.buf = append(s.buf[:0], st.Text...)
	ev.Text = s.buf
	return ev, nil
}

// wait returns false when the context ended first.
func (s *stream) wait(d time.Duration) bool {
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// end is what follows the last step before the fault, or the last of all.
func (s *stream) end() (translate.Event, error) {
	ev := translate.Event{Kind: translate.KindFinish}
	switch s.sc.Fault {
	case FaultStall, FaultStallMid:
		<-s.ctx.Done()
		return s.fail(left(s.ctx))
	case FaultCut, FaultCut0, FaultNoEnd:
		return s.fail(translate.Truncated(io.ErrUnexpectedEOF))
	case FaultGarbageMid:
		return s.fail(translate.Broken("the model answered nonsense", errors.New("nonsense by script")))
	case FaultError200, FaultErrorMid:
		return s.fail(translate.Broken("the model answered with an error", errors.New(s.sc.refusal().message)))
	case FaultSilent:
		ev.Finish = translate.FinishSilent
	case FaultEmpty:
		ev.Finish = translate.FinishStop
	default:
		ev.Finish = finishes[s.sc.Finish]
		if !s.sc.NoUsage {
			ev.Usage = translate.Usage{Input: s.sc.Input, Output: s.sc.Output}
		}
	}
	s.stage = stageEnd
	return ev, nil
}

var finishes = [...]translate.Finish{
	FinishStop:   translate.FinishStop,
	FinishLength: translate.FinishLength,
	FinishTool:   translate.FinishTool,
	FinishFilter: translate.FinishFilter,
}

// Ready reports whether the next event is due already.
func (s *stream) Ready() bool {
	if s.err != nil || s.ctx.Err() != nil || s.stage != stageSteps {
		return true
	}
	if s.next < s.stop {
		return s.sc.Steps[s.next].Wait == 0
	}
	return s.sc.Fault != FaultStall && s.sc.Fault != FaultStallMid
}

// Close stops the stream; Next then returns io.EOF.
func (s *stream) Close() error {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.err == nil {
		s.err = io.EOF
	}
	return nil
}
