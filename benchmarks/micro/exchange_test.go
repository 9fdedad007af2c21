package micro

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// key is what the benchmarks' only caller shows.
const key = "sk-benchmark-caller"

// openGateway returns a gateway for the channels of a configuration, with
// conversations in memory and a log that nobody reads but that is written.
func openGateway(tb testing.TB, channels string) (*proxy.Gateway, *config.Config, *slog.Logger) {
	tb.Helper()
	return openGatewayOf(tb, "callers: {keys: [{name: bench, key: "+key+"}]}\nchannels:\n"+channels, proxy.Options{})
}

// openGatewayOf is openGateway for a whole configuration, but for the store.
func openGatewayOf(tb testing.TB, text string, o proxy.Options) (*proxy.Gateway, *config.Config, *slog.Logger) {
	tb.Helper()
	text = "store: {url: \"memory:\"}\n" + text
	conf, err := config.Load([]byte(text), "benchmark", func(string) (string, bool) { return "", false })
	if err != nil {
		tb.Fatal(err)
	}
	st, err := embedded.Open(conf.Store.URL)
	if err != nil {
		tb.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	g, err := proxy.New(conf, st, func(c *config.Channel, key string) (proxy.Upstream, error) {
		return upstream.New(c, key, upstream.Options{})
	}, log, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = g.Close(), st.Close() })
	return g, conf, log
}

// asker puts the same question again and again, the way a front does.
type asker struct {
	g      *proxy.Gateway
	d      translate.Dialect
	caller *proxy.Caller
	model  *proxy.Model
	stream bool
	out    []byte
	events int
}

func newAsker(tb testing.TB, g *proxy.Gateway, d translate.Dialect, model string, stream bool) *asker {
	tb.Helper()
	a := &asker{g: g, d: d, stream: stream}
	var err *translate.Error
	if a.caller, err = g.Identify(key, ""); err == nil {
		a.model, err = g.Resolve(a.caller, model)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// ask opens one exchange, writes its answer into a buffer and closes it.
func (a *asker) ask(tb testing.TB) {
	req := &translate.Request{Dialect: a.d.Name(), Stream: a.stream, User: "ann", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hello there")}}
	x, err := a.g.Open(context.Background(), proxy.Question{ID: "req_1", Front: a.d.Name(), Caller: a.caller, Model: a.model, Request: req})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	enc := a.d.NewEncoder(req, head)
	a.out, a.events = a.out[:0], 0
	if !a.stream {
		whole, err := x.Whole()
		if err != nil {
			tb.Fatal(err)
		}
		a.out = enc.AppendWhole(a.out, whole)
		return
	}
	for {
		ev, err := x.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		a.events++
		a.out = enc.Append(a.out[:0], ev)
		x.Ready()
	}
	a.out = enc.AppendTail(a.out[:0])
}

// models of the model inside the process: an answer of 1, 100 and 1,100 pieces.
const mockChannel = "- {id: mock, kind: mock, models: [long-1, long-100, long-1100]}\n"

// BenchmarkExchange is one question through the gateway to the model inside the
// process, 100 pieces long, for every front's encoder.
func BenchmarkExchange(b *testing.B) {
	g, _, _ := openGateway(b, mockChannel)
	for _, d := range dialects.All {
		for _, stream := range []bool{true, false} {
			b.Run(d.Name()+"/"+mode(stream), func(b *testing.B) {
				a := newAsker(b, g, d, "long-100", stream)
				b.ReportAllocs()
				for b.Loop() {
					a.ask(b)
				}
			})
		}
	}
}

func mode(stream bool) string {
	if stream {
		return "streamed"
	}
	return "whole"
}
