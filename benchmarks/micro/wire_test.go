package micro

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// route is one way through the gateway over sockets: the front that is asked and
// the kind of channel that answers.
type route struct{ front, channel string }

func (r route) String() string { return r.channel + "-to-" + r.front }

var routes = []route{
	{"openai", "openai"}, {"anthropic", "anthropic"}, {"responses", "responses"}, {"gemini", "gemini"}, {"ollama", "ollama"}, // passed through
	{"anthropic", "openai"}, {"openai", "anthropic"}, {"openai", "rest"}, {"rest", "openai"}, // translated
	{"responses", "openai"}, {"openai", "responses"}, {"gemini", "openai"}, {"openai", "gemini"}, {"ollama", "openai"}, {"openai", "ollama"},
}

// listen serves on a free port until the test ends.
func listen(tb testing.TB, serve func(net.Listener) error, stop func()) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(ln) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return ln.Addr().String()
}

// serveModel serves the scripted model in every dialect.
func serveModel(tb testing.TB) string {
	s := mockmodel.New(mockmodel.Options{NoRecord: true})
	return listen(tb, s.Serve, s.Close)
}

// serveGateway serves all fronts before a channel of the kind.
func serveGateway(tb testing.TB, kind, model string) string {
	base := "http://" + model
	switch kind {
	case "rest", "ollama":
	case "gemini":
		base += "/v1beta"
	default:
		base += "/v1"
	}
	g, conf, log := openGateway(tb, fmt.Sprintf("- {id: a, kind: %s, url: %q, keys: [k], models: [default, %s]}\n", kind, base, models))
	return serveFronts(tb, front.New(conf, g, log))
}

func serveFronts(tb testing.TB, s *front.Server) string {
	tb.Helper()
	return listen(tb, s.Serve, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
}

// models are what the wire is asked for; forget keeps a model that remembers
// conversations from growing.
const models = "long-1-forget, long-100-forget, long-1100-forget, long-100-per-10-forget, long-1100-per-10-forget"

// user is who asks on the rest dialect; its digits are counted up, see client.ask.
const user = "ann-00000000"

// question is the HTTP request of a dialect. The rest dialect has no model: its
// question names a preset or, as here, a model of that name.
func question(dialect, model string, stream bool) []byte {
	var path, body string
	switch dialect {
	case "openai":
		path, body = "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"hello there"}]}`, model, stream)
	case "anthropic":
		path, body = "/v1/messages", fmt.Sprintf(`{"model":%q,"max_tokens":4096,"stream":%v,"messages":[{"role":"user","content":"hello there"}]}`, model, stream)
	case "responses":
		path, body = "/v1/responses", fmt.Sprintf(`{"model":%q,"stream":%v,"store":false,"input":"hello there"}`, model, stream)
	case "gemini":
		path, body = "/v1beta/models/"+model+":generateContent", `{"contents":[{"role":"user","parts":[{"text":"hello there"}]}]}`
		if stream {
			path = "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
		}
	case "ollama":
		path, body = "/ollama/api/chat", fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"hello there"}]}`, model, stream)
	case "rest":
		path, body = "/api/chat", fmt.Sprintf(`{"message":"hello there","userId":"%s","presetId":%q}`, user, model)
		if stream {
			path += "/stream"
		}
	}
	return []byte("POST " + path + " HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nanthropic-version: 2023-06-01\r\n" +
		"Authorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// client asks on one connection and allocates nothing while it does.
type client struct {
	conn net.Conn
	buf  []byte
}

func dial(tb testing.TB, addr string) *client {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &client{conn: conn, buf: make([]byte, 1<<20)}
}

var (
	lastChunk = []byte("\r\n0\r\n\r\n")
	headEnd   = []byte("\r\n\r\n")
	lengthKey = []byte("Content-Length: ")
	userStem  = []byte("ann-")
)

// ask returns the whole response, which lives until the next call. Where the
// question names a user it is a new one each time: a conversation that grows would
// cost more with every question.
func (c *client) ask(tb testing.TB, question []byte) []byte {
	if i := bytes.Index(question, userStem); i >= 0 {
		i += len(user) - 1
		for ; question[i] == '9'; i-- {
			question[i] = '0'
		}
		question[i]++
	}
	if _, err := c.conn.Write(question); err != nil {
		tb.Fatal(err)
	}
	n, need := 0, -1
	for {
		m, err := c.conn.Read(c.buf[n:])
		if err != nil {
			tb.Fatalf("%v after %q", err, c.buf[:n])
		}
		n += m
		if need < 0 {
			need = wanted(c.buf[:n])
		}
		if need > 0 && n >= need || need == 0 && bytes.HasSuffix(c.buf[:n], lastChunk) {
			return c.buf[:n]
		}
	}
}

// wanted is how long the response is: 0 when it ends with its last chunk, -1 when
// its head is not complete.
func wanted(got []byte) int {
	end := bytes.Index(got, headEnd)
	if end < 0 {
		return -1
	}
	at := bytes.Index(got[:end], lengthKey)
	if at < 0 {
		return 0
	}
	n := 0
	for _, d := range got[at+len(lengthKey) : end] {
		if d < '0' || d > '9' {
			break
		}
		n = 10*n + int(d-'0')
	}
	return end + len(headEnd) + n
}

// check asks once and makes sure that the answer is the whole one.
func (c *client) check(tb testing.TB, question []byte, events int) {
	tb.Helper()
	got := c.ask(tb, question)
	last := []byte("w" + strconv.Itoa(events-1) + " ")
	if !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) || !bytes.Contains(got, last) {
		tb.Fatalf("%s without %q", got[:min(len(got), 2000)], last)
	}
}

// BenchmarkWire is one exchange over loopback sockets: client, gateway and model
// in one process. direct asks the model itself.
func BenchmarkWire(b *testing.B) {
	model := serveModel(b)
	for _, r := range append([]route{{"openai", "direct"}}, routes...) {
		addr := model
		if r.channel != "direct" {
			addr = serveGateway(b, r.channel, model)
		}
		for _, c := range []struct {
			name, model string
			events      int
			stream      bool
		}{
			{"whole", "long-1-forget", 1, false},
			{"stream-100", "long-100-forget", 100, true},
			{"stream-1100", "long-1100-forget", 1100, true},
			{"stream-1100-per-10", "long-1100-per-10-forget", 1100, true},
		} {
			b.Run(r.String()+"/"+c.name, func(b *testing.B) {
				client, q := dial(b, addr), question(r.front, c.model, c.stream)
				client.check(b, q, c.events)
				b.ReportAllocs()
				for b.Loop() {
					client.ask(b, q)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.events), "ns/event")
			})
		}
	}
}
