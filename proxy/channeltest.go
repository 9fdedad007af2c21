package proxy

import (
	"cmp"
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/watchdog"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the test of a channel.
const (
	testTime   = 50 * time.Second // from the question to the end of its answer
	testEvents = 4096
	testBytes  = 64 << 10 // of the answer's text
	testTokens = 256      // that are asked for, where the test does not say
	testName   = "dg_operator"
	testText   = "Say hello in one short sentence."
)

// Operator is the caller, and OperatorFront the front, under which the journal and the ledger
// have what operators ask.
const (
	Operator      = "(operator)"
	OperatorFront = "admin"
)

// ChannelTest is a question that an operator puts to one channel.
type ChannelTest struct {
	Channel   string `json:"-"`
	Key       int    `json:"key"`        // which of the channel's keys, from 0
	Model     string `json:"model"`      // by its name in the configuration; empty: the channel's first
	Text      string `json:"text"`       // empty: a greeting is asked for
	MaxTokens int    `json:"max_tokens"` // of the answer; 0: 256
}

// TestEvent is one thing that happened in the test of a channel.
type TestEvent struct {
	// Kind is sent, when the question goes out; opened, when the back end has begun to answer;
	// start, text, reasoning, tool, args, usage, keyword, finish and others, as pieces of the
	// answer come; end, which is the last one.
	Kind string  `json:"kind"`
	Ms   float64 `json:"ms"` // since the question was put
	Text string  `json:"text,omitempty"`
	// Of sent:
	ID    string `json:"id,omitempty"` // of the exchange, in the journal and the ledger
	Model string `json:"model,omitempty"`
	// Of opened: how long it waited for its connection, where the channel tells.
	ConnectMs float64 `json:"connect_ms,omitempty"`
	// Of end:
	Result  string  `json:"result,omitempty"`  // ok, or the kind of fault
	Message string  `json:"message,omitempty"` // why it failed, without addresses and keys
	FirstMs float64 `json:"first_ms,omitempty"`
	Input   int64   `json:"input_tokens,omitempty"`
	Output  int64   `json:"output_tokens,omitempty"`
	Cost    float64 `json:"cost,omitempty"` // in the unit of the configured prices
}

// channelTest is one that runs.
type channelTest struct {
	g       *Gateway
	x       Exchange // only its plan is used
	c       *channel.Candidate
	id      string
	began   time.Time
	tell    func(TestEvent)
	out     TestEvent // the last event
	usage   translate.Usage
	bytes   int
	content bool // there was some
	open    time.Duration
}

// TestChannel puts a short question to one channel, whatever its breakers say, and tells of
// everything that happens, on its caller's goroutine. The question takes a slot of the channel
// and, where these are counted, one of its dials; its answer counts for no breaker, no latency
// and no caller, and is stored in no conversation. Its tokens and its cost are in the ledger
// under [Operator]. The error says that nothing was asked: NOT_FOUND, VALIDATION_ERROR,
// RATE_LIMITED or CHANNEL_UNAVAILABLE. How the question fared is in the last event.
func (g *Gateway) TestChannel(ctx context.Context, t ChannelTest, tell func(TestEvent)) *translate.Error {
	one := &channelTest{g: g, id: ids.New("req_"), tell: tell}
	if err := g.enter(&one.x); err != nil {
		return err
	}
	defer g.open.Done()
	defer g.leave(one.x.plan)
	if err := one.find(t); err != nil {
		return err
	}
	lease, bar := one.c.LeaseUnjudged()
	if bar.State != "" {
		return &translate.Error{Code: translate.CodeRateLimited, Message: "the channel cannot be tested now: " + bar.Why, Retry: max(bar.Wait, time.Second)}
	}
	defer lease.Release()
	lease.Sent = time.Now()
	if gate := one.c.Channel.Gate; gate != nil && (gate.Turn.Waiting() > 0 || !gate.Take(lease.Sent) || !gate.Start(lease.Sent)) {
		return &translate.Error{Code: translate.CodeRateLimited, Message: "the channel's server throttles new connections, and others wait for one", Retry: max(gate.Closed(lease.Sent), time.Second)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, testTime, watchdog.Slow("the model did not end its answer in time"))
	defer cancel()
	err := one.ask(ctx, t)
	if err != nil && ctx.Err() != nil {
		err = translate.Gone(context.Cause(ctx))
	}
	if gate := one.c.Channel.Gate; gate != nil && err != nil && err.Fault == translate.FaultBusy {
		gate.Refused(time.Now(), lease.Sent, err.Retry)
	}
	lease.Excuse(err)
	one.end(t, err)
	return nil
}

// find finds the channel, the key and the model that t means.
func (o *channelTest) find(t ChannelTest) *translate.Error {
	known := false
	for _, ch := range o.x.plan.Channels {
		if ch.ID != t.Channel {
			continue
		}
		known = true
		if ch.Key != t.Key {
			continue
		}
		if o.c = o.x.plan.Candidate(ch, cmp.Or(t.Model, ch.Conf.Models[0].Name)); o.c == nil {
			return translate.Invalid("the channel does not serve this model")
		}
		return nil
	}
	if known {
		return translate.Invalid("the channel has no key of this number")
	}
	return &translate.Error{Code: translate.CodeNotFound, Message: "there is no such channel"}
}

// request is the question as the channel gets it.
func (o *channelTest) request(t ChannelTest) *translate.Request {
	c, most := o.c, cmp.Or(t.MaxTokens, testTokens)
	req := &translate.Request{Model: c.Upstream, Stream: true, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, cmp.Or(t.Text, testText))}}
	req.Params.MaxTokens = &most
	req.Omit = c.Quirks.Omitted()
	c.Channel.Describe(req)
	if c.Channel.Kind.History == config.HistoryFold {
		req.Memory.ID = testName // one remote conversation for all tests
	}
	return req
}

