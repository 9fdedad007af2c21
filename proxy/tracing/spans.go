package tracing

import (
	"cmp"
	"context"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// Names of attributes: those of the semantic conventions for generative AI and of the general
// ones, then our own.
const (
	operationKey = attribute.Key("gen_ai.operation.name")
	providerKey  = attribute.Key("gen_ai.provider.name")
	requestKey   = attribute.Key("gen_ai.request.model")
	responseKey  = attribute.Key("gen_ai.response.model")
	finishKey    = attribute.Key("gen_ai.response.finish_reasons")
	inputKey     = attribute.Key("gen_ai.usage.input_tokens")
	outputKey    = attribute.Key("gen_ai.usage.output_tokens")
	cachedKey    = attribute.Key("gen_ai.usage.cache_read.input_tokens")
	talkKey      = attribute.Key("gen_ai.conversation.id")
	errorKey     = attribute.Key("error.type")
	hostKey      = attribute.Key("server.address")
	portKey      = attribute.Key("server.port")

	idKey        = attribute.Key("dragoman.request.id")
	sessionKey   = attribute.Key("dragoman.session.id")
	frontKey     = attribute.Key("dragoman.front")
	callerKey    = attribute.Key("dragoman.caller")
	streamKey    = attribute.Key("dragoman.stream")
	attemptsKey  = attribute.Key("dragoman.attempts")
	attemptKey   = attribute.Key("dragoman.attempt")
	channelKey   = attribute.Key("dragoman.channel")
	keyKey       = attribute.Key("dragoman.channel.key")
	tierKey      = attribute.Key("dragoman.channel.tier")
	queueKey     = attribute.Key("dragoman.queue.seconds")
	cacheKey     = attribute.Key("dragoman.cache")
	droppedKey   = attribute.Key("dragoman.dropped")
	estimatedKey = attribute.Key("dragoman.usage.estimated")
)

// Names of events.
const (
	firstContent = "dragoman.first_content"
	cut          = "dragoman.cut"
)

// spanMaker makes spans of exchanges that have ended. One goroutine uses it.
type spanMaker struct {
	tracer trace.Tracer
	ids    nextIDs
	made   keeper
}

// nextIDs gives the span that comes next the ids that its exchange has had all along.
type nextIDs struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (n *nextIDs) NewIDs(context.Context) (trace.TraceID, trace.SpanID)  { return n.trace, n.span }
func (n *nextIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return n.span }

// keeper keeps the spans that have ended.
type keeper struct{ spans []sdktrace.ReadOnlySpan }

func (k *keeper) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (k *keeper) OnEnd(s sdktrace.ReadOnlySpan)                   { k.spans = append(k.spans, s) }
func (k *keeper) Shutdown(context.Context) error                  { return nil }
func (k *keeper) ForceFlush(context.Context) error                { return nil }

func newSpanMaker(service, version string) *spanMaker {
	m := &spanMaker{}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithIDGenerator(&m.ids), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(&m.made),
		sdktrace.WithRawSpanLimits(sdktrace.NewSpanLimits()),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.version", version))),
	)
	m.tracer = provider.Tracer("dragoman", trace.WithInstrumentationVersion(version))
	return m
}

// make returns the spans of all, which the caller owns: of each exchange its attempts, then
// itself.
func (m *spanMaker) make(all []*journal.Ended) []sdktrace.ReadOnlySpan {
	m.made.spans = nil
	for _, e := range all {
		m.exchange(e)
	}
	return m.made.spans
}

func (m *spanMaker) exchange(e *journal.Ended) {
	m.ids = nextIDs{e.Span.TraceID, e.Span.SpanID}
	ctx, s := m.tracer.Start(parentOf(e), e.Operation+" "+e.Model, trace.WithTimestamp(e.Received), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(exchangeAttributes(e)...))
	for i := range e.Attempts {
		m.attempt(ctx, e, i)
	}
	ending(s, &e.Outcome, string(e.Code))
	s.End(trace.WithTimestamp(e.Received.Add(e.Took)))
}

