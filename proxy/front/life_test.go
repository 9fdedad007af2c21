package front

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	ch     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.ch:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// mock is an upstream whose models are scripts.
type mock struct {
	m       mockmodel.Model
	streams *atomic.Bool // whether the last question asked for a stream; nil: nobody wants to know
}

// bug is the script of a model that panics.
const bug = "bug"

// lateBug is that of one that panics behind its first word.
const lateBug = "late-bug"

func (u *mock) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	switch req.Model {
	case bug:
		panic("what is wrong is nobody's business")
	case lateBug:
		return &buggy{}, nil
	}
	if u.streams != nil {
		u.streams.Store(req.Stream)
	}
	return u.m.Open(ctx, req.Model, req)
}
func (u *mock) Close() error { return nil }

// house is a server in a bubble.
type house struct {
	t  *testing.T
	s  *Server
	g  *proxy.Gateway
	ln *pipes
	wg sync.WaitGroup
	// downs are the shutdowns that a test began: two at once would wait for each
	// other's lock, which no bubble can see.
	downs sync.WaitGroup

	streams atomic.Bool // the model was asked for a stream
	log     logtest.Log
}

// inHouse runs f against a server whose model does what script says.
func inHouse(t *testing.T, script string, f func(*testing.T, *house)) {
	t.Helper()
	inHouseOf(t, script, All, f)
}

