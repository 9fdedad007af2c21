package upstream

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Bounds of the rest of an answer, behind which its connection is idle.
const (
	drainFor = time.Second          // how long the rest of a body may be awaited
	drainMax = 4 << 10              // and how long it may be, in bytes
	waitMax  = 3 * time.Millisecond // for such a rest, instead of dialling
	freshFor = 2 * time.Second      // how long no connection is used twice once that has failed
)

// errFull is why there is no connection for a question.
var errFull = errors.New("all connections of the channel are in use")

// pconn is one HTTP connection. Its user owns it; in between, the pool does.
type pconn struct {
	net.Conn          // read and written: TLS, or the socket itself
	socket   net.Conn // closing it ends a read or write at once
	cut      func()   // closes socket: made once, since every answer wants it
	look     *peeker
	wait     *awaiter
	body     body // what the last answer's body still has to come
	rest     int  // bytes of it that came late
	bad      bool // it cannot be used again
	since    time.Time
	born     time.Time
	tube     *tube // nil: it is a connection of HTTP/1
}

// drained reads what is there of the last answer's rest, waiting for it until
// deadline. It reports whether all of it has come.
func (c *pconn) drained(deadline time.Time) bool {
	if c.body.over {
		return !c.bad
	}
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	var b [512]byte
	for !c.body.over && !c.bad {
		until := deadline
		switch there := c.look.peek(); {
		case there == peekData:
			// A deadline that has passed would fail before the read.
			until = time.Now().Add(time.Millisecond)
		case !time.Now().Before(deadline) && c.Conn == c.socket:
			return false
		}
		// With TLS a record may have been taken from the socket already; a read
		// finds it even behind its deadline.
		_ = c.SetReadDeadline(until)
		n, err := c.Read(b[:])
		c.rest += n
		if _, bad := c.body.decode(b[:n]); bad != nil || c.rest > drainMax {
			c.bad = true
		}
		if err != nil && !c.body.over {
			c.bad = c.bad || !errors.Is(err, os.ErrDeadlineExceeded)
			return false
		}
	}
	return !c.bad
}

// pool keeps the connections to one address. Safe for concurrent use.
type pool struct {
	at     address
	limit  int           // of open connections; 0: none
	maxAge time.Duration // 0: they live as long as they like
	tubes  *tubes        // nil: only HTTP/1 is spoken

	mu       sync.Mutex
	closed   bool
	open     int
	idle     []*pconn  // the one used last is last
	draining []*pconn  // an answer's rest may still come; oldest first
	fresh    time.Time // until then none of them is used
}

// get returns a connection that was alive a moment ago, or dials.
func (p *pool) get(ctx context.Context) (*pconn, error) {
	for {
		c, late, err := p.take()
		if err != nil {
			return nil, err
		}
		if c == nil {
			break
		}
		if p.maxAge > 0 && time.Since(c.born) >= p.maxAge {
			p.drop(c)
			continue
		}
		if late && !c.drained(time.Now().Add(waitMax)) {
			p.drop(c)
			continue
		}
		if c.look.peek() == peekNothing {
			return c, nil
		}
		p.drop(c)
	}
	c, err := p.make(ctx)
	if err != nil {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}
	return c, err
}

// make makes a connection, or a tube that looks like one.
func (p *pool) make(ctx context.Context) (*pconn, error) {
	if p.tubes != nil && p.tubes.chosen() {
		return p.makeTube(ctx)
	}
	at := &p.at
	if p.tubes != nil {
		at = &p.tubes.at
	}
	conn, socket, err := at.dial(ctx)
	if err != nil {
		return nil, err
	}
	if p.tubes != nil && p.tubes.settle(conn, socket) {
		return p.makeTube(ctx)
	}
	return &pconn{Conn: conn, socket: socket, cut: func() { _ = socket.Close() }, look: newPeeker(socket), wait: newAwaiter(conn), born: time.Now()}, nil
}

func (p *pool) makeTube(ctx context.Context) (*pconn, error) {
	c, err := p.tubes.open(ctx)
	if err != nil {
		return nil, err
	}
	return &pconn{Conn: c, socket: c, cut: func() { _ = c.Close() }, wait: &awaiter{}, tube: c}, nil
}

// take returns a connection to try, the idle one used last or else (late) one
// whose last answer's rest has to come first, or nil with leave to dial.
func (p *pool) take() (c *pconn, late bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errClosed
	}
	p.settle()
	if time.Now().Before(p.fresh) {
		p.discardIdle()
	}
	if n := len(p.idle); n > 0 {
		c = p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, false, nil
	}
	if n := len(p.draining); n > 0 {
		c = p.draining[0]
		p.draining = p.draining[:copy(p.draining, p.draining[1:])]
		return c, true, nil
	}
	if p.limit > 0 && p.open >= p.limit {
		return nil, false, errFull
	}
	p.open++
	return nil, false, nil
}

// settle looks at a few of the connections that wait for the rest of an answer,
// and closes those that have been idle too long. p.mu is held.
func (p *pool) settle() {
	now := time.Now()
	kept := p.draining[:0]
	for i, c := range p.draining {
		switch {
		case i >= 8:
			kept = append(kept, c)
		case c.drained(now):
			p.idle = append(p.idle, c)
		case c.bad || now.Sub(c.since) > drainFor:
			p.discard(c)
		default:
			kept = append(kept, c)
		}
	}
	clear(p.draining[len(kept):])
	p.draining = kept
	old := 0
	for old < len(p.idle) && (now.Sub(p.idle[old].since) > idleFor || len(p.idle)-old > maxIdle) {
		p.discard(p.idle[old])
		old++
	}
	if old > 0 {
		p.idle = p.idle[:copy(p.idle, p.idle[old:])]
	}
}

// put takes c back after an answer that ended well. What is left of its body is
// read now if it is there, or later.
func (p *pool) put(c *pconn) {
	c.since, c.rest = time.Now(), 0
	if c.tube != nil || p.maxAge > 0 && c.since.Sub(c.born) >= p.maxAge {
		p.drop(c)
		return
	}
	done := c.drained(c.since)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || c.bad || len(p.idle)+len(p.draining) >= maxIdle:
		p.discard(c)
	case done:
		p.idle = append(p.idle, c)
	default:
		p.draining = append(p.draining, c)
	}
}

// drop closes c, which cannot be used again.
func (p *pool) drop(c *pconn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discard(c)
}

func (p *pool) discard(c *pconn) {
	p.open--
	_ = c.socket.Close()
}

// close ends the idle connections; busy ones end when they are given back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.tubes != nil {
		p.tubes.close()
	}
	p.discardIdle()
}

// stale says that a connection which was left from an earlier answer was closed when it was used again. A
// server that ends one of them ends the others too, so for some time each question gets a new one: that
// it is asked again does not help where it meets the next such connection.
func (p *pool) stale() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = time.Now().Add(freshFor)
}

// discardIdle closes the connections that nobody uses. p.mu is held.
func (p *pool) discardIdle() {
	for _, c := range p.idle {
		p.discard(c)
	}
	for _, c := range p.draining {
		p.discard(c)
	}
	p.idle, p.draining = nil, nil
}
