package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// watchAfter is how long an answer must take before its client is watched: a
	// quicker one is not worth the read.
	watchAfter = 4 * time.Millisecond
	// statusGate bounds how long the status line is held for the commit point
	// (product.md 6, settled detail 3).
	statusGate = 25 * time.Second
	// keepAlive is the longest silence on a stream (rest_iagent.md 3.2).
	keepAlive = 15 * time.Second
	// flushAt is the size at which events that are ready go out together.
	flushAt = 16 << 10
)

// aliveComment is what a silent stream says (rest_iagent.md 3.2).
var aliveComment = sse.AppendComment(nil, "keep-alive")

var errClientGone = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "the client has left"}

// wire is what the HTTP fronts differ in when they answer a question.
type wire struct {
	dialect translate.Dialect
	status  func(*translate.Error) int
	// start is sent when the status line can be held no longer; nil: a comment.
	start bool
}

// fail answers err in the front's own form.
func (c *call) fail(w *wire, err *translate.Error) {
	c.retryAfter(err)
	if over, ok := err.Cause.(*limiter.Exceeded); ok {
		over.Headers(time.Now(), c.setHeader)
	}
	enc := w.dialect.NewEncoder(&translate.Request{}, translate.Head{RequestID: c.id})
	status := w.status(err)
	if status == fasthttp.StatusUnauthorized {
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	}
	c.json(status, enc.AppendError(nil, err, false))
}

func (c *call) retryAfter(err *translate.Error) {
	if n := err.RetrySeconds(); n > 0 && (err.Code == translate.CodeRateLimited || err.Code == translate.CodeUnavailable) {
		c.ctx.Response.Header.Set("Retry-After", strconv.Itoa(n))
	}
}

// setHeader sets one header of the answer; value may change afterwards.
func (c *call) setHeader(name string, value []byte) { c.ctx.Response.Header.SetBytesV(name, value) }

// limits says in headers how the limits of an admitted question stand, whatever
// becomes of it (rest_iagent.md 2.7).
func (c *call) limits(s limiter.State) { s.Headers(time.Now(), c.setHeader) }

// answer puts q to the gateway and writes what comes of it, streamed or whole as
// q.Request.Stream says.
func (c *call) answer(w *wire, q *proxy.Question, head translate.Head) {
	q.ID = c.id
	if q.Caller.Limited() {
		q.Address, q.Admitted = c.address(), c.limits
	}
	enc := w.dialect.NewEncoder(q.Request, head)
	if !q.Request.Stream {
		c.answerWhole(w, q, enc)
		c.once.settle(&c.ctx.Response)
		return
	}
	if c.once != nil {
		c.once.stream(func() translate.Encoder { return w.dialect.NewEncoder(q.Request, head) })
	}
	b := newBody(c, w, enc)
	if q.Caller.Limited() {
		q.Admitted = func(s limiter.State) {
			c.limits(s)
			b.admitted(s)
		}
	}
	lent := false
	defer func() {
		if !lent {
			_ = b.Close()
		}
	}()
	x, err := c.s.g.Open(b.ctx, q)
	if raw := b.opened(x); raw {
		lent = true
		c.answerLate(b, err)
		return
	}
	c.way(&q.Ledger)
	if err != nil {
		c.failed(w, err)
		c.once.settle(&c.ctx.Response)
		return
	}
	lent = true
	streamHeaders(&c.ctx.Response.Header)
	c.ctx.SetBodyStream(b, -1)
}

const eventStream = "text/event-stream; charset=utf-8"