// inHouseOf is inHouse with other fronts.
func inHouseOf(t *testing.T, script string, fronts []*Front, f func(*testing.T, *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := fmt.Sprintf(`
callers: {keys: [{name: alice, key: sk-alice}]}
channels: [{id: a, kind: mock, models: [{name: %s, upstream: %s}], timeouts: {gap: 5m}}]
`, modelName, script)
		conf, err := config.Load([]byte(text), "test.yaml", func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, ln: &pipes{ch: make(chan net.Conn), closed: make(chan struct{})}}
		log := slog.New(slog.NewTextHandler(&h.log, nil))
		g, err := proxy.New(conf, st, func(*config.Channel, string) (proxy.Upstream, error) { return &mock{streams: &h.streams}, nil }, log, proxy.Options{Tracer: traces{}})
		if err != nil {
			t.Fatal(err)
		}
		h.g, h.s = g, newServer(conf, g, log, fronts)
		h.wg.Go(func() {
			if err := h.s.Serve(h.ln); err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		synctest.Wait()
		defer time.Sleep(time.Minute) // fasthttp's worker pool sleeps for a while before it ends
		defer func() {
			h.downs.Wait()
			h.shutdown(0)
			h.wg.Wait()
			_ = st.Close()
		}()
		f(t, h)
	})
}

func (h *house) shutdown(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	h.s.Shutdown(ctx)
}

func (h *house) dial() net.Conn {
	ours, theirs := net.Pipe()
	select {
	case h.ln.ch <- ours:
	case <-h.ln.closed:
		h.t.Fatal("the server does not listen")
	}
	return theirs
}

// mustBeIdle fails the test when an exchange is still open.
func (h *house) mustBeIdle() {
	h.t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := h.g.Drain(ctx); err != nil {
		h.t.Error("an exchange is still open")
	}
}

// dialect is how a streamed question looks in one.
type dialect struct{ path, head, body, begun, text, end, failed string }

var dialects = map[string]dialect{
	"openai": {"/v1/chat/completions", "Authorization: Bearer sk-alice", `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		": keep-alive", "w0 ", "data: [DONE]", `"error"`},
	"anthropic": {"/v1/messages", "X-Api-Key: sk-alice\r\nanthropic-version: 2023-06-01", `{"model":"echo","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		": keep-alive", "w0 ", "message_stop", "event: error"},
	"gemini": {"/v1beta/models/echo:streamGenerateContent?alt=sse", "x-goog-api-key: sk-alice", `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		": keep-alive", "w0 ", `"finishReason":"STOP"`, `"error"`},
	"rest": {"/api/chat/stream", "Authorization: Bearer sk-alice\r\nOrigin: https://page.example", `{"userId":"u","message":"hi"}`,
		`"type":"start"`, "w0 ", `"type":"end"`, `"type":"error"`},
}

func (d dialect) ask(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", d.path, d.head, len(d.body), d.body); err != nil {
		t.Error(err)
	}
}

// seen is one line of a streamed answer and when it came.
type seen struct {
	at   time.Duration
	line string
}

// lines reads resp to its end.
func lines(resp *http.Response, from time.Time) (all []seen, err error) {
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if in.Text() != "" {
			all = append(all, seen{time.Since(from).Round(time.Second), in.Text()})
		}
	}
	return all, in.Err()
}

// when is the time of the first line that contains s.
func when(all []seen, s string) (time.Duration, bool) {
	for _, l := range all {
		if strings.Contains(l.line, s) {
			return l.at, true
		}
	}
	return 0, false
}

func mustCome(t *testing.T, all []seen, s string, at time.Duration) {
	t.Helper()
	if got, ok := when(all, s); !ok || got != at {
		t.Errorf("%q came at %v (%v), want %v, in\n%v", s, got, ok, at, all)
	}
}

func mustNotCome(t *testing.T, all []seen, s string) {
	t.Helper()
	if _, ok := when(all, s); ok {
		t.Errorf("%q came in\n%v", s, all)
	}
}

func eachDialect(t *testing.T, script string, f func(*testing.T, *house, dialect)) {
	t.Parallel()
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			inHouse(t, script, func(t *testing.T, h *house) { f(t, h, d) })
		})
	}
}

func TestAHeadThatIsLateGoesOutAloneAndTheAnswerFollows(t *testing.T) {
	eachDialect(t, "long-2-first-60000", func(t *testing.T, h *house, d dialect) {
		c, from := h.dial(), time.Now()
		defer c.Close()
		d.ask(t, c)
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took != statusGate || resp.StatusCode != 200 {
			t.Errorf("status %d after %v", resp.StatusCode, took)
		}
		if origin := resp.Header.Get("Access-Control-Allow-Origin"); strings.Contains(d.head, "Origin") && origin != "https://page.example" {
			t.Errorf("a page may not read it: %q", origin)
		}
		if expose := resp.Header.Get("Access-Control-Expose-Headers"); strings.Contains(d.head, "Origin") && !strings.Contains(expose, "X-Request-Id") {
			t.Errorf("a page may not read its headers: %q", expose)
		}
		for _, unknown := range []string{"X-Dragoman-Attempts", "X-Dragoman-Channel", "Server-Timing"} {
			if resp.Header.Get(unknown) != "" {
				t.Errorf("the head says %s before it is known", unknown)
			}
		}
		all, err := lines(resp, from)
		if err != nil {
			t.Error(err)
		}
		mustCome(t, all, d.begun, 25*time.Second)
		mustCome(t, all, d.text, 60*time.Second)
		mustCome(t, all, d.end, 60*time.Second)
		var alive []time.Duration
		starts := 0
		for _, l := range all {
			if l.line == ": keep-alive" && l.at > 25*time.Second {
				alive = append(alive, l.at)
			}
			if strings.Contains(l.line, `"start"`) {
				starts++
			}
		}
		if fmt.Sprint(alive) != "[40s 55s]" || starts > 1 {
			t.Errorf("signs of life at %v, %d starts", alive, starts)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("the connection goes on: %v", err)
		}
		h.mustBeIdle()
	})
}

func TestAFailureAfterALateHeadIsInBand(t *testing.T) {
	eachDialect(t, "hang", func(t *testing.T, h *house, d dialect) {
		c, from := h.dial(), time.Now()
		defer c.Close()
		d.ask(t, c)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		all, err := lines(resp, from)
		if err != nil {
			t.Error(err)
		}
		mustCome(t, all, d.failed, 120*time.Second)
		mustNotCome(t, all, d.end)
		h.mustBeIdle()
	})
}

func TestAClientMayLeaveAroundALateHead(t *testing.T) {
	t.Parallel()
	for _, stay := range []time.Duration{10 * time.Millisecond, 20 * time.Second, 30 * time.Second, 50 * time.Second} {
		t.Run(stay.String(), func(t *testing.T) {
			eachDialect(t, "hang", func(t *testing.T, h *house, d dialect) {
				c := h.dial()
				d.ask(t, c)
				go func() { _, _ = io.Copy(io.Discard, c) }()
				time.Sleep(stay)
				_ = c.Close()
				h.mustBeIdle()
			})
		})
	}
}

func TestASilentStreamIsKeptAlive(t *testing.T) {
	eachDialect(t, "long-2-slow-50000", func(t *testing.T, h *house, d dialect) {
		c, from := h.dial(), time.Now()
		defer c.Close()
		d.ask(t, c)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		all, err := lines(resp, from)
		if err != nil {
			t.Error(err)
		}
		first, _ := when(all, d.text)
		second, ok := when(all, "w1 ")
		if !ok || second-first != 50*time.Second {
			t.Fatalf("pieces at %v and %v in %d %v", first, second, resp.StatusCode, all)
		}
		last := first
		for _, l := range all {
			if l.at-last > keepAlive+time.Second {
				t.Errorf("silence from %v to %v", last, l.at)
			}
			last = l.at
		}
		mustCome(t, all, d.end, second)
	})
}

func TestShutdownLetsARunningStreamFinish(t *testing.T) {
	eachDialect(t, "long-2-slow-10000", func(t *testing.T, h *house, d dialect) {
		c, idle, from := h.dial(), h.dial(), time.Now()
		defer c.Close()
		defer idle.Close()
		d.ask(t, c)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan time.Duration, 1)
		h.downs.Go(func() { h.shutdown(30 * time.Second); done <- time.Since(from) })
		synctest.Wait()
		d.ask(t, idle)
		refused, err := http.ReadResponse(bufio.NewReader(idle), nil)
		if err != nil {
			t.Fatal(err)
		}
		if code := refused.StatusCode; code != 503 && code != 529 || refused.Header.Get("Retry-After") == "" {
			t.Errorf("a new question got %d %v", code, refused.Header)
		}
		_, _ = io.Copy(io.Discard, refused.Body)
		all, err := lines(resp, from)
		if err != nil {
			t.Error(err)
		}
		if _, ok := when(all, d.end); !ok {
			t.Errorf("it did not finish: %v", all)
		}
		if took := <-done; took > 22*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	})
}

func TestTheDeadlineOfShutdownEndsTheRestInBand(t *testing.T) {
	eachDialect(t, "long-9-slow-10000", func(t *testing.T, h *house, d dialect) {
		c, from := h.dial(), time.Now()
		defer c.Close()
		d.ask(t, c)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		h.downs.Go(func() { h.shutdown(25 * time.Second) })
		all, err := lines(resp, from)
		if err != nil {
			t.Error(err)
		}
		if at, ok := when(all, d.failed); !ok || at > 36*time.Second {
			t.Errorf("no error in band: %v", all)
		}
		mustNotCome(t, all, d.end)
	})
}

// socket is a WebSocket client whose messages come in on a channel.
type socket struct {
	*websocket.Conn
	in   chan string
	code chan int // of the close frame
}

func (h *house) socket(path string, set ...func(*websocket.Conn)) *socket {
	h.t.Helper()
	return h.socketAs("", path, set...)
}

// socketAs is socket with a key in the header.
func (h *house) socketAs(key, path string, set ...func(*websocket.Conn)) *socket {
	h.t.Helper()
	header := http.Header{}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return h.dial(), nil }}
	ws, _, err := d.Dial("ws://x"+path, header)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range set {
		f(ws)
	}
	s := &socket{Conn: ws, in: make(chan string, 100), code: make(chan int, 1)}
	h.wg.Go(func() {
		defer close(s.in)
		for {
			_, msg, err := ws.ReadMessage()
			if err != nil {
				var closed *websocket.CloseError
				if errors.As(err, &closed) {
					s.code <- closed.Code
				} else {
					s.code <- 0
				}
				_ = ws.Close()
				return
			}
			s.in <- string(msg)
		}
	})
	return s
}

func (s *socket) say(t *testing.T, msg string) {
	t.Helper()
	if err := s.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		t.Error(err)
	}
}

func (s *socket) rest() (all []string) {
	for m := range s.in {
		all = append(all, m)
	}
	return all
}

const (
	chatHello = `{"token":"sk-alice","id":-1}`
	chatAsk   = `{"type":"chat","model":"echo","message":"hi"}`
)

func agentAsk(id, sender string) string {
	return fmt.Sprintf(`{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":"echo","content_type":1,"content":"hi"}`, id, sender)
}

func TestSocketsAreToldToGoAfterTheirTurns(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		chat, agent, idle := h.socket("/chat"), h.socket("/ws/v1/chat?app_token=sk-alice"), h.socket("/chat")
		chat.say(t, chatHello)
		chat.say(t, chatAsk)
		agent.say(t, agentAsk("m1", "u1"))
		synctest.Wait()
		from := time.Now()
		h.downs.Go(func() { h.shutdown(30 * time.Second) })
		if code := <-idle.code; code != websocket.CloseGoingAway || time.Since(from) != 0 {
			t.Errorf("an idle socket got %d after %v", code, time.Since(from))
		}
		frames := chat.rest()
		if len(frames) == 0 || !strings.Contains(frames[len(frames)-1], `"end":true`) || !strings.Contains(strings.Join(frames, ""), "w1 ") {
			t.Errorf("chatnio got %v", frames)
		}
		if code := <-chat.code; code != websocket.CloseGoingAway {
			t.Errorf("chatnio got %d", code)
		}
		frames = agent.rest()
		if len(frames) != 1 || !strings.Contains(frames[0], "w1 ") || !strings.Contains(frames[0], `"ref_msg_id":"m1"`) {
			t.Errorf("iagent got %v", frames)
		}
		if code := <-agent.code; code != websocket.CloseServiceRestart {
			t.Errorf("iagent got %d", code)
		}
	})
}

func TestTheDeadlineEndsTheTurnsOfSocketsInBand(t *testing.T) {
	inHouse(t, "long-9-slow-10000", func(t *testing.T, h *house) {
		chat, agent := h.socket("/chat"), h.socket("/ws/v1/chat?app_token=sk-alice")
		chat.say(t, chatHello)
		chat.say(t, chatAsk)
		chat.say(t, chatAsk) // waits behind the first
		agent.say(t, agentAsk("m1", "u1"))
		agent.say(t, agentAsk("m2", "u1"))
		synctest.Wait()
		h.downs.Go(func() { h.shutdown(15 * time.Second) })
		ends := 0
		for _, f := range chat.rest() {
			ends += strings.Count(f, `"end":true`)
		}
		if code := <-chat.code; ends != 2 || code != websocket.CloseGoingAway {
			t.Errorf("chatnio: %d ends, code %d", ends, code)
		}
		frames := agent.rest()
		for _, f := range frames {
			if !strings.Contains(f, "CHANNEL_UNAVAILABLE") || !strings.Contains(f, `"resp_code":50`) {
				t.Errorf("iagent got %s", f)
			}
		}
		if code := <-agent.code; len(frames) != 2 || code != websocket.CloseServiceRestart {
			t.Errorf("iagent: %d frames, code %d", len(frames), code)
		}
	})
}

func TestASocketThatSaysNothingIsPingedAndThenGivenUp(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		from, pings := time.Now(), make(chan time.Duration, 10)
		s := h.socket("/chat", func(ws *websocket.Conn) {
			ws.SetPingHandler(func(string) error { pings <- time.Since(from); return nil }) // and no pong
		})
		<-s.code
		if took := time.Since(from); took != readDeadline {
			t.Errorf("it was given up after %v", took)
		}
		close(pings)
		var got []time.Duration
		for p := range pings {
			got = append(got, p)
		}
		if fmt.Sprint(got) != "[30s 1m0s]" {
			t.Errorf("pings at %v", got)
		}
	})
}

func TestASocketThatAnswersPingsStays(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		s := h.socket("/ws/v1/chat?app_token=sk-alice")
		time.Sleep(time.Hour)
		s.say(t, agentAsk("m1", "u1"))
		if got := <-s.in; !strings.Contains(got, "you said") {
			t.Errorf("got %s", got)
		}
		_ = s.Close()
	})
}

