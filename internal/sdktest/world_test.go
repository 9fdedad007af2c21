// Package sdktest puts client libraries that others wrote in front of a running
// gateway, with a scripted model behind every kind of channel. It is a module of
// its own so that what the libraries need stays out of the gateway's go.mod.
package sdktest

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// kinds are the kinds of channels. The rich ones can say tool calls, images and
// reasoning; the folding ones get the history as one message.
var (
	kinds     = []string{"openai", "anthropic", "responses", "rest", "chatnio", "iagent", "mock"}
	richKinds = []string{"openai", "anthropic", "responses", "mock"}
	foldKinds = []string{"rest", "iagent"}
	// served are the kinds that the gateway has channels of: of gemini and ollama their own clients alone ask.
	served = append(slices.Clone(kinds), "gemini", "ollama")
)

// clientKey is accepted by the gateway, modelKey by the scripted model: one in
// the place of the other is refused. limitedKey with a library's name behind it may
// ask once a second.
const (
	clientKey  = "sk-client"
	limitedKey = "sk-limited-"
	modelKey   = "sk-model"
)

// world is a gateway in front of a scripted model.
type world struct {
	url   string // of the gateway, without a path
	model *mockmodel.Server
	front *front.Server
}

// newWorld starts a gateway that offers, for each kind of channel and each of
// scripts, the model KIND.SCRIPT. Every model has a channel to itself, so that
// what is scripted to fail harms no other. All of it ends with the test.
func newWorld(t *testing.T, scripts ...string) *world {
	t.Helper()
	w := &world{model: mockmodel.New(mockmodel.Options{Keys: []string{modelKey}, Log: t.Logf})}
	addr := serve(t, w.model.Serve)
	t.Cleanup(w.model.Close)
	w.open(t, configuration(addr, scripts))
	return w
}

// open starts the gateway of w with a configuration.
func (w *world) open(t *testing.T, text string) {
	t.Helper()
	conf, err := config.Load([]byte(text), "sdktest", func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	g, err := proxy.New(conf, st, func(ch *config.Channel, key string) (proxy.Upstream, error) {
		return upstream.New(ch, key, upstream.Options{})
	}, log, proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.front = front.New(conf, g, log)
	w.url = "http://" + serve(t, w.front.Serve)
	t.Cleanup(func() {
		w.front.Shutdown(t.Context())
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

// serve runs a server on a port of its own and returns its address.
func serve(t *testing.T, run func(net.Listener) error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- run(ln) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// configuration is the gateway's file.
func configuration(model string, scripts []string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "callers:\n  keys:\n    - {name: alice, key: %s}\n", clientKey)
	for _, name := range slices.Concat(nodeLibraries, []string{"openai-go", "anthropic-sdk-go"}) {
		fmt.Fprintf(b, "    - {name: %s, key: %s%s, limits: slow}\n", name, limitedKey, name)
	}
	b.WriteString("limits: {slow: {requests: 1/s}}\nchannels:\n")
	for _, kind := range served {
		for _, script := range scripts {
			fmt.Fprintf(b, "  - {id: %s.%s, kind: %s, models: [{name: %s, upstream: %s}]", kind, script, kind, nameOf(kind, script), upstreamOf(kind, script))
			if kind != "mock" {
				fmt.Fprintf(b, ", url: %q, keys: [%s]", urlOf(kind, model), modelKey)
			}
			if kind == "iagent" {
				b.WriteString(", connections: 1")
			}
			b.WriteString("}\n")
		}
	}
	return b.String()
}

func nameOf(kind, script string) string { return kind + "." + script }

// upstreamOf is the script with the kind as a word that means nothing: each kind
// has its own count of requests.
func upstreamOf(kind, script string) string { return script + "-" + kind }

func urlOf(kind, addr string) string {
	switch kind {
	case "openai", "anthropic", "responses":
		return "http://" + addr + "/v1"
	case "gemini":
		return "http://" + addr + "/v1beta"
	case "chatnio":
		return "ws://" + addr
	case "iagent":
		return "ws://" + addr + "/ws/v1/chat"
	}
	return "http://" + addr
}

// counting is a transport that counts requests.
type counting struct{ n atomic.Int64 }

// RoundTrip implements http.RoundTripper.
func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

// eventually waits until ok, at most ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}