func streamHeaders(h *fasthttp.ResponseHeader) {
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

func (c *call) answerWhole(w *wire, q *proxy.Question, enc translate.Encoder) {
	watched := conn.Of(c.ctx.Conn())
	ctx, leave := watched.Life(c.s.life, errClientGone)
	watched.Watch(watchAfter, leave)
	defer watched.Unwatch()
	x, err := c.s.g.Open(ctx, q)
	c.way(&q.Ledger)
	if err != nil {
		c.failed(w, err)
		return
	}
	defer func() { _ = x.Close() }()
	a, err := x.Whole()
	if err != nil {
		c.failed(w, err)
		return
	}
	c.ctx.SetStatusCode(fasthttp.StatusOK)
	c.ctx.SetContentType("application/json; charset=utf-8")
	if x.PassThrough() {
		c.ctx.SetBody(x.Raw())
		return
	}
	c.ctx.Response.SetBodyRaw(enc.AppendWhole(nil, a))
}

// way says in headers which way the question went, what could not be said there,
// and where its time was spent.
func (c *call) way(l *proxy.Ledger) {
	h := &c.ctx.Response.Header
	var buf [96]byte
	h.SetBytesV("X-Dragoman-Attempts", strconv.AppendInt(buf[:0], int64(l.Attempts), 10))
	if l.Cache != "" {
		h.Set("X-Dragoman-Cache", l.Cache)
	}
	if l.Dropped != "" {
		h.Set("X-Dragoman-Dropped", l.Dropped)
	}
	if l.Attempts == 0 {
		return
	}
	h.Set("X-Dragoman-Channel", l.Channel)
	b := appendTiming(buf[:0], "queue", l.Queue)
	b = appendTiming(append(b, ", "...), "open", l.Open)
	h.SetBytesV("Server-Timing", appendTiming(append(b, ", "...), "first", l.First))
}

// appendTiming appends one metric of a Server-Timing header, in milliseconds.
func appendTiming(b []byte, name string, d time.Duration) []byte {
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', -1, 64)
}

// failed answers a question that got no answer.
func (c *call) failed(w *wire, err error) {
	e := typed(err)
	if e.Fault == translate.FaultGone {
		// Nobody is there to read it.
		c.ctx.SetConnectionClose()
	}
	c.fail(w, e)
}

func typed(err error) *translate.Error {
	var e *translate.Error
	if errors.As(err, &e) {
		return e
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "internal error", Cause: err}
}

// answerLate goes on with an answer whose head had to go out before there was
// anything to say: on the bare connection, which ends with it. All of that is done
// before it returns, since the server may find the connection closed and then never
// calls what it was given to hijack it with.
func (c *call) answerLate(b *body, err error) {
	if leave, ok := c.s.enter(b); ok {
		defer leave()
	}
	c.ctx.HijackSetNoResponse(true)
	c.ctx.Hijack(func(conn net.Conn) { _ = conn.Close() })
	defer func() { _ = b.Close() }()
	if err == nil {
		if _, err := b.WriteTo(b.conn); err != nil {
			return
		}
	} else if e := typed(err); e.Fault != translate.FaultGone {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.once.end(e, b.wire.status(e))
		_ = b.write(b.enc.AppendError(newChunk(), e, true))
	}
	_, _ = io.WriteString(b.conn, "0\r\n\r\n")
}

// body is a streamed answer as fasthttp's response body: WriteTo runs on the
// connection's own goroutine, after the handler has returned.
type body struct {
	ctx   context.Context // of the connection
	leave func()          // ends it
	conn  net.Conn
	watch *conn.Conn
	wire  *wire
	enc   translate.Encoder
	id    string
	once  *once  // nil: without an Idempotency-Key
	page  string // headers that tell a browser's page that it may read

	mu       sync.Mutex // guards what the ticker and the writer share
	x        *proxy.Exchange
	limits   limiter.State // how they stood when the question was admitted
	answered bool          // Open has returned
	raw      bool          // the ticker has written the head
	out      io.Writer     // where WriteTo writes; nil: not yet, or not any more
	begun    bool          // the head is out: chunks go to the connection as they are
	last     time.Time     // of the last write
	deadline time.Time     // of writes
	tick     *time.Timer
	broken   bool // a write has failed
	closed   bool
}

func newBody(c *call, w *wire, enc translate.Encoder) *body {
	b := &body{conn: c.ctx.Conn(), wire: w, enc: enc, id: c.id, once: c.once, page: c.pageHeaders(), last: time.Now()}
	b.watch = conn.Of(b.conn)
	b.ctx, b.leave = b.watch.Life(c.s.life, errClientGone)
	b.watch.Watch(watchAfter, b.leave)
	b.tick = time.AfterFunc(time.Hour, b.beat)
	b.tick.Reset(statusGate) // not before beat can see the timer
	return b
}

// goAway implements closer; the server's life ends the exchange.
func (b *body) goAway() {}

// admitted notes how the limits stand, for a head that has to go out early.
func (b *body) admitted(s limiter.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = s
}

// opened notes that the answer has begun or failed, and reports whether its head
// has gone out already.
func (b *body) opened(x *proxy.Exchange) (raw bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.x, b.answered = x, true
	b.tick.Reset(keepAlive)
	return b.raw
}

// beat keeps a silent stream alive.
func (b *body) beat() {
	defer func() { _ = recover() }()
	if !b.mu.TryLock() {
		// A write is under way, however long it takes: nothing could be said now.
		b.tick.Reset(time.Second)
		return
	}
	defer b.mu.Unlock()
	if b.closed || b.broken {
		return
	}
	if !b.answered {
		b.beginRaw()
		b.tick.Reset(keepAlive)
		return
	}
	wait := keepAlive - time.Since(b.last)
	if b.out != nil && wait <= 0 {
		if err := b.write(append(newChunk(), aliveComment...)); err != nil {
			b.leave()
		}
		wait = keepAlive
	}
	b.tick.Reset(max(wait, time.Second))
}

// pageHeaders are what the answer says to browsers, as lines of a head.
func (c *call) pageHeaders() (lines string) {
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary"} {
		value := c.ctx.Response.Header.Peek(name)
		if len(value) == 0 {
			break // it is no browser that asks
		}
		lines += name + ": " + string(value) + "\r\n"
	}
	return lines
}

