package mockmodel

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// socket is a WebSocket that one session serves. Any goroutine may write: every
// write is one call on the connection, of whole frames.
type socket struct {
	s    *Server
	c    *conn
	ws   *websocket.Conn
	gone chan struct{} // closed when the peer has left
	work sync.WaitGroup
}

// maxFrame bounds what a client may send in one message.
const maxFrame = 16 << 20

// upgrade runs session on a WebSocket, after the handler has returned. read is
// called for every text message, on one goroutine, until it returns false;
// after closes the session.
func (s *Server) upgrade(ctx *fasthttp.RequestCtx, begin func(*socket) (read func([]byte) bool, after func())) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		panic("BUG: the connection is not ours")
	}
	up := websocket.FastHTTPUpgrader{ReadBufferSize: 4096, WriteBufferSize: 256, CheckOrigin: func(*fasthttp.RequestCtx) bool { return true }}
	err := up.Upgrade(ctx, func(ws *websocket.Conn) {
		defer s.survive()
		x := &socket{s: s, c: c, ws: ws, gone: make(chan struct{})}
		read, after := begin(x)
		x.serve(read)
		close(x.gone)
		after()
		x.work.Wait()
	})
	if err != nil {
		s.opts.Log("mockmodel: %v", err)
	}
}

func (x *socket) serve(read func([]byte) bool) {
	defer x.s.survive()
	// The real chatnio server drops the connection instead of answering a close
	// frame (docs/rules/chatnio.md 5.5); for the others it makes no difference.
	x.ws.SetCloseHandler(func(int, string) error { return nil })
	x.ws.SetReadLimit(maxFrame)
	for {
		_, msg, err := x.ws.ReadMessage()
		if err != nil || !read(msg) {
			x.c.cut()
			return
		}
	}
}

// wait waits for d, for ever when it is negative. It returns false when the peer
// left first, or stop fired.
func (x *socket) wait(d time.Duration, stop <-chan struct{}) bool {
	var due <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
		return true
	case <-x.gone:
	case <-stop:
	}
	return false
}

// left reports whether the peer has gone.
func (x *socket) left() bool {
	select {
	case <-x.gone:
		return true
	default:
		return false
	}
}

func (x *socket) write(frames []byte) bool {
	if len(frames) == 0 {
		return true
	}
	_, err := x.c.Conn.Write(frames)
	return err == nil
}

// appendFrame appends a text frame (RFC 6455, 5.2).
func appendFrame(dst, payload []byte) []byte {
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x81, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x81, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x81, 127), uint64(n))
	}
	return append(dst, payload...)
}

// The ends of a connection that are not a plain close.
var (
	halfFrame  = []byte("\x81\x7e\x01\x00{\"half")       // says 256 bytes, has 6
	closeFrame = []byte{0x88, 2, 1000 >> 8, 1000 & 0xff} // a normal closure
)

// cut ends the connection within a frame.
func (x *socket) cut() {
	x.write(halfFrame)
	x.c.cut()
}

// bye ends the connection with a close frame.
func (x *socket) bye() {
	x.write(closeFrame)
	x.c.cut()
}
