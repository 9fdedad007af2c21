package front

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
)

// countingListener counts the writes to what it accepts.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	net.Conn
	of *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, l}, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	return c.Conn.Write(p)
}

// onSession runs f on the server's end of a WebSocket and returns what the client
// received until the end, the farewell included.
func onSession(t *testing.T, f func(s *session, count *countingListener)) (got []string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	count := &countingListener{Listener: raw}
	var served sync.WaitGroup
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if err := upgrader.Upgrade(ctx, func(ws *websocket.Conn) {
			s := &session{ws: ws, cancel: func(error) {}}
			f(s, count)
		}); err != nil {
			t.Error(err)
		}
	}}
	served.Go(func() { _ = server.Serve(conn.Listen(count, conn.Options{})) })
	defer served.Wait()
	defer func() { _ = server.Shutdown() }()
	ws, resp, err := websocket.DefaultDialer.Dial("ws://"+raw.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	defer func() { _ = ws.Close() }()
	for {
		_, msg, err := ws.ReadMessage()
		if err != nil {
			if closed := (*websocket.CloseError)(nil); asClose(err, &closed) {
				got = append(got, closed.Text)
			}
			return got
		}
		got = append(got, string(msg))
	}
}

func asClose(err error, to **websocket.CloseError) (ok bool) {
	*to, ok = err.(*websocket.CloseError)
	return ok
}

func TestMessagesThatAreWrittenTogetherAreOneWriteInTheirOrder(t *testing.T) {
	t.Parallel()
	var msgs [][]byte
	var want []string
	for i := range 50 {
		text := fmt.Sprint(i, strings.Repeat("x", i*i*4)) // some are longer than the library's buffer
		msgs, want = append(msgs, []byte(text)), append(want, text)
	}
	got := onSession(t, func(s *session, count *countingListener) {
		before := count.writes.Load()
		if err := s.writeAll(msgs[:30]); err != nil {
			t.Error(err)
		}
		if n := count.writes.Load() - before; n != 1 {
			t.Errorf("30 messages took %d writes", n)
		}
		before = count.writes.Load()
		if err := s.writeAll(msgs[30:31]); err != nil || count.writes.Load()-before != 1 {
			t.Errorf("one message took %d writes, %v", count.writes.Load()-before, err)
		}
		if err := s.writeAll(msgs[31:]); err != nil {
			t.Error(err)
		}
		s.close(websocket.CloseNormalClosure, "bye")
	})
	if !slices.Equal(got, append(want, "bye")) {
		t.Errorf("the client got %.300q", got)
	}
}

func TestAFarewellAmongMessagesIsSentAndIsTheLast(t *testing.T) {
	t.Parallel()
	got := onSession(t, func(s *session, _ *countingListener) {
		if err := s.writeAll([][]byte{[]byte("a"), []byte("b")}); err != nil {
			t.Error(err)
		}
		s.under.Cork()
		if err := s.writeLocked([]byte("c")); err != nil {
			t.Error(err)
		}
		s.close(websocket.ClosePolicyViolation, "enough")
		if err := s.writeAll([][]byte{[]byte("d"), []byte("e")}); err == nil {
			t.Error("messages can be written behind the farewell")
		}
	})
	if !slices.Equal(got, []string{"a", "b", "c", "enough"}) {
		t.Errorf("the client got %q", got)
	}
}
