package front_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// broken is a store with a bug.
type broken struct{ store.Store }

func (broken) Append(context.Context, *store.Conversation, store.Turn) error { panic("a bug") }

func TestABugStillEndsItsTurn(t *testing.T) {
	t.Parallel()
	conf, err := config.Load([]byte(`
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
channels: [{id: m, kind: mock, models: [echo]}]
`), "test.yaml", os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := embedded.Open(conf.Store.URL)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	open := func(c *config.Channel, key string) (proxy.Upstream, error) {
		return upstream.New(c, key, upstream.Options{})
	}
	g, err := proxy.New(conf, broken{kept}, open, log, proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := front.New(conf, g, log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serve sync.WaitGroup
	serve.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), world.Limit)
		defer cancel()
		server.Shutdown(ctx)
		serve.Wait()
		_ = g.Close()
		_ = kept.Close()
	})

	ws, _, err := websocket.DefaultDialer.Dial("ws://"+ln.Addr().String()+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	_ = ws.SetReadDeadline(time.Now().Add(world.Limit))
	k := &sock{t: t, ws: ws}
	k.say(`{"token":"sk-alice","id":-1}`)
	if p := k.ask("echo", "hi"); p.fault != "INTERNAL_ERROR: internal error" || strings.Contains(p.fault, "bug") {
		t.Errorf("got %+v", p)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseInternalServerErr) {
		t.Errorf("got %v", err)
	}
}
