package upstream

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxRefusal bounds the body of an error.
const maxRefusal = 64 << 10

// maxInterim bounds the 1xx answers before the real one.
const maxInterim = 16

var (
	errTooLarge = errors.New("the answer is longer than 32 MiB")
	errInterim  = errors.New("too many interim responses")
)

// call is one request on one connection: what is common to answers of any form.
// Its user calls fill from one goroutine; cancelling the context closes the
// socket from another, which ends whatever fill waits for.
type call struct {
	ctx  context.Context // of the exchange: a call lives and dies with it
	up   *httpUpstream
	tap  translate.Tap // nil: nobody looks
	conn *pconn
	// connecting is how long it took to get conn.
	connecting time.Duration

	kind string // Content-Type of the answer, if it is wanted

	stop   func() bool // of the watch on ctx
	head   head
	body   body
	bad    error       // of the framing, behind what scan holds
	scan   sse.Scanner // holds what has come, whatever it is
	buf    *[]byte     // scan's, from the buffers of up
	packed *packed     // nil: the content is not compressed
	// filled: the last read has filled its buffer. The next one has a large one, and
	// the client gets in one write what that brings.
	filled   bool
	labelled bool // kind is wanted
	brief    bool // the answer is a refusal
}

// connect gets a connection.
func (c *call) connect() *translate.Error {
	began := time.Now()
	conn, err := c.up.conns.get(c.ctx)
	c.connecting = time.Since(began)
	if errors.Is(err, errFull) {
		return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "the model is busy", Cause: err}
	}
	if err != nil {
		return unreachable(c.ctx, err)
	}
	c.conn = conn
	return nil
}

// unused gives a connection back on which nothing was sent.
func (c *call) unused() {
	c.conn.body = body{over: true}
	c.up.conns.put(c.conn)
	c.conn = nil
}

// send sends message, and rest behind it if there is one.
func (c *pconn) send(message []byte, rest io.Reader) error {
	if c.tube != nil {
		return c.tube.send(message, rest)
	}
	_, err := c.Write(message)
	if err == nil && rest != nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{c}, rest, make([]byte, sendPiece))
	}
	return err
}

// sendPiece is how much of a body that is in a file is sent at once.
const sendPiece = 32 << 10

// start sends message, and rest behind it, and reads the head of the answer. message is in c.buf, which is
// reused for the answer.
func (c *call) start(message []byte, rest io.Reader) *translate.Error {
	conn := c.conn
	c.stop = context.AfterFunc(c.ctx, conn.cut)
	sent := conn.send(message, rest)
	if conn.tube != nil {
		c.connecting = conn.tube.connecting
		if errors.Is(sent, errNoConn) {
			return unreachable(c.ctx, sent)
		}
	}
	if cap(*c.buf) > keepBuffer {
		// A long question must not sit in memory while its answer trickles.
		c.buf = c.up.buffers.take(false)
	}
	// Even after a failed write an answer may be there: a server may refuse a
	// question before it has read all of it.
	if sent != nil {
		_ = conn.SetReadDeadline(time.Now().Add(drainFor))
	}
	c.awaitHead()
	if err := c.readHead(); err != nil {
		if !conn.since.IsZero() && (errors.Is(err, errEarly) || errors.Is(err, syscall.ECONNRESET) || errors.Is(sent, syscall.EPIPE)) {
			c.up.conns.stale()
		}
		return broken(c.ctx, errors.Join(sent, err))
	}
	if sent != nil {
		c.head.keep = false
	}
	if c.head.coding != codingNone {
		c.unpack()
	}
	return nil
}

// awaitHead waits for the beginning of the answer, where the connection allows it
// without a buffer: models take their time. What came is in c.buf.
func (c *call) awaitHead() {
	if !c.conn.wait.able() {
		*c.buf = (*c.buf)[:0]
		return
	}
	c.up.buffers.giveBack(c.buf, nil)
	if c.buf = c.conn.wait.await(&c.up.buffers, false); c.buf == nil {
		c.buf = c.up.buffers.take(false) // a read will say what is wrong
		*c.buf = (*c.buf)[:0]
	}
}

// readHead reads up to the end of the head of the final answer, of which c.buf holds
// what has come, and what came with it.
func (c *call) readHead() error {
	p, seen := *c.buf, 0
	for interim := 0; ; {
		n := headEnd(p, seen)
		if n == 0 && len(p) <= maxHead {
			if !beginsHTTP(p) {
				return notHTTP(p, errHead)
			}
			seen = len(p)
			var err error
			if p, err = c.readMore(p); err != nil {
				return notHTTP(p, err)
			}
			continue
		}
		if n == 0 || n > maxHead {
			return errHead
		}
		h, err := parseHead(p[:n])
		if err != nil {
			return notHTTP(p, err)
		}
		if c.labelled {
			c.kind = labelIn(p[:n])
		}
		p = p[:copy(p, p[n:])]
		seen = 0
		if h.status == 101 {
			return errHead
		}
		if h.status < 200 {
			if interim++; interim > maxInterim {
				return errInterim
			}
			continue
		}
		c.head = h
		c.body = c.head.body()
		m := c.unframe(p)
		c.scan.Reset(p[:m])
		if c.head.coding == codingNone { // else it is shown when it is unpacked
			c.shown(p[:m])
		}
		return nil
	}
}

