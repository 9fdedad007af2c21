// Package world puts a whole gateway between scripted models and independent
// clients, all on real sockets, for tests from end to end. It is not part of
// package wiretest, since the tests of the dialects import that and the gateway
// imports the dialects.
//
// The clients share no code with the gateway's own codecs: they read the wire
// with net/http, fasthttp/websocket and encoding/json, check every rule that the
// protocol documents give, and report what breaks one with t.Errorf.
package world

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// Limit is how long anything may take before a test fails instead of hanging. No test
// that passes waits for it, so that it may be long enough for a busy machine.
const Limit = time.Minute

// World is a gateway that runs, and the scripted model behind it.
type World struct {
	Addr string // of the gateway, host:port
	// OllamaAddr is the port of Ollama's paths; empty: the configuration has none.
	OllamaAddr string
	Model      *mockmodel.Server
	Conf       *config.Config
	Store      store.Store
	Gateway    *proxy.Gateway
	Log        *Log
	// Resets has the clients that connect from now on leave with a reset (RST) instead
	// of a good-bye (FIN). It is for worlds on real sockets.
	Resets bool

	place Place
	model string // address of the model
	front *front.Server
	ln    net.Listener
	serve sync.WaitGroup
	ids   atomic.Int64 // of messages

	mu  sync.Mutex
	saw []*tap // what each client connection received
}