func TestARepeatedMessageGoesOnForTheNewConnection(t *testing.T) {
	inHouse(t, "long-2-first-10000", func(t *testing.T, h *house) {
		one, two := h.socket("/ws/v1/chat?app_token=sk-alice"), h.socket("/ws/v1/chat?app_token=sk-alice")
		one.say(t, agentAsk("m1", "u1"))
		synctest.Wait()
		two.say(t, agentAsk("m1", "u1"))
		synctest.Wait()
		_ = one.NetConn().Close()
		synctest.Wait()
		first := <-two.in
		var reply struct {
			Code int    `json:"resp_code"`
			Ref  string `json:"ref_msg_id"`
		}
		if err := json.Unmarshal([]byte(first), &reply); err != nil || reply.Code != 0 || reply.Ref != "m1" {
			t.Errorf("got %s", first)
		}
		two.say(t, agentAsk("m1", "u1"))
		if again := <-two.in; again != first {
			t.Errorf("repeated: %s, first: %s", again, first)
		}
		two.say(t, strings.Replace(agentAsk("m1", "u1"), `"hi"`, `"other"`, 1))
		if other := <-two.in; !strings.Contains(other, `"resp_code":40`) {
			t.Errorf("another body: %s", other)
		}
		_ = two.Close()
	})
}

func TestALeftQuestionOfASocketEndsAtOnce(t *testing.T) {
	t.Parallel()
	for path, msgs := range map[string][]string{"/chat": {chatHello, chatAsk, chatAsk}, "/ws/v1/chat?app_token=sk-alice": {agentAsk("m1", "u"), agentAsk("m2", "u")}} {
		t.Run(strings.Trim(path[:5], "/"), func(t *testing.T) {
			inHouse(t, "hang", func(t *testing.T, h *house) {
				s := h.socket(path)
				for _, m := range msgs {
					s.say(t, m)
				}
				synctest.Wait()
				_ = s.NetConn().Close()
				h.mustBeIdle()
			})
		})
	}
}

func TestAServerThatWasStoppedDoesNotServe(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		s := New(h.s.conf, h.g, slog.New(slog.DiscardHandler))
		s.Shutdown(t.Context())
		if err := s.Serve(&pipes{ch: make(chan net.Conn), closed: make(chan struct{})}); err != nil {
			t.Error(err)
		}
	})
}
