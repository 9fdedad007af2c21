// Package conn wraps accepted connections so that the server can notice a client
// that leaves while its request is being answered, which fasthttp does not do,
// and can close every connection when it stops.
package conn

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Listener wraps every connection that it accepts in a [Conn]. It is safe for
// concurrent use, but for Accept, which one goroutine calls.
type Listener struct {
	net.Listener
	o        Options
	log      *slog.Logger
	began    time.Time
	patience patience
	crowded  episode
	parting  parting
	ends     epollWatcher

	mu      sync.Mutex
	open    map[*Conn]struct{}
	from    map[netip.Addr]int // how many of them each address has, where that is bounded
	over    bool               // Accept has failed
	emptied chan struct{}      // see Emptied
}

// Listen wraps ln, within the bounds of o. Behind TLS, ln is the TLS listener, so that
// what the watcher reads is what the client wrote.
func Listen(ln net.Listener, o Options) *Listener {
	l := &Listener{Listener: ln, o: o, log: o.Log, began: time.Now(), open: make(map[*Conn]struct{}), from: make(map[netip.Addr]int), emptied: make(chan struct{})}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.patience = patience{ln: ln, log: l.log, closed: make(chan struct{})}
	return l
}

// Accept waits for the next connection that is within the bounds. It goes on after
// errors that pass, such as a lack of descriptors, so that its own error is the end.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.patience.accept()
		if err != nil {
			l.end()
			return nil, err
		}
		if c := l.admit(raw); c != nil {
			return c, nil
		}
	}
}

// Close ends Accept. Connections that were accepted stay open.
func (l *Listener) Close() error {
	l.parting.close()
	return l.patience.close()
}

// end notes that no connection comes any more.
func (l *Listener) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
		l.look()
	}
}

// look closes emptied when its time has come; l.mu is held.
func (l *Listener) look() {
	if l.over && len(l.open) == 0 {
		close(l.emptied)
	}
}

// Emptied is closed once Accept has failed and every connection that it returned is
// closed.
func (l *Listener) Emptied() <-chan struct{} { return l.emptied }

// Open returns how many accepted connections are not closed yet.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// CloseAll closes every connection that is still open. Whoever has called Watch for
// one of them, or for one that is accepted afterwards, must have called it: it waits
// for what looks at them.
func (l *Listener) CloseAll() {
	l.mu.Lock()
	all := make([]*Conn, 0, len(l.open))
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
	l.ends.close()
}

// Conn is an accepted connection. Besides what net.Conn says, Watch and Unwatch
// may be called from any goroutine.
type Conn struct {
	net.Conn
	of    *Listener
	from  netip.Addr   // that it is counted under; zero: under none
	waits atomic.Int64 // since when a request is awaited, see [Listener.now]; 0: none is

	mu        sync.Mutex
	timer     *time.Timer
	looks     uint32 // since Watch
	post      int32  // of the epoll watcher, which tells once the peer has left; 0: it does not look
	watched   bool   // between Watch and Unwatch
	ended     bool   // the epoll watcher has told that the peer has left
	closed    bool
	hasByte   bool
	early     [1]byte       // read by the watcher, not yet by the server
	heads     heads         // see SplitHeads
	reading   chan struct{} // closed when the background read is over, or gone has returned; nil: neither runs
	gone      func()
	life      context.Context // see Life; nil: nobody has asked for it
	leave     func()
	back      []byte           // see Unread
	stashed   *[stashSize]byte // what back is of; nil: of nothing that is pooled
	handed    atomic.Bool      // HandOver was called
	lingers   atomic.Bool      // see Linger
	holds     atomic.Bool      // see Hold
	served    uint32           // how often Again was called
	readBy    atomic.Int64     // see SetReadDeadline
	writeBy   atomic.Int64     // see SetWriteDeadline
	readAhead readAhead
	frames    frames // see SplitFrames

	held []byte // for whoever writes
}

// Of returns the Conn behind c, or nil when c was not accepted by a [Listener].
func Of(c net.Conn) *Conn {
	switch c := c.(type) {
	case *Conn:
		return c
	case *tlsConn:
		return c.Conn
	case again:
		return c.Conn
	case againTLS:
		return c.Conn
	}
	return nil
}