// Main runs the tests of a package that uses worlds and then checks that no
// goroutine is left, fasthttp's housekeepers aside. A test cannot check that for
// itself: others run beside it.
func Main(m *testing.M) {
	// The tests wait rather than compute: more of them than processors may run.
	flag.Parse()
	_ = flag.Set("test.parallel", "12")
	if Fleet() {
		_ = flag.Set("test.parallel", "4") // each has three processes, which compute
	}
	startDates()
	code := m.Run()
	if code == 0 {
		err := goleak.Find(
			// A server's cleaner of idle workers: it ends when it next wakes up, at most
			// 10 s after the server.
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"))
		if err != nil {
			_, _ = os.Stderr.WriteString("goroutines are left: " + err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// startDates makes fasthttp start the goroutine of its dates, which comes with the
// first answer: it must not belong to the bubble of a test.
func startDates() {
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() {
		defer func() { _ = recover() }()
		_ = fasthttp.ServeConn(ours, func(*fasthttp.RequestCtx) {})
	})
	_, _ = io.WriteString(theirs, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	_, _ = io.Copy(io.Discard, theirs)
	served.Wait()
}

// Place is how the parts of a world reach each other.
type Place struct {
	// Listen makes the listener of a part, "model" or "gateway".
	Listen func(part string) (net.Listener, error)
	// Dial connects to an address.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Chance is the gateway's; nil: real chance.
	Chance func(n int64) int64
	// Keep opens the store at an address; nil: an embedded one.
	Keep func(url string) (store.Store, error)
	// Shared is the server that the gateway has in common with others; nil: there is none.
	Shared limiter.Counts
	// Patience is how long a client's connection may take for everything.
	Patience time.Duration
}

// loopback is the place of most worlds.
func loopback() Place {
	return Place{
		Listen: func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		Patience: Limit,
	}
}

// Start serves the configuration text, in which {MODEL} stands for the address of
// a scripted model that speaks all dialects. Conversations are in memory unless
// text says where. When t ends, everything is shut down, and t fails if an answer
// is still under way at the model, or a key is in what a client received or
// the log says, or the model's address in what a client received.
func Start(t testing.TB, text string) *World {
	t.Helper()
	if !strings.Contains(text, "connect:") {
		text += "\ntimeouts: {connect: 1m}\n" // a busy machine accepts late
	}
	if Fleet() {
		return startFleet(t, text)
	}
	w := Open(t, text, loopback())
	t.Cleanup(func() { w.End(t) })
	return w
}

// Beside is Start for one of several gateways on the store that keep opens.
func Beside(t testing.TB, text string, keep func(url string) (store.Store, error)) *World {
	t.Helper()
	return Among(t, text, keep, nil)
}

// Among is Beside for gateways that have shared in common as well, whoever closes it. keep may be
// nil.
func Among(t testing.TB, text string, keep func(url string) (store.Store, error), shared limiter.Counts) *World {
	t.Helper()
	if Fleet() {
		t.Skip("the test has gateways of its own")
	}
	place := loopback()
	place.Keep, place.Shared = keep, shared
	w := Open(t, text, place)
	t.Cleanup(func() { w.End(t) })
	return w
}

// Alone is Start for a test that runs in a bubble of testing/synctest, on a network
// inside the process: what takes a second takes exactly that, however busy the machine
// is.
func Alone(t testing.TB, text string) *World {
	t.Helper()
	return AloneOn(t, text, nil)
}

// AloneOn is Alone on the store that keep opens; nil: an embedded one.
func AloneOn(t testing.TB, text string, keep func(url string) (store.Store, error)) *World {
	t.Helper()
	if Fleet() {
		t.Skip(NoBubble)
	}
	n := simnet.New(1)
	w := Open(t, text, Place{
		Listen:   func(part string) (net.Listener, error) { return n.Listen(part + ":41879") },
		Dial:     n.Dial,
		Keep:     keep,
		Patience: 24 * time.Hour,
	})
	t.Cleanup(func() {
		w.End(t)
		time.Sleep(2 * time.Minute) // a server's pool of workers ends within one
	})
	return w
}

// Open is Start in a place of the caller's, who has to call End.
func Open(t testing.TB, text string, place Place) *World {
	t.Helper()
	w := &World{Log: &Log{}, Model: mockmodel.New(mockmodel.Options{Log: t.Logf}), place: place}
	behind := w.listen(t, "model")
	w.model = behind.Addr().String()
	w.serve.Go(func() {
		if err := w.Model.Serve(behind); err != nil {
			t.Errorf("the model: %v", err)
		}
	})
	if !strings.Contains(text, "store:") {
		text += "\nstore: {url: \"memory:\"}\n"
	}
	var err error
	text = strings.ReplaceAll(text, "{MODEL}", w.model)
	if w.Conf, err = config.Load([]byte(text), "test.yaml", os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	keep := place.Keep
	if keep == nil {
		keep = func(url string) (store.Store, error) { return embedded.Open(url) }
	}
	if w.Store, err = keep(w.Conf.Store.URL); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := proxy.Options{Chance: place.Chance, Endpoints: dialects.Endpoints, ProofsWait: Limit}
	if place.Shared != nil {
		o.Proofs = place.Shared
	}
	if w.Gateway, err = proxy.New(w.Conf, w.Store, w.openUpstream, log, o); err != nil {
		t.Fatal(err)
	}
	w.front = front.New(w.Conf, w.Gateway, log)
	if place.Shared != nil {
		w.front.Share(place.Shared, Limit)
	}
	if w.Conf.Ollama.Listen != "" {
		own := w.listen(t, "ollama")
		w.OllamaAddr = own.Addr().String()
		w.front.ListenOllama(own)
	}
	w.ln = w.listen(t, "gateway")
	w.Addr = w.ln.Addr().String()
	w.serve.Go(func() {
		if err := w.front.Serve(w.ln); err != nil {
			t.Errorf("the front: %v", err)
		}
	})
	return w
}

func (w *World) openUpstream(conf *config.Channel, key string) (proxy.Upstream, error) {
	return upstream.New(conf, key, upstream.Options{Dial: w.place.Dial, Chance: w.place.Chance})
}

func (w *World) listen(t testing.TB, part string) net.Listener {
	t.Helper()
	ln, err := w.place.Listen(part)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// End takes the world down, in the order in which its parts use each other, and
// checks what is left.
func (w *World) End(t testing.TB) {
	t.Helper()
	began := time.Now()
	w.Shutdown(Limit)
	if took := time.Since(began); took > Limit-5*time.Second {
		t.Errorf("the gateway needed %v to stop: something was still under way", took)
	}
	if err := w.Gateway.Close(); err != nil {
		t.Error(err)
	}
	w.Eventually(t, "no answer is under way at the model", func() bool { return w.Model.Active() == 0 })
	if err := w.Store.Close(); err != nil {
		t.Error(err)
	}
	w.Model.Close()
	w.serve.Wait()
	w.checkSecrets(t)
	if t.Failed() {
		t.Logf("the log of the gateway:\n%s", w.Log)
	}
	if s := w.Log.String(); strings.Contains(s, "msg=panic") {
		t.Errorf("the gateway panicked:\n%s", s)
	}
}

// BodiesHeld is how many bytes the gateway counts for bodies and messages under way.
func (w *World) BodiesHeld() int { return w.front.BodiesHeld() }

// Front is the server of the fronts.
func (w *World) Front() *front.Server { return w.front }

// Shutdown stops the front, giving answers at most drain. It may be called before
// the world ends by itself.
func (w *World) Shutdown(drain time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	w.front.Shutdown(ctx)
}

// Eventually waits until ok says true, and fails t after a while.
func (w *World) Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(Limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s (active %d, left %d, requests %d)", what, w.Model.Active(), w.Model.Left(), w.Model.Requests())
		}
		time.Sleep(time.Millisecond)
	}
}

// checkSecrets looks for what nobody may see.
func (w *World) checkSecrets(t testing.TB) {
	t.Helper()
	var never []string
	for i := range w.Conf.Channels {
		never = append(never, w.Conf.Channels[i].Keys...)
	}
	inLog := append([]string(nil), never...)
	_, port, _ := net.SplitHostPort(w.model)
	never = append(never, w.model, ":"+port)
	for _, k := range w.Conf.Callers.Keys {
		if k.Key != "" {
			inLog = append(inLog, k.Key)
		}
	}
	log := w.Log.String()
	for _, s := range inLog {
		if strings.Contains(log, s) {
			t.Errorf("the log holds %q:\n%s", s, log)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.saw {
		got := one.bytes()
		for _, s := range never {
			if at := bytes.Index(got, []byte(s)); at >= 0 {
				t.Errorf("a client was shown %q: ...%s", s, got[max(0, at-200):min(len(got), at+200)])
			}
		}
	}
}

// Dial connects to the gateway. What comes in is searched for secrets when the
// world ends; everything has to be done within [Limit].
func (w *World) Dial(t testing.TB) net.Conn {
	t.Helper()
	return w.dial(t, w.Addr)
}

func (w *World) dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := w.place.Dial(context.Background(), addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(w.place.Patience))
	if w.Resets {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	one := &tap{Conn: c}
	w.mu.Lock()
	w.saw = append(w.saw, one)
	w.mu.Unlock()
	return one
}

// tap is a client's connection that keeps what was received.
type tap struct {
	net.Conn
	mu  sync.Mutex
	got []byte
}

// mostKept bounds what one connection keeps.
const mostKept = 8 << 20

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.got) < mostKept {
		c.got = append(c.got, p[:n]...)
	}
	return n, err
}

// CloseWrite ends what the client sends.
func (c *tap) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

func (c *tap) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// Log is what the gateway logged. It is safe for concurrent use.
type Log struct {
	logtest.Log
	of func() string // of a fleet; nil: what was written here
}

// String returns all lines so far.
func (l *Log) String() string {
	if l.of != nil {
		return l.of()
	}
	return l.Log.String()
}
