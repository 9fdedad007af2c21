package front_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// slow is a gateway on a network inside the process, and one client of it that does
// less than it should.
type slow struct {
	*world.World
	t     *testing.T
	net   *simnet.Net
	front string
	conn  net.Conn
	trust *x509.CertPool // of the gateway's certificate
	began time.Time
	over  chan struct{} // closed when the client ends by itself
}

const (
	slowPort  = ":41879"
	slowModel = "model" + slowPort
)

// long is what a client asks for an answer that no network holds at once.
var long = strings.Repeat("a question that is long ", 300<<10/24)

const slowModels = callers + `
presets: {default: {model: echo}, stream: {model: long-20000}}
channels:
  - {id: up, kind: openai, url: "http://{MODEL}/v1", keys: [` + channelKey + `], models: [echo, long-20000]}
`

// slowRows are the slow clients: what each does on a front, and what becomes of it.
// A client that is not there on a front has no function for it.
var slowRows = []struct {
	name string
	do   map[string]func(*slow)
	want string // of all fronts that it is there for, in their order
	tls  bool   // the gateway serves TLS
}{
	{"connects and says nothing", onAll(func(s *slow) {}), "60 s, 60 s, 60 s, 60 s, 60 s", false},
	{"sends its head a byte every two seconds", onAll(func(s *slow) { s.trickle(s.head("GET", s.socketPath(), 0) + "\r\n") }),
		"60 s with 408, 60 s with 408, 60 s with 408, 60 s with 408, 60 s with 408", false},
	{"sends its body a byte every two seconds", onHTTP(func(s *slow) {
		_, _ = io.WriteString(s.conn, s.head("POST", s.path(), 5000)+"\r\n")
		s.trickle(strings.Repeat(" ", 5000))
	}), "60 s with 408, 60 s with 408, 60 s with 408, –, –", false},
	{"sends 100 KiB of a long body and no more", onHTTP(func(s *slow) {
		_, _ = io.WriteString(s.conn, s.head("POST", s.path(), 1_000_000)+"\r\n"+strings.Repeat(" ", 100<<10))
	}), "10 s with 408, 10 s with 408, 10 s with 408, –, –", false},
	{"sends a KiB of a long body a second", onHTTP(func(s *slow) {
		s.every(time.Second, s.head("POST", s.path(), 1_000_000)+"\r\n", strings.Repeat(" ", 1<<10))
	}), "5 s with 408, 5 s with 408, 5 s with 408, –, –", false},
	{"waits for `100 Continue` and then sends no body", onHTTP(func(s *slow) {
		_, _ = io.WriteString(s.conn, s.head("POST", s.path(), 5000)+"Expect: 100-continue\r\n\r\n")
		_, _ = http.ReadResponse(bufio.NewReader(s.conn), nil)
	}), "60 s with 408, 60 s with 408, 60 s with 408, –, –", false},
	{"asks nothing more after an answer", onHTTP(func(s *slow) {
		s.ask("hi", false)
		_, _ = http.ReadResponse(bufio.NewReaderSize(s.conn, 1<<16), nil)
	}), "120 s, 120 s, 120 s, –, –", false},
	{"reads nothing of a whole answer of 300 KiB", onHTTP(func(s *slow) { s.ask(long, false) }),
		"34 s, 34 s, 34 s, –, –", false},
	{"reads a byte a second of that answer", onHTTP(func(s *slow) { s.ask(long, false); s.sip() }),
		"34 s, 34 s, 34 s, –, –", false},
	{"reads nothing of a stream", onHTTP(func(s *slow) { s.ask("", true) }), "30 s, 30 s, 30 s, –, –", false},
	{"reads a byte a second of that stream", onHTTP(func(s *slow) { s.ask("", true); s.sip() }), "30 s, 30 s, 30 s, –, –", false},
	{"sends a frame a byte every two seconds", onSockets(func(s *slow) {
		s.upgrade()
		s.trickle(wsFrame(fin|opText, strings.Repeat("x", 4000)))
	}), "–, –, –, 75 s, 75 s", false},
	{"sends a fragment every two seconds and no last one", onSockets(func(s *slow) {
		s.upgrade()
		s.every(2*time.Second, wsFrame(opText, "x"), wsFrame(opContinue, "x"))
	}), "–, –, –, 75 s, 75 s", false},
	{"says nothing on its socket and answers no ping", onSockets(func(s *slow) { s.upgrade() }),
		"–, –, –, 75 s, 75 s", false},
	{"reads no replies", onSockets(func(s *slow) { s.upgrade(); s.askSocket() }), "–, –, –, 45 s, 45 s", false},
	{"reads a byte of them a second", onSockets(func(s *slow) { s.upgrade(); s.askSocket(); s.sip() }), "–, –, –, 35 s, 45 s", false},
	{"pings and reads no pongs", onSockets(func(s *slow) {
		s.upgrade()
		s.every(time.Millisecond, wsFrame(fin|opPing, strings.Repeat("x", 125)), wsFrame(fin|opPing, strings.Repeat("x", 125)))
	}), "–, –, –, 6 s, 6 s", false},
	{"begins a TLS handshake and sends no more of it", onAll(func(s *slow) { _, _ = io.WriteString(s.conn, clientHello()[:40]) }),
		"60 s, 60 s, 60 s, 60 s, 60 s", true},
	{"sends its TLS handshake a byte every two seconds", onAll(func(s *slow) { s.trickle(clientHello()) }), "60 s, 60 s, 60 s, 60 s, 60 s", true},
	{"answers nothing in its TLS handshake", onAll(func(s *slow) { _, _ = io.WriteString(s.conn, clientHello()) }), "60 s, 60 s, 60 s, 60 s, 60 s", true},
	{"ends its TLS handshake and asks nothing", onAll(func(s *slow) { s.secure() }), "60 s, 60 s, 60 s, 60 s, 60 s", true},
	{"reads nothing of a stream over TLS", onHTTP(func(s *slow) { s.secure(); s.ask("", true) }), "35 s, 35 s, 35 s, –, –", true},
	{"asks nothing more after an answer over TLS", onHTTP(func(s *slow) {
		s.secure()
		s.ask("hi", false)
		_, _ = http.ReadResponse(bufio.NewReaderSize(s.conn, 1<<16), nil)
	}), "120 s, 120 s, 120 s, –, –", true},
	{"says nothing on its socket over TLS and answers no ping", onSockets(func(s *slow) { s.secure(); s.upgrade() }), "–, –, –, 75 s, 75 s", true},
}

