package front

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// statusGate bounds how long the status line is held for the commit point
	// (docs/rules/faults.md 8).
	statusGate = 25 * time.Second
	// keepAlive is the longest silence on a stream (docs/rules/rest.md 3.2).
	keepAlive = 15 * time.Second
	// flushAt is the size at which events that are ready go out together.
	flushAt = 16 << 10
)

// stream is a streamed answer. The handler asks the question; what follows the first
// content runs on a goroutine of its own, to which the connection has gone over: the
// request and its buffers are the server's again while the answer trickles, and the
// connection returns to it with the next request.
type stream struct {
	s          *Server
	ctx        context.Context // of the connection
	leave      func()          // ends it
	conn       net.Conn
	watch      *conn.Conn
	front      *Front
	enc        translate.Encoder
	frames     *framing
	id         string
	resumeFunc func()             // resume
	once       *idempotentRequest // nil: without an Idempotency-Key
	capture    *capture.Exchange  // keeps what is said; nil: nobody does
	held       *intake.Charge     // what the question takes; nil: too little to count
	spool      *intake.Spool      // the body of the question; nil: it is not on the disk
	page       string             // headers that tell a browser's page that it may read

	mu       sync.Mutex // guards what the ticker and the writer share
	x        *proxy.Exchange
	limits   limiter.State // how they stood when the question was admitted
	named    func() bool   // the event of the start can be told; nil: from the beginning
	head     chunk         // of the answer; empty: it is out, or not known yet
	last     time.Time     // of the last write
	deadline time.Time     // of writes
	tick     *time.Timer

	bare     bool // the client speaks HTTP/1.0: no chunks, and the end of the connection is the end
	answered bool // Open has returned
	headOut  bool // the ticker has written the head
	keep     bool // the connection serves further requests
	flows    bool // events are being written
	idle     bool // the answer is over, and the next request awaited
	entered  bool // the server waits for it
	marked   bool // the end mark of an answer that passes through has come
	broken   bool // a write has failed
	closed   bool
}

func newStream(c *call, enc translate.Encoder, frames *framing) *stream {
	b := &stream{s: c.s, conn: c.ctx.Conn(), front: c.front, enc: enc, frames: frames, id: c.id, once: c.once, capture: c.capture, page: c.pageHeaders(), last: time.Now(), bare: !c.ctx.Request.Header.IsHTTP11()}
	b.watch = conn.Of(b.conn)
	b.ctx, b.leave = b.watch.Life(c.s.life, errClientGone)
	b.watch.Watch(watchAfter, b.leave)
	b.tick = time.AfterFunc(time.Hour, b.keepAliveTick)
	b.tick.Reset(statusGate) // not before beat can see the timer
	return b
}

// stream goes on with an answer that has begun, or whose head had to go out before
// that; then err is what became of the question. It is the last thing that is done for
// a request.
func (c *call) stream(b *stream, err error) {
	b.held, c.held = c.held, nil
	b.spool, c.spool = c.spool, nil // an upstream may still send it
	if !b.headOut {
		if b.frames.mute {
			c.ctx.Response.Header.SetContentType(b.frames.kind)
		} else {
			streamHeaders(&c.ctx.Response.Header, b.frames.kind)
		}
		b.keep = c.streamHead(&b.head, b.bare)
	}
	c.ctx.HijackSetNoResponse(true)
	// What is known of the question lies in its body, which the answer may need to its
	// end, unlike all else of the request.
	c.ctx.Request.SwapBody(nil)
	if !c.s.enter(b) {
		// The server stops, and waits for this handler, but for nothing that is begun now.
		b.keep = false
		b.run(err)
		c.ctx.Hijack(func(net.Conn) {})
		return
	}
	b.entered, b.resumeFunc = true, b.resume
	b.watch.HandOver()
	c.ctx.Hijack(func(hijacked net.Conn) {
		b.watch.Unread(leftOf(hijacked))
		go b.run(err)
	})
}

// leftOf returns what the server has read of the next requests.
func leftOf(hijacked net.Conn) []byte {
	if _, err := hijacked.Read(nil); err != nil {
		return nil // there is no buffer in front of the connection
	}
	p := make([]byte, headerLimit)
	n, _ := hijacked.Read(p)
	return p[:n]
}