// parentOf is a context with the span that the client named.
func parentOf(e *journal.Ended) context.Context {
	if e.Parent == [8]byte{} {
		return context.Background()
	}
	state, _ := trace.ParseTraceState(e.Span.State) // what it cannot read is none
	return trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: e.Span.TraceID, SpanID: e.Parent, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	}))
}

// attempt makes the span of attempt number i of e, which is the parent in ctx.
func (m *spanMaker) attempt(ctx context.Context, e *journal.Ended, i int) {
	a := &e.Attempts[i]
	m.ids.span = a.Span
	began := e.Received.Add(a.Began)
	_, s := m.tracer.Start(ctx, e.Operation+" "+a.Model, trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attemptAttributes(e, i)...))
	end := began.Add(a.Took)
	if a.Content {
		s.AddEvent(firstContent, trace.WithTimestamp(began.Add(min(a.Open+a.First, a.Took))))
	}
	if a.Content && a.Code != "" {
		s.AddEvent(cut, trace.WithTimestamp(end), trace.WithAttributes(errorKey.String(a.Fault.String())))
	}
	ending(s, &a.Outcome, a.Fault.String())
	s.End(trace.WithTimestamp(end))
}

// ending says how what s stands for ended; kind is that of its error, if there is one.
func ending(s trace.Span, o *journal.Outcome, kind string) {
	if o.Code == "" {
		return
	}
	s.SetAttributes(errorKey.String(kind))
	if o.Failed {
		s.SetStatus(codes.Error, o.Message)
	}
}

func exchangeAttributes(e *journal.Ended) []attribute.KeyValue {
	all := []attribute.KeyValue{
		operationKey.String(e.Operation), requestKey.String(e.Model), idKey.String(e.ID), frontKey.String(e.Front), callerKey.String(e.Caller),
		streamKey.Bool(e.Stream), attemptsKey.Int(len(e.Attempts)), queueKey.Float64((e.Queue + e.Room).Seconds()),
	}
	if n := len(e.Attempts); n > 0 {
		last := &e.Attempts[n-1]
		all = append(all, providerKey.String(provider(last.Kind)), channelKey.String(last.Channel))
	}
	if e.Cached {
		all = append(all, cacheKey.String("hit"))
	}
	for _, one := range []attribute.KeyValue{sessionKey.String(e.Session), talkKey.String(e.Conversation), droppedKey.String(e.Dropped)} {
		if one.Value.AsString() != "" {
			all = append(all, one)
		}
	}
	return append(all, answerAttributes(e)...)
}

// answerAttributes are those of what the model has answered.
func answerAttributes(e *journal.Ended) (all []attribute.KeyValue) {
	if e.Answered != "" {
		all = append(all, responseKey.String(e.Answered))
	}
	if e.Finish != 0 {
		all = append(all, finishKey.StringSlice([]string{e.Finish.String()}))
	}
	if u := e.Usage; u.Input != 0 || u.Output != 0 {
		all = append(all, inputKey.Int64(u.Input), outputKey.Int64(u.Output), estimatedKey.Bool(u.Estimated))
		if u.CacheRead != 0 {
			all = append(all, cachedKey.Int64(u.CacheRead))
		}
	}
	return all
}

func attemptAttributes(e *journal.Ended, i int) []attribute.KeyValue {
	a := &e.Attempts[i]
	all := []attribute.KeyValue{
		operationKey.String(e.Operation), providerKey.String(provider(a.Kind)), requestKey.String(a.Model),
		attemptKey.Int(i + 1), channelKey.String(a.Channel), keyKey.Int(a.Key), tierKey.Int(a.Tier),
	}
	if host, port, err := net.SplitHostPort(a.Host); err == nil {
		all = append(all, hostKey.String(host))
		if n, err := strconv.Atoi(port); err == nil {
			all = append(all, portKey.Int(n))
		}
	} else if a.Host != "" {
		all = append(all, hostKey.String(a.Host))
	}
	if a.Content { // it is the last one
		all = append(all, answerAttributes(e)...)
	}
	return all
}

// provider is the name of a kind of channel, as the semantic conventions have it where they
// know it.
func provider(kind string) string { return cmp.Or(config.KindOf(kind).Provider, kind) }
