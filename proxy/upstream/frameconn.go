package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
)

// maxMessage bounds one message of a socket (docs/rules/iagent.md 4.2).
const maxMessage = 1 << 20

var (
	errLongFrame = errors.New("websocket frame longer than 1 MiB")
	errText      = errors.New("websocket message is not UTF-8")
)

// Opcodes of a frame, RFC 6455, section 5.2.
const (
	opContinue   = 0x0
	opText       = 0x1
	opBinary     = 0x2
	opClose      = 0x8
	opPing       = 0x9
	opPong       = 0xa
	opControl    = 0x8 // this bit marks control frames
	finalBit     = 0x80
	reservedBits = 0x70
	maskBit      = 0x80 // of the second byte

	maxControl = 125 // bytes of a control frame's payload

	maxFrameHead = 10
	maxFragments = 4 * maxMessage // bytes of the frames of one message, with their heads
)

// frameConn is the connection below a WebSocket. It hands the library one frame at
// a time and only when all of it has come, so that it knows what the library
// hides: whether a further message is already here. Its owner may also wait for
// one with a time limit, which the library does not survive, and hold several
// messages back to send them in one write. Reading is for one goroutine; writing
// for any.
type frameConn struct {
	net.Conn
	socket net.Conn
	look   *peeker

	buf  []byte // [at:len] has been read but not handed out
	at   int
	pass int // bytes the library may still have: of the response head, or of a frame
	mode frameConnMode
	seen unended // what ready has seen behind what was handed out

	heard time.Time // when wait last received something

	mu   sync.Mutex // of what follows
	held bool
	out  []byte
}

// unended is the beginning of a message of which more has to come.
type unended struct {
	frames int // their bytes
	size   int // those of their payloads, about
	within bool
}

type frameConnMode uint8

const (
	modeHead   frameConnMode = iota // in the response to the handshake
	modeRaw                         // behind a refusal
	modeFrames                      // the upgrade has happened
)

// Read implements net.Conn for the library.
func (f *frameConn) Read(p []byte) (int, error) {
	for f.pass == 0 {
		n, err := f.next()
		if err != nil {
			return 0, err
		}
		if f.pass = n; n > 0 {
			f.seen = unended{}
			break
		}
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.buf[f.at:f.at+min(f.pass, len(p))])
	f.at += n
	f.pass -= n
	return n, nil
}

// next returns the length of what may be handed out together, 0 when more has to
// come first.
func (f *frameConn) next() (int, error) {
	rest := f.buf[f.at:]
	switch f.mode {
	case modeFrames:
		return frameLength(rest)
	case modeRaw:
		return len(rest), nil
	}
	n := headEnd(rest, 0)
	if n == 0 && (len(rest) > maxHead || !beginsHTTP(rest)) {
		return 0, notHTTP(rest, errHead)
	}
	if n > 0 {
		f.mode = modeRaw
		if h, err := parseHead(rest[:n]); err == nil && h.status == http.StatusSwitchingProtocols {
			f.mode = modeFrames
		}
	}
	return n, nil
}

// frameLength returns the length of the frame that p begins with, 0 while it is
// incomplete.
func frameLength(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, nil
	}
	head, size := 2, uint64(p[1]&0x7f)
	switch size {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if len(p) < head {
		return 0, nil
	}
	switch head {
	case 4:
		size = uint64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		size = binary.BigEndian.Uint64(p[2:])
	}
	if size > maxMessage {
		return 0, errLongFrame
	}
	if p[1]&0x80 != 0 { // a mask, which the library will complain of
		head += 4
	}
	if len(p) < head+int(size) {
		return 0, nil
	}
	return head + int(size), nil
}

// concludes reports whether the library must see the whole frame that p begins with
// at once: it ends a message or the connection, or breaks the rules. within: an
// unfinished message came before it.
func concludes(p []byte, within bool) bool {
	if p[0]&reservedBits != 0 || p[1]&maskBit != 0 {
		return true
	}
	final := p[0]&finalBit != 0
	switch p[0] & 0xf {
	case opContinue:
		return final
	case opText, opBinary:
		return final || within
	case opPing, opPong:
		return !final || p[1] > maxControl
	}
	return true // a good-bye, or an opcode that means nothing
}