// slowFronts are fronts of all kinds of connections.
var slowFronts = []string{"openai", "anthropic", "rest", "chatnio", "iagent"}

func on(f func(*slow), fronts ...string) map[string]func(*slow) {
	m := map[string]func(*slow){}
	for _, name := range fronts {
		m[name] = f
	}
	return m
}

func onAll(f func(*slow)) map[string]func(*slow)     { return on(f, slowFronts...) }
func onHTTP(f func(*slow)) map[string]func(*slow)    { return on(f, slowFronts[:3]...) }
func onSockets(f func(*slow)) map[string]func(*slow) { return on(f, slowFronts[3:]...) }

func (s *slow) path() string {
	return map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "rest": "/api/chat"}[s.front]
}

func (s *slow) socketPath() string {
	if s.front == "chatnio" {
		return "/chat"
	}
	return "/ws/v1/chat?app_token=" + key
}

// head is that of a request, without the empty line.
func (s *slow) head(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, path, key, length)
}

// ask puts a question; text or a model that streams much.
func (s *slow) ask(text string, stream bool) {
	model, path := "echo", s.path()
	if stream {
		model, text = "long-20000", "go"
	}
	body := fmt.Sprintf(`{"model":%q,"max_tokens":9,"stream":%t,"messages":[{"role":"user","content":%q}]}`, model, stream, text)
	if s.front == "rest" {
		body = fmt.Sprintf(`{"userId":"u","message":%q}`, text)
		if stream {
			body = `{"userId":"u","message":"go","preset":"stream"}`
			path += "/stream"
		}
	}
	_, _ = io.WriteString(s.conn, s.head("POST", path, len(body))+"\r\n"+body)
}

// secure makes the connection a TLS one.
func (s *slow) secure() {
	c := tls.Client(s.conn, &tls.Config{RootCAs: s.trust, ServerName: "127.0.0.1"})
	if err := c.Handshake(); err != nil {
		s.t.Errorf("no TLS: %v", err)
	}
	s.conn = c
}

// clientHello is what a client of TLS says first.
func clientHello() string {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	var said sync.WaitGroup
	said.Go(func() { _ = tls.Client(ours, &tls.Config{ServerName: "127.0.0.1"}).Handshake() })
	buf := make([]byte, 1<<14)
	n, _ := theirs.Read(buf)
	_ = ours.Close()
	said.Wait()
	return string(buf[:n])
}