// ask puts the question and tells of its answer.
func (o *channelTest) ask(ctx context.Context, t ChannelTest) *translate.Error {
	o.began = time.Now()
	o.tell(TestEvent{Kind: "sent", ID: o.id, Model: o.c.Upstream})
	stream, failed := o.c.Channel.Upstream.Open(ctx, o.request(t))
	if failed != nil {
		return typed(failed)
	}
	defer func() { _ = stream.Close() }()
	opened := TestEvent{Kind: "opened", Ms: o.now()}
	if known, ok := stream.(connected); ok {
		opened.ConnectMs = journal.Millis(known.Connecting())
	}
	o.open = time.Since(o.began)
	o.tell(opened)
	for range testEvents {
		ev, err := stream.Next()
		if err != nil {
			return typed(err)
		}
		o.took(ev)
		if ev.Kind == translate.KindFinish {
			return o.finished(ev)
		}
		if o.bytes > testBytes {
			return nil // it has shown that it answers
		}
	}
	return nil
}

// took tells of a piece of the answer.
func (o *channelTest) took(ev translate.Event) {
	if substance(ev) && !o.content {
		o.content, o.out.FirstMs = true, o.now()
	}
	e := TestEvent{Kind: ev.Kind.String(), Ms: o.now()}
	switch ev.Kind {
	case translate.KindText, translate.KindReasoning, translate.KindToolArgs, translate.KindKeyword:
		e.Text = string(ev.Text)
	case translate.KindStart, translate.KindToolStart:
		e.Text = string(ev.Name)
	case translate.KindFinish:
		e.Text = ev.Finish.String()
	}
	o.bytes += len(ev.Text)
	o.usage.Merge(ev.Usage)
	o.tell(e)
}

// finished judges an answer that ended with ev.
func (o *channelTest) finished(ev translate.Event) *translate.Error {
	if !o.content && !mayBeEmpty(ev.Finish) {
		return errEmpty
	}
	return nil
}

func (o *channelTest) now() float64 { return journal.Millis(time.Since(o.began)) }

// end tells how the test ended, and notes it.
func (o *channelTest) end(t ChannelTest, err *translate.Error) {
	o.out.Kind, o.out.Ms, o.out.Result = "end", o.now(), resultOf(err)
	if err != nil {
		o.out.Message = translate.Clip(err.Message)
	}
	if o.usage.Output == 0 && o.bytes > 0 {
		o.usage.Output, o.usage.Estimated = int64(translate.Tokens(o.bytes)), true
	}
	model := cmp.Or(t.Model, o.c.Channel.Conf.Models[0].Name)
	cost := o.x.plan.PriceOf(o.x.plan.Routes[model].Plain, o.c.Upstream).Of(o.usage)
	o.out.Input, o.out.Output, o.out.Cost = o.usage.Input, o.usage.Output, float64(cost)/1e9
	o.note(model, cost, err)
	o.tell(o.out)
}

// note keeps what became of the test, in the journal, the ledger and the metrics.
func (o *channelTest) note(model string, cost int64, err *translate.Error) {
	trace := o.g.traces.Take(journal.Asked{ID: o.id, Front: OperatorFront, Caller: Operator, Model: model, Received: o.began, Aside: true})
	trace.Chosen(targetOf(o.c), journal.ByAlone, 1)
	first := time.Duration(o.out.FirstMs * float64(time.Millisecond))
	trace.Attempted(&journal.Timing{Open: o.open, First: max(first-o.open, 0)}, err)
	trace.Used(o.usage.Input, o.usage.Output, cost)
	o.g.traces.Keep(trace, time.Now(), 0, err)
	o.c.Channel.Meter.Used(o.usage, cost)
	if o.g.ledger == nil {
		return
	}
	row := store.Entry{
		Request: o.id, At: o.began.UnixMilli(), Caller: Operator, Front: OperatorFront, Model: model, Channel: o.c.Channel.ID, Key: o.c.Channel.Key, Upstream: o.c.Upstream,
		Outcome: "ok", Status: 200, Cost: cost, Open: o.open.Microseconds(), First: max(first-o.open, 0).Microseconds(), Took: time.Since(o.began).Microseconds(), Count: 1,
	}
	usageOf(&row, o.usage)
	attempt := row
	attempt.Attempt = 1
	if err != nil {
		row.Outcome, row.Status = string(err.Code), err.Status()
		attempt.Outcome, attempt.Status = resultOf(err), err.Status()
	}
	o.g.ledger.Add([]store.Entry{attempt, row})
}
