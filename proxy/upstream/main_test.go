package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"),
		// The scripted model is a fasthttp server; its cleaner sleeps for ten seconds before it sees that the server has ended.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// limit ends tests that hang.
const limit = 20 * time.Second

// peer is a scripted server: one goroutine for each connection.
type peer struct {
	net.Listener
	t     testing.TB
	conns atomic.Int32
	wg    sync.WaitGroup
	mu    sync.Mutex
	open  []net.Conn
}

// listen serves every connection with script until the end of the test.
func listen(t testing.TB, script func(*link)) *peer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: ln, t: t}
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.open = append(p.open, c)
			p.mu.Unlock()
			n := p.conns.Add(1)
			p.wg.Go(func() {
				defer c.Close()
				script(&link{Conn: c, r: bufio.NewReader(c), n: int(n)})
			})
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *peer) end() {
	_ = p.Close()
	p.mu.Lock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *peer) url() string { return "http://" + p.Addr().String() + "/v1" }

// link is the server's side of a connection.
type link struct {
	net.Conn
	r *bufio.Reader
	n int // which connection, from 1
}

// request reads one request and returns its head and its body.
func (l *link) request() (head, body string, ok bool) {
	req, err := http.ReadRequest(l.r)
	if err != nil {
		return "", "", false
	}
	b, err := io.ReadAll(req.Body)
	var w strings.Builder
	fmt.Fprintf(&w, "%s %s\nHost: %s\n", req.Method, req.RequestURI, req.Host)
	_ = req.Header.Write(&w)
	return w.String(), string(b), err == nil
}

func (l *link) say(s string) { _, _ = io.WriteString(l, s) }

// gone waits until the client has closed the connection.
func (l *link) gone() { _, _ = io.Copy(io.Discard, l.r) }

// chunk frames s as one chunk.
func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

const (
	eventsHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
	jsonHead   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	lastChunk  = "0\r\n\r\n"

	deltaHi   = `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}` + "\n\n"
	deltaYou  = `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":" you"}}]}` + "\n\n"
	deltaStop = `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	dataDone  = "data: [DONE]\n\n"
	answer    = deltaHi + deltaYou + deltaStop + dataDone
	wholeBody = `{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi you"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
)

func whole(head, body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// open returns an upstream of kind at url that is closed at the end of the test.
func open(t testing.TB, kind, url string, change ...func(*config.Channel)) Upstream {
	t.Helper()
	conf := &config.Channel{ID: "c", Kind: kind, URL: url}
	for _, f := range change {
		f(conf)
	}
	up, err := New(conf, "sk-test-key-0001", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.Close() })
	return up
}

// question asks model something.
func question(model string, stream bool) *translate.Request {
	return &translate.Request{Dialect: "test", Model: model, Stream: stream,
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// read reads s to its end and closes it.
func read(s translate.Stream) (*translate.Answer, []translate.Event, error) {
	defer s.Close()
	var a translate.Answer
	var evs []translate.Event
	for {
		ev, err := s.Next()
		if err == io.EOF {
			return &a, evs, nil
		}
		if err != nil {
			a.Settle()
			return &a, evs, err
		}
		a.Add(ev)
		evs = append(evs, translate.Event{Kind: ev.Kind, Text: append([]byte(nil), ev.Text...), Raw: append([]byte(nil), ev.Raw...)})
	}
}

// ask opens and reads.
func ask(t testing.TB, up Upstream, req *translate.Request) (*translate.Answer, error) {
	t.Helper()
	s, err := up.Open(within(t), req)
	if err != nil {
		return nil, err
	}
	a, _, err := read(s)
	return a, err
}

// fault returns the error's fault and code, and fails the test when err is not
// typed or says too much.
func fault(t testing.TB, err error) *translate.Error {
	t.Helper()
	var e *translate.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a *translate.Error: %v", err)
	}
	if e.Fault == 0 {
		t.Errorf("no fault: %v", err)
	}
	if strings.Contains(e.Message, "127.0.0.1") || strings.Contains(err.Error(), "sk-test") {
		t.Errorf("it tells a secret: %v", err)
	}
	return e
}

func wantFault(t testing.TB, err error, f translate.Fault, c translate.Code) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if e := fault(t, err); e.Fault != f || e.Code != c {
		t.Errorf("fault %s, code %s; want %s, %s: %v", e.Fault, e.Code, f, c, err)
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