// Again returns the connection of c, which a [Listener] has accepted, for a server
// that has served and given it away. It is a new net.Conn: the server may still keep a
// record of the old one.
func Again(c net.Conn) net.Conn {
	base := Of(c)
	base.served++
	base.handed.Store(false)
	switch c := c.(type) {
	case *tlsConn:
		return againTLS{c, base.served}
	case againTLS:
		return againTLS{c.tlsConn, base.served}
	}
	return again{base, base.served}
}

// again and againTLS are a connection under another name.
type (
	again struct {
		*Conn
		n uint32
	}
	againTLS struct {
		*tlsConn
		n uint32
	}
)

// Life returns a context of the connection, and what ends it with cause: for whoever
// finds that the peer has left. It is made once, under parent, for all requests of the
// connection: one for each request would take most of the memory of a connection. It
// also ends when the connection is closed.
func (c *Conn) Life(parent context.Context, cause error) (ctx context.Context, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		made, cancel := context.WithCancelCause(parent)
		c.life, c.leave = made, func() { cancel(cause) }
		if c.closed {
			c.leave()
		}
	}
	return c.life, c.leave
}

// Watch calls gone, once and from another goroutine, when the peer closes or
// resets the connection, or closes its half of it. It begins to look after delay,
// so that a quick answer costs no more than a timer. Nothing may read the
// connection until Unwatch has returned.
func (c *Conn) Watch(delay time.Duration, gone func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched, c.gone, c.looks = true, gone, 0
	if c.post != 0 && !c.ended {
		return
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(delay, c.check)
		return
	}
	c.timer.Reset(delay)
}

// Unwatch ends Watch. When it has returned, gone is not called any more and the
// connection may be read.
func (c *Conn) Unwatch() {
	c.mu.Lock()
	c.watched = false
	reading := c.reading
	if c.timer != nil && (c.post == 0 || c.ended) {
		c.timer.Stop()
	}
	if reading != nil {
		// A deadline in the past wakes the background read.
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	c.mu.Unlock()
	if reading != nil {
		<-reading
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

// left is called when the peer has left.
func (c *Conn) left() {
	c.mu.Lock()
	c.ended = true
	c.tell()
}

// tell calls gone, if anybody watches. c.mu is held, and free afterwards.
func (c *Conn) tell() {
	if !c.watched || c.reading != nil {
		c.mu.Unlock()
		return
	}
	done, gone := make(chan struct{}), c.gone
	c.watched, c.reading = false, done // Unwatch waits for what follows
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.reading = nil
		c.mu.Unlock()
		close(done)
	}()
	gone()
}

// Number and spacing of the polls before a goroutine blocks on the connection, on
// platforms without epoll: most answers that are not streamed are over by then, and a
// poll is cheaper than starting and ending a wait.
const (
	maxLooks  = 4
	lookEvery = 4 * time.Millisecond
)

// peekResult is what there is to read from a connection.
type peekResult uint8

const (
	sawNothing peekResult = iota
	sawBytes
	sawEnd // or a failure
)

// check is what Watch does after its delay.
func (c *Conn) check() {
	defer func() { _ = recover() }()
	c.mu.Lock()
	if !c.watched || c.reading != nil {
		c.mu.Unlock()
		return
	}
	if c.post == 0 && !c.closed {
		if post, ok := c.of.ends.add(c); ok {
			c.post = post
			c.mu.Unlock()
			return
		}
	}
	switch {
	case c.ended:
		c.tell()
	case c.post != 0 || c.closed || c.hasByte:
		c.mu.Unlock()
	case c.looks < maxLooks && c.readAhead.able():
		c.peek()
	default:
		c.wait()
	}
}

// peek looks without waiting. c.mu is held, and free afterwards.
func (c *Conn) peek() {
	c.looks++
	switch c.readAhead.peek() {
	case sawNothing:
		c.timer.Reset(lookEvery)
	case sawEnd:
		c.tell()
		return
	}
	c.mu.Unlock()
}

// wait waits for a byte or the end of the connection. c.mu is held, and free
// afterwards.
func (c *Conn) wait() {
	done := make(chan struct{})
	c.reading = done
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.mu.Unlock()

	var b [1]byte
	n, err := c.Conn.Read(b[:])

	c.mu.Lock()
	if n == 1 {
		c.early, c.hasByte = b, true
	}
	gone := c.gone
	if !c.watched || err == nil {
		gone = nil
	}
	c.reading = nil
	c.mu.Unlock()
	if gone != nil {
		gone()
	}
	close(done)
}

// Read reads what the watcher took first. A read of a single byte may take more
// from the connection, which the reads after it return. Read(nil) returns
// [io.ErrShortBuffer]; a reader in front that holds bytes of its own returns nil. So
// callers tell whether there is one.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, io.ErrShortBuffer
	}
	if len(p) > 1 && c.waits.Load() != 0 && !c.begun() {
		return 0, net.ErrClosed
	}
	if c.frames.on {
		return c.readFrame(p)
	}
	if len(c.back) > 0 {
		return c.readBack(p), nil
	}
	if rest := c.readAhead.left(); len(rest) > 0 {
		return c.readAhead.read(p[:c.heads.cut(rest[:min(len(p), len(rest))])]), nil
	}
	c.mu.Lock()
	if c.hasByte {
		p[0], c.hasByte = c.early[0], false
		c.mu.Unlock()
		return c.heads.cut(p[:1]), nil
	}
	c.mu.Unlock()
	if len(p) > 1 {
		return c.readDirect(p)
	}
	c.awaits()
	n, err := c.first(p)
	if !c.begun() {
		return 0, net.ErrClosed
	}
	return n, err
}