// fill reads once.
func (f *frameConn) fill() error {
	if f.at > 0 && (f.at == len(f.buf) || cap(f.buf)-len(f.buf) < minRead) {
		f.buf = f.buf[:copy(f.buf, f.buf[f.at:])]
		f.at = 0
	}
	if cap(f.buf)-len(f.buf) < minRead {
		f.buf = append(make([]byte, 0, max(2*cap(f.buf), len(f.buf)+minRead)), f.buf...)
	}
	n, err := f.Conn.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// ready reports whether the library can read a whole message, or finds that
// there will be none, without waiting.
func (f *frameConn) ready() bool {
	for {
		if f.seen.size > maxMessage {
			return true // which the library refuses
		}
		at := f.at + f.pass + f.seen.frames
		n, err := frameLength(f.buf[at:])
		if err != nil {
			return true
		}
		if n == 0 {
			return false
		}
		if concludes(f.buf[at:], f.seen.within) {
			return true
		}
		if f.buf[at]&opControl == 0 {
			f.seen.within = true
			f.seen.size += max(0, n-maxFrameHead)
		}
		f.seen.frames += n
	}
}

// text takes a whole text message of one frame from the front of the buffer, where
// there is one, without the library. It lives until the next read. That it is UTF-8 is
// for the caller to check. It must not be called while the library is within a message.
func (f *frameConn) text() (payload []byte, ok bool) {
	rest := f.buf[f.at:]
	n, err := frameLength(rest)
	if f.pass > 0 || f.mode != modeFrames || n == 0 || err != nil || rest[0] != finalBit|opText || rest[1]&maskBit != 0 {
		return nil, false
	}
	head := 2
	switch rest[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	f.at += n
	f.seen = unended{}
	return rest[head:n], true
}

// grow makes room for reads of n bytes.
func (f *frameConn) grow(n int) {
	f.buf = append(make([]byte, 0, n), f.buf[f.at:]...)
	f.at = 0
}

// wait waits until ready, at most for d. It returns os.ErrDeadlineExceeded after
// that, and has no effect on the library then. Pings that come meanwhile are
// given to pong; the library would wait for the message behind them.
func (f *frameConn) wait(d time.Duration, pong func(payload []byte)) error {
	f.control(pong)
	if f.ready() {
		return nil
	}
	_ = f.SetReadDeadline(time.Now().Add(d))
	defer func() { _ = f.SetReadDeadline(time.Time{}) }()
	for !f.ready() {
		if len(f.buf)-f.at > maxFragments {
			return errLongFrame
		}
		if err := f.fill(); err != nil {
			return err
		}
		f.heard = time.Now()
		f.control(pong)
	}
	return nil
}

// control takes pings and pongs from the front of the buffer.
func (f *frameConn) control(pong func(payload []byte)) {
	for f.pass == 0 && f.mode == modeFrames {
		rest := f.buf[f.at:]
		n, err := frameLength(rest)
		if n == 0 || err != nil || rest[0] != finalBit|opPing && rest[0] != finalBit|opPong || rest[1] > maxControl {
			return
		}
		if rest[0] == finalBit|opPing {
			pong(rest[2:n])
		}
		f.at += n
		f.seen = unended{}
	}
}

// alive reports whether an idle connection can be used: it has not been closed,
// and no close frame has come.
func (f *frameConn) alive() bool {
	switch f.look.peek() {
	case peekGone:
		return false
	case peekData:
		if err := f.wait(time.Millisecond, func([]byte) {}); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
	for at := f.at + f.pass; ; {
		n, err := frameLength(f.buf[at:])
		if n == 0 || err != nil {
			return err == nil
		}
		if f.buf[at]&0xf == opClose {
			return false
		}
		at += n
	}
}

// Write implements net.Conn for the library.
func (f *frameConn) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held {
		f.out = append(f.out, p...)
		return len(p), nil
	}
	return f.Conn.Write(p)
}

// hold keeps everything back that is written until flush.
func (f *frameConn) hold() {
	f.mu.Lock()
	f.held = true
	f.mu.Unlock()
}

// flush sends what hold kept back, in one write.
func (f *frameConn) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = false
	_, err := f.Conn.Write(f.out)
	if f.out = f.out[:0]; cap(f.out) > keepBuffer {
		f.out = nil
	}
	return err
}

// websocketAt dials at and upgrades. A refusal is websocket.ErrBadHandshake with
// the response, of whose body at most 1 KiB can be read. Closing the returned
// connection's socket ends whatever runs on it.
func websocketAt(ctx context.Context, at *address) (*websocket.Conn, *frameConn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, at.connect)
	defer cancel()
	var under *frameConn
	var stop func() bool
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, socket, err := at.dial(ctx)
		if err != nil {
			return nil, err
		}
		under = &frameConn{Conn: conn, socket: socket, look: newPeeker(socket)}
		// The library ends a handshake at a deadline only, not at a cancel.
		stop = context.AfterFunc(ctx, func() { _ = socket.Close() })
		return under, nil
	}
	d := websocket.Dialer{NetDialContext: dial, NetDialTLSContext: dial, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10}
	u := *at.url
	u.Scheme = "ws" + u.Scheme[len("http"):]
	ws, resp, err := d.DialContext(ctx, u.String(), at.handshake)
	if stop != nil && !stop() && err == nil {
		_ = ws.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, resp, err
	}
	ws.SetReadLimit(maxMessage)
	return ws, under, resp, nil
}

// message reads the next message into buf, which may grow.
func message(ws *websocket.Conn, buf []byte) ([]byte, error) {
	buf = buf[:0]
	_, r, err := ws.NextReader()
	for err == nil {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, max(2*cap(buf), 512)), buf...)
		}
		var n int
		n, err = r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
	}
	if err != io.EOF {
		return buf, err
	}
	if !utf8.Valid(buf) {
		return buf, errText
	}
	return buf, nil
}