// upgrade makes the connection a socket.
func (s *slow) upgrade() {
	_, _ = io.WriteString(s.conn, "GET "+s.socketPath()+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	buf := make([]byte, 1)
	for got := ""; !strings.HasSuffix(got, "\r\n\r\n"); got += string(buf) {
		if _, err := s.conn.Read(buf); err != nil {
			s.t.Fatalf("no upgrade: %q, %v", got, err)
		}
	}
}

// askSocket puts questions whose answers are more than the network holds.
func (s *slow) askSocket() {
	if s.front == "chatnio" {
		_, _ = io.WriteString(s.conn, wsFrame(fin|opText, `{"token":"`+key+`","id":-1}`)+wsFrame(fin|opText, `{"type":"chat","message":"go","model":"long-20000"}`))
		return
	}
	for i := range 20 {
		_, _ = io.WriteString(s.conn, wsFrame(fin|opText, frame(fmt.Sprint("m", i), long[:20<<10], "receiver_id", "echo", "sender_id", fmt.Sprint(i))))
	}
}

// every sends first, and then more again and again, until the connection is cut.
func (s *slow) every(d time.Duration, first, more string) {
	for next := first; ; next = more {
		_ = s.conn.SetWriteDeadline(time.Now().Add(time.Hour))
		if _, err := io.WriteString(s.conn, next); err != nil {
			return
		}
		select {
		case <-time.After(d):
		case <-s.over:
			return
		}
	}
}

// trickle sends text byte by byte, until the connection is cut.
func (s *slow) trickle(text string) {
	for i := range len(text) {
		if _, err := io.WriteString(s.conn, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(2 * time.Second)
	}
}

// sip reads a byte a second, until the connection is cut.
func (s *slow) sip() {
	var b [1]byte
	for {
		if _, err := s.conn.Read(b[:]); err != nil {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-s.over:
			return
		}
	}
}

// ended waits until the gateway has closed the client's connection, and says when
// that was.
func (s *slow) ended() string {
	for s.net.Accepted(s.Addr) > 0 {
		if time.Since(s.began) > time.Hour {
			return "never"
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Sprintf("%.0f s", time.Since(s.began).Seconds())
}

// told is the status that the client got for being slow, if any.
func (s *slow) told() string {
	rest, _ := io.ReadAll(s.conn)
	if strings.HasPrefix(string(rest), "HTTP/1.1 408 ") {
		return " with 408"
	}
	return ""
}

// checkGivenBack looks for what the client still occupies.
func (s *slow) checkGivenBack(before int) {
	for _, c := range s.Gateway.Channels() {
		if c.InFlight != 0 || c.Waiting != 0 {
			s.t.Errorf("channel %s: %d in flight and %d waiting", c.ID, c.InFlight, c.Waiting)
		}
	}
	if n := s.Model.Active(); n > 0 {
		s.t.Errorf("%d answers are under way at the model", n)
	}
	time.Sleep(2 * time.Minute) // a server's pool of workers ends within one
	synctest.Wait()
	// Connections to the model are kept for the next question; it has a goroutine for each.
	if n, stacks := world.InBubble(); n-s.net.Accepted(slowModel) > before {
		s.t.Errorf("%d goroutines more than before:\n%s", n-before, stacks)
	}
}

// playSlow lets one client do what it does, and says what becomes of it.
func playSlow(t *testing.T, front, conf string, trust *x509.CertPool, do func(*slow)) string {
	n := simnet.New(1)
	w := world.Open(t, conf+slowModels, world.Place{
		Listen:   func(part string) (net.Listener, error) { return n.Listen(part + slowPort) },
		Dial:     n.Dial,
		Patience: 24 * time.Hour,
	})
	defer func() {
		w.End(t)
		time.Sleep(2 * time.Minute) // a server's pool of workers ends within one
	}()
	synctest.Wait()
	before, _ := world.InBubble()
	conn, err := n.Dial(context.Background(), w.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &slow{World: w, t: t, net: n, front: front, conn: conn, trust: trust, began: time.Now(), over: make(chan struct{})}
	var acts sync.WaitGroup
	acts.Go(func() { do(s) })
	is := s.ended()
	close(s.over)
	acts.Wait()
	is += s.told()
	s.checkGivenBack(before)
	return is
}

func TestSlowEndsAreCutOffAndGiveEverythingBack(t *testing.T) {
	t.Parallel()
	secure, trust := certificate(t)
	var table strings.Builder
	table.WriteString("| a client that | openai | anthropic | rest | chatnio | iagent |\n|---|---|---|---|---|---|\n")
	for _, row := range slowRows {
		var got []string
		conf := map[bool]string{true: secure}[row.tls]
		for _, front := range slowFronts {
			do, is := row.do[front], "–"
			if do != nil {
				t.Run(row.name+"/"+front, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { is = playSlow(t, front, conf, trust, do) })
				})
			}
			got = append(got, is)
		}
		if is := strings.Join(got, ", "); is != row.want {
			t.Errorf("who %s: %s, want %s", row.name, is, row.want)
		}
		fmt.Fprintf(&table, "| %s | %s |\n", row.name, strings.Join(got, " | "))
	}
	checkTable(t, "slow", table.String())
}
