package front

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
)

// read returns the next message, whose bytes who is charged with until the next call.
// ok is false when there will be none: the client has gone, broke the rules of
// WebSockets, or the server goes away. text is false for a binary message.
func (s *session) read(who string) (msg []byte, text, ok bool) {
	s.held.Release()
	s.buf = nil
	msg, text, ok = s.readShared(who)
	s.buf = nil
	return msg, text, ok
}

// keptMessage is how much room for messages stays with a session.
const keptMessage = 64 << 10

// readShared is read into memory that the next call uses again, and that is charged
// for as long as it is kept.
func (s *session) readShared(who string) (msg []byte, text, ok bool) {
	if cap(s.buf) > keptMessage {
		s.buf = nil
		s.held.Release()
	}
	buf := s.buf[:0]
	kind, r, err := s.ws.NextReader()
	for err == nil {
		if len(buf) == cap(buf) {
			room := max(2*cap(buf), 256)
			if !s.affords(who, room) {
				s.close(websocket.CloseTryAgainLater, intake.TextCrowded)
				s.unreadable(errClientGone)
				return nil, false, false
			}
			buf = append(make([]byte, 0, room), buf...)
		}
		var n int
		n, err = r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
	}
	if err == io.EOF {
		err = nil // of the message
	}
	s.buf = buf
	ok = s.took(kind, buf, err)
	return bytes.TrimPrefix(buf, byteMark), kind == websocket.TextMessage, ok
}

// affords charges who with room for a message, which is not counted where it is little.
func (s *session) affords(who string, room int) bool {
	if room <= intake.Free {
		return true
	}
	if s.held.Held() == 0 {
		s.held = s.s.bodies.Charge(intake.Account{Who: who})
	}
	return s.held.Grow(s.ctx, room-s.held.Held()) == nil
}

// took judges a message that was read, or err. It reports whether there is one.
func (s *session) took(kind int, msg []byte, err error) (ok bool) {
	if err != nil {
		if errors.Is(err, websocket.ErrReadLimit) {
			s.close(websocket.CloseMessageTooBig, "the message is too large")
			if wire := conn.Of(s.socket()); wire != nil {
				wire.Linger() // the rest of it is on its way
			}
		}
		if s.unreadable(err) {
			s.watchDisconnect()
		}
		return false
	}
	if time.Since(s.extended) > extendEvery {
		s.extendRead()
	}
	if kind == websocket.TextMessage && !utf8.Valid(msg) {
		// The library leaves this check to us; RFC 6455 8.1 asks for it.
		s.close(websocket.CloseInvalidFramePayloadData, "invalid UTF-8")
		return false
	}
	return true
}

// write sends one text message. When it fails, the session is over.
func (s *session) write(msg []byte) error {
	if len(msg) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(msg)
}

// writeAll sends text messages, in one write to the socket where that is possible.
// When it fails, the session is over.
func (s *session) writeAll(msgs [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under == nil {
		s.under = under(s.ws.NetConn())
	}
	last := len(msgs) - 1
	if s.under != nil && last > 0 {
		s.under.Cork()
	}
	for i, msg := range msgs {
		if i == last && s.under != nil {
			s.under.Uncork()
		}
		if err := s.writeLocked(msg); err != nil {
			s.letGo()
			return err
		}
	}
	return nil
}

// letGo writes what was held back when a message failed: a farewell came in between,
// behind which there are no messages.
func (s *session) letGo() {
	if s.under != nil {
		s.under.Uncork()
		_ = s.under.Flush(time.Now().Add(time.Second))
	}
}

// under is the accepted connection below a WebSocket's; nil where it is another one.
func under(c net.Conn) *conn.Conn {
	if hijacked, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		c = hijacked.UnsafeConn()
	}
	return conn.Of(c)
}

func (s *session) writeLocked(msg []byte) error {
	if s.wrote != nil {
		return s.wrote
	}
	if now := time.Now(); now.After(s.deadline.Add(-writeTimeout)) {
		s.deadline = now.Add(writeTimeout * 3 / 2)
		_ = s.ws.SetWriteDeadline(s.deadline)
	}
	if err := s.ws.WriteMessage(websocket.TextMessage, msg); err != nil {
		s.wrote = err
		s.giveUp()
		return err
	}
	return nil
}