// beginRaw writes the head of the answer, or a sign of life after it, while the
// handler still waits for the channel: which way the question goes is not known yet,
// so the head says nothing of it.
func (b *body) beginRaw() {
	first := append(newChunk(), aliveComment...)
	if !b.raw {
		b.raw, b.begun = true, true
		if b.wire.start {
			first = b.enc.Append(newChunk(), translate.Event{Kind: translate.KindStart})
		}
		b.extend()
		more := b.page
		if b.wire == &anthropicWire {
			more += requestIDHeader + ": " + b.id + "\r\n"
		}
		b.limits.Headers(b.last, func(name string, value []byte) { more += name + ": " + string(value) + "\r\n" })
		fmt.Fprintf(b.conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nX-Request-Id: %s\r\n%sConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", b.id, more)
	}
	if err := b.write(first); err != nil {
		b.leave()
	}
}

// extend moves the deadline of writes. Doing it for each write would cost a
// timer change each.
func (b *body) extend() {
	b.last = time.Now()
	if b.last.After(b.deadline.Add(-writeTimeout / 2)) {
		b.deadline = b.last.Add(writeTimeout)
		_ = b.conn.SetWriteDeadline(b.deadline)
	}
}

// write sends what p, a chunk with its margin, holds; b.mu is held. The first one
// goes through fasthttp, which sends it together with the head and has nothing left
// to send then: the chunks after it need not pass through its buffer.
func (b *body) write(p []byte) error {
	if len(p) == chunkMargin {
		return nil
	}
	if b.broken {
		return errClientGone // a further try could wait for another deadline
	}
	b.extend()
	var err error
	if b.begun {
		_, err = b.conn.Write(frameChunk(p))
	} else {
		_, err = b.out.Write(p[chunkMargin:])
		b.begun = err == nil
	}
	b.broken = err != nil
	return err
}

// flush writes p under the lock that the ticker respects.
func (b *body) flush(p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(p)
}

// SupportsBodyWriteTo tells fasthttp to call WriteTo instead of Read.
func (b *body) SupportsBodyWriteTo() bool { return true }

// Read is never called; the type has to be an io.Reader.
func (b *body) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo writes the answer's events as they come: at once when no further one is
// ready, together when several are. It returns an error when the connection is of
// no more use.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	defer func() { _ = b.Close() }()
	b.mu.Lock()
	b.out = w
	b.mu.Unlock()
	err := b.pump()
	b.mu.Lock()
	b.out = nil
	b.mu.Unlock()
	return 0, err
}

// pump writes all events. It holds a buffer only while that holds something.
func (b *body) pump() error {
	through := b.x.PassThrough()
	b.once.begun(b.x)
	var buf chunk
	defer buf.release()
	for {
		ev, err := b.x.Next()
		if err != nil {
			return b.finish(&buf, through, err)
		}
		p := buf.open()
		if through {
			p = append(p, ev.Raw...)
		} else {
			p = b.enc.Append(p, ev)
		}
		p = buf.keep(p)
		if b.once != nil {
			b.once.event(ev)
		}
		if len(p) < flushAt && b.x.Ready() {
			continue
		}
		if err := b.flush(p); err != nil {
			b.leave()
			return err
		}
		buf.release()
		b.x.Wait()
	}
}

// finish writes what comes after the last event. err says how the answer ended.
func (b *body) finish(buf *chunk, through bool, err error) error {
	p := buf.open()
	if err == io.EOF {
		b.once.end(nil, fasthttp.StatusOK)
		if !through {
			p = b.enc.AppendTail(p)
		}
		return b.flush(buf.keep(p))
	}
	e := typed(err)
	if e.Fault == translate.FaultGone {
		return err
	}
	b.once.end(e, b.wire.status(e))
	return b.flush(buf.keep(b.enc.AppendError(p, e, true)))
}

// Close settles the exchange and gives the connection back to the server. It is
// safe to call it twice.
func (b *body) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.tick.Stop()
	b.mu.Unlock()
	b.once.forget() // unless the answer has ended
	if b.x != nil {
		_ = b.x.Close()
	}
	b.watch.Unwatch()
	if !b.raw {
		_ = b.conn.SetWriteDeadline(time.Time{})
	}
	return nil
}
