package conn

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// stashSize is the room for what was read behind the end of a head. No server of ours
// reads more at once.
const stashSize = 16 << 10

var stashes = sync.Pool{New: func() any { return new([stashSize]byte) }}

// heads follows the bytes that are read of a connection, as far as to know where the
// head of an HTTP request may end.
type heads struct {
	off  bool
	seen uint8 // of headEnd, at the end of what was read
	at   bool  // what was read ends with headEnd
}

const headEnd = "\r\n\r\n"

// cut returns how much of p, which is next to be read, comes up to the end of a head.
// That much has been read then.
func (h *heads) cut(p []byte) int {
	if h.off || len(p) == 0 {
		return len(p)
	}
	h.at = false
	for i := 0; i < len(p); {
		if h.seen == 0 {
			cr := bytes.IndexByte(p[i:], '\r')
			if cr < 0 {
				break
			}
			h.seen, i = 1, i+cr+1
			continue
		}
		switch p[i] {
		case headEnd[h.seen]:
			h.seen++
		case '\r':
			h.seen = 1
		default:
			h.seen = 0
		}
		if i++; int(h.seen) == len(headEnd) {
			h.seen, h.at = 2, true
			return i
		}
	}
	return len(p)
}

// SplitHeads makes each Read end where the head of an HTTP request may end, or no
// longer. A new connection does. A server with a buffer of its own then holds nothing of
// the body when it has read a head, and what has come of that is still to be read here.
// Whoever reads the connection may call it.
func (c *Conn) SplitHeads(on bool) { c.heads = heads{off: !on} }

// AtHead reports whether the last Read has ended where a head may end.
func (c *Conn) AtHead() bool { return c.heads.at }

// readDirect reads past all that is held here.
func (c *Conn) readDirect(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	cut := c.heads.cut(p[:n])
	if cut < n {
		c.stash(p[cut:n])
		err = nil // a further read says it again
	}
	return cut, err
}

// stash keeps p for the next reads. Nothing else is held.
func (c *Conn) stash(p []byte) {
	if len(p) > stashSize {
		c.back = bytes.Clone(p)
		return
	}
	c.stashed = stashes.Get().(*[stashSize]byte)
	c.back = c.stashed[:copy(c.stashed[:], p)]
}

// readBack reads of what was put back.
func (c *Conn) readBack(p []byte) int {
	n := copy(p, c.back[:c.heads.cut(c.back[:min(len(p), len(c.back))])])
	if c.back = c.back[n:]; len(c.back) > 0 {
		return n
	}
	c.back = nil
	if c.stashed != nil {
		stashes.Put(c.stashed)
		c.stashed = nil
	}
	return n
}

// SetReadDeadline sets the time by which a read must have come back.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readBy.Store(nanos(t))
	return c.Conn.SetReadDeadline(t)
}

// nanos returns the nanoseconds since 1970, 0 for the zero time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// ReadDeadline returns the last argument of SetReadDeadline; zero: there is no deadline.
func (c *Conn) ReadDeadline() (t time.Time) {
	if by := c.readBy.Load(); by != 0 {
		t = time.Unix(0, by)
	}
	return t
}

// Bounds of what is thrown away of a client that is still sending when its connection
// is closed.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 4 << 20
)

// Linger makes Close read on for a moment what the client is still sending: it would
// get a reset otherwise, and might lose the answer that tells it why.
func (c *Conn) Linger() { c.lingers.Store(true) }

// linger is what Linger asks for.
func (c *Conn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}
