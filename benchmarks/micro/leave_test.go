package micro

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// stalls are the stages in which the back end below stops, with what it has sent by
// then.
var stalls = []struct{ name, sent string }{
	{"headers", ""},
	{"first", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"between", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + stallChunk},
}

const (
	stallText  = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"piece\"}}]}\n\n"
	stallChunk = "86\r\n" + stallText + "\r\n"
)

// staller is a back end that stops in one stage of each answer and tells when the
// connection behind it is closed.
type staller struct {
	sent  string
	asked chan struct{}
	left  chan time.Time
}

func (s *staller) serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return nil
		}
		go s.stall(conn)
	}
}

func (s *staller) stall(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 0, 16<<10)
	for !bytes.HasSuffix(buf, []byte("}")) || !bytes.Contains(buf, headEnd) {
		n, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
	}
	if _, err := conn.Write([]byte(s.sent)); err != nil {
		return
	}
	s.asked <- struct{}{}
	_, _ = conn.Read(buf[:1])
	s.left <- time.Now()
}

// asking is how a client that will leave asks.
type asking struct {
	text   bool   // it waits for the first text
	talk   string // whose conversation it is in (rest, iagent); "": nobody else's
	number int64  // of its conversation (chatnio); 0: a new one
}

// leavers are the ways to leave: each begins a question at addr and returns how to go.
var leavers = []struct {
	name  string
	begin func(b *testing.B, addr string, a asking) (leave func())
}{
	{"openai-FIN", func(b *testing.B, addr string, a asking) func() {
		conn := leaver(b, addr, "openai", a)
		return func() { _ = conn.CloseWrite() }
	}},
	{"openai-RST", func(b *testing.B, addr string, a asking) func() {
		conn := leaver(b, addr, "openai", a)
		return func() { _, _ = conn.SetLinger(0), conn.Close() }
	}},
	{"anthropic-FIN", func(b *testing.B, addr string, a asking) func() {
		conn := leaver(b, addr, "anthropic", a)
		return func() { _ = conn.CloseWrite() }
	}},
	{"rest-FIN", func(b *testing.B, addr string, a asking) func() {
		conn := leaver(b, addr, "rest", a)
		return func() { _ = conn.CloseWrite() }
	}},
	{"iagent-close", func(b *testing.B, addr string, a asking) func() {
		if a.text {
			b.Skip("there is no middle in an answer of one piece")
		}
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws/v1/chat?app_token="+key, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = ws.Close() })
		id := strconv.FormatInt(time.Now().UnixNano(), 36) // a repeated one would not be asked
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"chat_type":1,"msg_id":"`+id+`","timestamp":`+strconv.FormatInt(time.Now().UnixMilli(), 10)+
			`,"sender_type":1,"sender_id":"`+cmp.Or(a.talk, id)+`","receiver_id":"default","resp_code":0,"content_type":1,"content":"hi"}`)); err != nil {
			b.Fatal(err)
		}
		return func() {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		}
	}},
	{"chatnio-close", func(b *testing.B, addr string, a asking) func() {
		ws := talker(b, addr, a)
		return func() {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		}
	}},
	{"chatnio-stop", func(b *testing.B, addr string, a asking) func() {
		ws := talker(b, addr, a)
		return func() { _ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"stop"}`)) }
	}},
}

func leaver(b *testing.B, addr, dialect string, a asking) *net.TCPConn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	asks := question(dialect, "default", true)
	if dialect == "rest" { // each in a conversation of its own, unless it is to be in another's
		own := "ann-" + strconv.FormatInt(time.Now().UnixNano()%1e8+1e8, 10)[1:]
		asks = bytes.Replace(asks, []byte(user), []byte(cmp.Or(a.talk, own)), 1)
	}
	if _, err := conn.Write(asks); err != nil {
		b.Fatal(err)
	}
	if !a.text {
		return conn.(*net.TCPConn)
	}
	buf := make([]byte, 0, 8<<10)
	for !bytes.Contains(buf, []byte("piece")) {
		n, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			b.Fatalf("%v after %s", err, buf)
		}
		buf = buf[:len(buf)+n]
	}
	return conn.(*net.TCPConn)
}

func talker(b *testing.B, addr string, a asking) *websocket.Conn {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/chat", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ws.Close() })
	id := strconv.FormatInt(cmp.Or(a.number, -1), 10)
	for _, frame := range []string{`{"token":"` + key + `","id":` + id + `}`, `{"type":"chat","message":"hi","model":"default"}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			b.Fatal(err)
		}
	}
	for text := a.text; text; {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			b.Fatal(err)
		}
		text = !bytes.Contains(frame, []byte("piece"))
	}
	return ws
}

// settling is how long a question runs before its client leaves: longer than the
// moment in which nobody watches the client yet.
const settling = 20 * time.Millisecond

// BenchmarkLeave measures from a client's farewell to the moment at which the back end
// sees its connection closed, in each stage of an answer.
func BenchmarkLeave(b *testing.B) {
	for _, stage := range stalls {
		for _, l := range leavers {
			b.Run(fmt.Sprintf("%s/%s", stage.name, l.name), func(b *testing.B) {
				s := &staller{sent: stage.sent, asked: make(chan struct{}, 1), left: make(chan time.Time, 1)}
				var ln net.Listener
				model := listen(b, func(on net.Listener) error { ln = on; return s.serve(on) }, func() { _ = ln.Close() })
				addr := serveGateway(b, "openai", model)
				measure(b, func() func() {
					leave := l.begin(b, addr, asking{text: stage.name == "between"})
					<-s.asked
					return leave
				}, func() time.Time { return <-s.left })
			})
		}
	}
}

// measure has begin begin a question and leave it, and reports the times until gone
// tells that it is.
func measure(b *testing.B, begin func() (leave func()), gone func() time.Time) {
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		leave := begin()
		time.Sleep(settling)
		b.StartTimer()
		from := time.Now()
		leave()
		took = append(took, gone().Sub(from))
	}
	slices.Sort(took)
	at := func(p int) float64 { return float64(took[(len(took)*p+99)/100-1].Microseconds()) }
	b.ReportMetric(at(50), "p50-µs")
	b.ReportMetric(at(99), "p99-µs")
	b.ReportMetric(at(100), "max-µs")
}