// streamHead renders the head of a streamed answer as the server would, and reports
// whether the connection can be kept.
func (c *call) streamHead(head *chunk, bare bool) (keep bool) {
	asked, h := &c.ctx.Request.Header, &c.ctx.Response.Header
	keep = !bare && !asked.ConnectionClose() && !h.ConnectionClose() && !c.s.ending() && !c.s.leaving.Load()
	if !keep {
		h.SetConnectionClose()
	}
	if h.SetContentLength(-1); bare {
		h.SetContentLength(-2) // whose length nothing says
		h.Del(fasthttp.HeaderTransferEncoding)
	}
	p := head.open()
	head.keep(append(p, h.AppendBytes(p[len(p):])...)) // which begins at the beginning of what it is given
	return keep
}

// run writes the answer, and then serves what else comes on the connection, or
// closes it. Where the answer is slow it returns, and resume goes on.
func (b *stream) run(err error) {
	defer b.recover()
	b.mu.Lock()
	b.flows, b.deadline = true, time.Time{} // the server has lifted the deadline
	b.mu.Unlock()
	if err == nil {
		b.once.begun(b.x)
		b.resumePump()
		return
	}
	var buf chunk
	defer buf.release()
	b.over(b.finish(&buf, false, err))
}

// resume goes on after a long silence.
func (b *stream) resume() {
	defer b.recover()
	if b.x.Ready() || !b.park() {
		b.resumePump()
	}
}

func (b *stream) resumePump() {
	if rests, err := b.pump(); !rests {
		b.over(err)
	}
}

// park waits for the next event. It reports whether somebody else will go on then.
func (b *stream) park() bool {
	if b.resumeFunc != nil && b.x.Later(b.resumeFunc) {
		return true
	}
	b.x.Wait()
	return false
}

// over is called when the answer has ended; err says that the connection is of no more
// use.
func (b *stream) over(err error) {
	b.close()
	if err == nil && b.keep && b.awaitNextRequest() {
		_ = b.s.http.ServeConn(conn.Again(b.conn))
	} else {
		_ = b.conn.Close()
	}
	b.leaves()
}

// leaves lets the server stop.
func (b *stream) leaves() {
	if b.entered {
		b.entered = false
		b.s.exit(b)
	}
}

// log is for lines about the answer, see [call.log].
func (b *stream) log() *slog.Logger {
	if b.x != nil {
		return b.x.Logger(b.s.log)
	}
	return b.s.log.With("id", b.id)
}

// recover keeps a bug in one answer from ending the process.
func (b *stream) recover() {
	if p := recover(); p != nil {
		b.log().Error("panic", "what", p, "stack", string(debug.Stack()))
		defer b.leaves()
		b.close()
		_ = b.conn.Close()
	}
}

// awaitNextRequest returns when there is another request, or reports that there will be none.
func (b *stream) awaitNextRequest() bool {
	b.mu.Lock()
	b.idle = true
	b.mu.Unlock()
	if b.s.ending() {
		return false // goAway may have come before
	}
	_ = b.conn.SetReadDeadline(time.Now().Add(idleTimeout))
	if b.watch.Await() != nil {
		return false
	}
	b.mu.Lock()
	b.idle = false
	b.mu.Unlock()
	return true
}

// goAway implements closer: the server's life ends the exchange, and a connection on
// which nothing is asked has nothing to wait for.
func (b *stream) goAway() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle {
		_ = b.conn.Close()
	}
}

// rests reports whether the answer is over.
func (b *stream) rests() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// admitted notes how the limits stand, for a head that has to go out early.
func (b *stream) admitted(s limiter.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = s
}

// startsWhen has b begin with the event of the start no earlier than known says true: until then its
// conversation may be another one.
func (b *stream) startsWhen(known func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.named = known
}

// opened notes that the answer has begun or failed, and reports whether its head
// has gone out already.
func (b *stream) opened(x *proxy.Exchange) (late bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.x, b.answered = x, true
	b.tick.Reset(keepAlive)
	return b.headOut
}