// first reads the first byte of a request.
func (c *Conn) first(p []byte) (int, error) {
	if !c.readAhead.able() {
		return c.readDirect(p)
	}
	b, err := c.readAhead.first()
	if err != nil {
		return 0, err
	}
	if b == tlsRecord {
		c.Unread([]byte(headEnd))
	}
	p[0] = b
	return c.heads.cut(p[:1]), nil
}

// tlsRecord is the first byte of a TLS handshake, which no request has. A client that begins one waits for an
// answer, while the server waits for the end of a head: it gets one, and refuses at once.
const tlsRecord = 0x16

// Await returns when there is something to read, which it does not take.
func (c *Conn) Await() error {
	if len(c.back) > 0 || c.readAhead.holds() || c.hasByte {
		return nil
	}
	c.awaits()
	err := c.await()
	if !c.begun() {
		return net.ErrClosed
	}
	return err
}

func (c *Conn) await() error {
	if c.readAhead.able() {
		return c.readAhead.fill()
	}
	n, err := c.Conn.Read(c.early[:])
	if c.hasByte = n > 0; c.hasByte {
		return nil
	}
	return err
}

// Unread puts p in front of what is read from now on. The connection keeps p. Whoever
// reads the connection may call it.
func (c *Conn) Unread(p []byte) {
	if len(p) > 0 {
		c.back = append(p, c.back...)
	}
}

// HandOver says that the server will give the connection away. It lifts the deadlines
// then, and would keep a connection for which that fails, as it does for one that was
// closed meanwhile.
func (c *Conn) HandOver() { c.handed.Store(true) }

// SetDeadline sets both deadlines. After HandOver it does not tell what failed.
func (c *Conn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	c.readBy.Store(nanos(t))
	c.writeBy.Store(nanos(t))
	if c.handed.Load() {
		return nil
	}
	return err
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.of.exit(c)
	c.mu.Lock()
	c.closed = true
	leave, post := c.leave, c.post
	c.mu.Unlock()
	if post != 0 {
		c.of.ends.drop(post)
	}
	if c.lingers.Load() {
		c.linger()
	}
	err := c.Conn.Close()
	if leave != nil {
		leave()
	}
	return err
}

// tlsConn shows fasthttp that the connection is a TLS one.
type tlsConn struct {
	*Conn
	tls *tls.Conn
}

func (c *tlsConn) Handshake() error                     { return c.tls.Handshake() }
func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