// readMore appends what the next read brings.
func (c *call) readMore(p []byte) ([]byte, error) {
	if cap(p)-len(p) < minRead {
		p = append(make([]byte, 0, max(2*cap(p), len(p)+minRead)), p...)
	}
	n, err := c.conn.Read(p[len(p):cap(p)])
	if n > 0 {
		return p[:len(p)+n], nil
	}
	if err == io.EOF {
		err = errEarly
	}
	return p, err
}

// fill reads once and puts the content into c.scan. It returns io.EOF at the end
// of the body, and the connection's error when that breaks before.
func (c *call) fill() error {
	if c.bad != nil {
		return c.bad
	}
	if c.body.over && c.packed == nil {
		return io.EOF
	}
	if c.filled && c.packed == nil && cap(*c.buf) < keepBuffer {
		c.enlarge()
	}
	room := c.scan.Room(minRead)
	if c.packed != nil {
		n, err := c.packed.unpacked(room)
		c.scan.Wrote(n)
		c.shown(room[:n])
		return err
	}
	n, err := c.receive(room)
	c.scan.Wrote(n)
	c.shown(room[:n])
	return err
}

// receive reads once and leaves only content in room, of which there may be none.
func (c *call) receive(room []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	if c.body.over {
		return 0, io.EOF
	}
	n, err := c.conn.Read(room)
	c.filled = n == len(room)
	if n > 0 {
		return c.unframe(room[:n]), nil
	}
	if err == io.EOF && c.body.framing == framedByClose {
		c.body.over = true
		return 0, io.EOF
	}
	if err == io.EOF {
		return 0, errEarly
	}
	return 0, err
}

// enlarge gives c a large buffer.
func (c *call) enlarge() {
	large := c.up.buffers.take(true)
	from, ok := c.scan.Move(*large)
	if !ok {
		c.up.buffers.giveBack(large, nil)
		return
	}
	c.up.buffers.giveBack(c.buf, from)
	c.buf = large
}

// fillLater is fill for a caller that needs nothing of what c.scan has handed out:
// where the connection allows it, the wait is without a buffer.
func (c *call) fillLater() error {
	if !c.park() {
		return c.fill()
	}
	c.buf = c.conn.wait.await(&c.up.buffers, c.filled)
	return c.unpark()
}

// park gives the buffer back, if nothing is in it and the connection can be waited for
// without.
func (c *call) park() bool {
	if c.bad != nil || c.body.over || c.packed != nil || !c.conn.wait.able() {
		return false
	}
	p, ok := c.scan.Park()
	if ok {
		c.up.buffers.giveBack(c.buf, p)
		c.buf = nil
	}
	return ok
}

// unpark goes on with c.buf, in which is what came meanwhile; nil: nothing did.
func (c *call) unpark() error {
	if c.buf == nil {
		c.buf = c.up.buffers.take(false)
		c.scan.Unpark((*c.buf)[:0])
		return c.fill() // says what is wrong
	}
	c.filled = len(*c.buf) == cap(*c.buf)
	m := c.unframe(*c.buf)
	content := (*c.buf)[:m]
	*c.buf = (*c.buf)[:0]
	c.scan.Unpark(content)
	c.shown(content)
	return nil
}

// unframe leaves only content in p and returns its length.
func (c *call) unframe(p []byte) int {
	n, err := c.body.decode(p)
	if err != nil {
		c.head.keep = false
	}
	if err != errExtra { // which the answer itself does not suffer from
		c.bad = err
	}
	return n
}

func (c *call) shown(p []byte) {
	if len(p) == 0 {
		return
	}
	c.up.opts.trace('<', p)
	if c.tap != nil {
		c.tap.Came(p)
	}
}

// release gives the connection up: back to the pool when the answer ended well
// and what is left of its body is only framing, else closed.
func (c *call) release(well bool) {
	if c.conn == nil {
		return
	}
	conn := c.conn
	c.conn = nil
	if !c.stop() || !well || !c.head.keep {
		c.up.conns.drop(conn)
		return
	}
	conn.body = c.body
	c.up.conns.put(conn)
}

// Connecting is how long the question waited for a connection: next to nothing where
// one was left over from an earlier one.
func (c *call) Connecting() time.Duration { return c.connecting }