// keepAliveTick keeps a silent stream alive.
func (b *stream) keepAliveTick() {
	defer func() { _ = recover() }()
	if !b.mu.TryLock() {
		// A write is under way, however long it takes: nothing could be said now.
		b.tick.Reset(time.Second)
		return
	}
	defer b.mu.Unlock()
	if b.closed || b.broken || b.frames.mute {
		return
	}
	if !b.answered {
		b.sendEarlyHead()
		b.tick.Reset(keepAlive)
		return
	}
	wait := keepAlive - time.Since(b.last)
	if b.flows && wait <= 0 {
		if err := b.write(append(newChunk(), b.frames.alive...)); err != nil {
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

// sendEarlyHead writes the head of the answer, or a sign of life after it, while the
// handler still waits for the channel: which way the question goes is not known yet,
// so the head says nothing of it.
func (b *stream) sendEarlyHead() {
	first := append(newChunk(), b.frames.alive...)
	if !b.headOut {
		b.headOut = true
		if b.front.start && (b.named == nil || b.named()) {
			first = b.enc.Append(newChunk(), translate.Event{Kind: translate.KindStart})
		}
		more, coding := b.page, "Transfer-Encoding: chunked\r\n"
		if b.bare {
			coding = ""
		}
		if b.front.idHeader != "" {
			more += b.front.idHeader + ": " + b.id + "\r\n"
		}
		b.limits.Headers(time.Now(), func(name string, value []byte) { more += name + ": " + string(value) + "\r\n" })
		b.head.keep(fmt.Appendf(b.head.open(), "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nX-Request-Id: %s\r\n%sConnection: close\r\n%s\r\n", b.frames.kind, b.id, more, coding))
	}
	if err := b.write(first); err != nil {
		b.leave()
	}
}

// extend moves the deadline of writes. Doing it for each write would cost a
// timer change each.
func (b *stream) extend() {
	b.last = time.Now()
	if b.last.After(b.deadline.Add(-writeTimeout / 2)) {
		b.deadline = b.last.Add(writeTimeout)
		_ = b.conn.SetWriteDeadline(b.deadline)
	}
}

// write sends what p, a chunk with its margin, holds, and before the first one the
// head; b.mu is held.
func (b *stream) write(p []byte) error {
	if len(p) == chunkMargin {
		return nil
	}
	return b.send(b.framed(p))
}

// framed is p, a chunk with its margin, as it goes out.
func (b *stream) framed(p []byte) []byte {
	b.capture.Told(p[chunkMargin:])
	if b.bare {
		return p[chunkMargin:]
	}
	return frameChunk(p)
}

// send sends p as it is; b.mu is held.
func (b *stream) send(p []byte) error {
	if b.broken {
		return errClientGone // a further try could wait for another deadline
	}
	b.extend()
	if b.head.lent != nil {
		p = b.head.keep(append(b.head.open(), p...))[chunkMargin:]
	}
	_, err := b.conn.Write(p)
	b.head.release()
	b.broken = err != nil
	return err
}

// flush writes p under the lock that the ticker respects.
func (b *stream) flush(p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(p)
}

// pump writes the answer's events as they come: at once when no further one is ready,
// together when several are. It holds a buffer only while that holds something. It
// returns at the end of the answer, or where it rests, and somebody else will go on. The
// error says that the connection is of no more use.
func (b *stream) pump() (rests bool, err error) {
	through := b.x.PassThrough()
	follower, follows := b.enc.(translate.Follower)
	var buf chunk
	defer buf.release()
	for {
		ev, err := b.x.Next()
		if err != nil {
			return false, b.finish(&buf, through, err)
		}
		p := buf.open()
		if through {
			p = append(p, ev.Raw...)
			if follows {
				follower.Follow(ev)
			}
			b.marked = b.marked || b.front.marks(ev.Raw)
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
			return false, err
		}
		buf.release()
		if b.park() {
			return true, nil
		}
	}
}

// finish settles the exchange and writes what comes after the last event. err says how
// the answer ended.
func (b *stream) finish(buf *chunk, through bool, err error) error {
	p := buf.open()
	if err == io.EOF {
		if through && !b.marked && !b.frames.mute {
			// It ended well without its mark, which clients wait for.
			p = append(p, b.front.mark...)
			b.once.event(translate.Event{Raw: []byte(b.front.mark)})
		}
		b.once.end(nil, fasthttp.StatusOK)
		if !through {
			p = b.enc.AppendTail(p)
		}
	} else {
		e := typed(err)
		if e.Fault == translate.FaultGone || b.frames.mute {
			return err
		}
		b.once.end(e, b.front.statusOf(e))
		p = b.enc.AppendError(p, e, true)
	}
	p = buf.keep(p)
	if b.x != nil {
		// Before the client can know that the answer is over: its next question may
		// come at once.
		_ = b.x.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flows = false
	last := lastChunk
	if b.bare {
		last = nil
	}
	if len(p) == chunkMargin {
		return b.send(last)
	}
	return b.send(append(b.framed(p), last...))
}

// close settles the exchange and stops watching the client. It is safe to call it
// twice.
func (b *stream) close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed, b.flows = true, false
	b.tick.Stop()
	b.head.release()
	b.mu.Unlock()
	b.once.forget() // unless the answer has ended
	if b.x != nil {
		_ = b.x.Close()
	}
	if b.x == nil || !b.x.Detached() {
		b.held.Release()
	}
	b.spool.Close()
	b.watch.Unwatch()
	if !b.headOut {
		_ = b.conn.SetWriteDeadline(time.Time{})
	}
}
