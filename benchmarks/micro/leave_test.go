package micro

import (
	"bytes"
	"fmt"
	"net"
	"slices"
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

// leavers are the ways to leave: each begins a question at addr, waits for the first
// text if there is any, and returns how to go.
var leavers = []struct {
	name  string
	begin func(b *testing.B, addr string, text bool) (leave func())
}{
	{"openai-FIN", func(b *testing.B, addr string, text bool) func() {
		conn := leaver(b, addr, text)
		return func() { _ = conn.CloseWrite() }
	}},
	{"openai-RST", func(b *testing.B, addr string, text bool) func() {
		conn := leaver(b, addr, text)
		return func() { _, _ = conn.SetLinger(0), conn.Close() }
	}},
	{"chatnio-close", func(b *testing.B, addr string, text bool) func() {
		ws := talker(b, addr, text)
		return func() {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		}
	}},
	{"chatnio-stop", func(b *testing.B, addr string, text bool) func() {
		ws := talker(b, addr, text)
		return func() { _ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"stop"}`)) }
	}},
}

func leaver(b *testing.B, addr string, text bool) *net.TCPConn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(question("openai", "default", true)); err != nil {
		b.Fatal(err)
	}
	if !text {
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

func talker(b *testing.B, addr string, text bool) *websocket.Conn {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/chat", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ws.Close() })
	for _, frame := range []string{`{"token":"` + key + `","id":-1}`, `{"type":"chat","message":"hi","model":"default"}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			b.Fatal(err)
		}
	}
	for text {
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
const settling = 10 * time.Millisecond

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
				var took []time.Duration
				for b.Loop() {
					b.StopTimer()
					leave := l.begin(b, addr, stage.name == "between")
					<-s.asked
					time.Sleep(settling)
					b.StartTimer()
					gone := time.Now()
					leave()
					took = append(took, (<-s.left).Sub(gone))
				}
				slices.Sort(took)
				at := func(p int) float64 { return float64(took[(len(took)*p+99)/100-1].Microseconds()) }
				b.ReportMetric(at(50), "p50-µs")
				b.ReportMetric(at(99), "p99-µs")
				b.ReportMetric(at(100), "max-µs")
			})
		}
	}
}
