package simnet

import (
	"cmp"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Conn is one end of a connection.
type Conn struct {
	of            *Net
	host          string // that was dialed
	local, remote addr
	in, out       *flow
	once          sync.Once
}

func sortByNumber(all []*Conn) {
	number := func(c *Conn) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(string(c.local), "client:"))
		return n
	}
	slices.SortFunc(all, func(a, b *Conn) int { return cmp.Compare(number(a), number(b)) })
}

// Read implements net.Conn. An end that was closed in order is io.EOF.
func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write implements net.Conn. It returns when everything is under way.
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close closes both directions: the other end reads what is under way, then
// io.EOF, and what it writes from then on is reset.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.out.finish()
		c.in.abandon()
		c.of.mu.Lock()
		delete(c.of.open, c)
		c.of.mu.Unlock()
	})
	return nil
}

// CloseWrite ends only what this end sends.
func (c *Conn) CloseWrite() error {
	c.out.finish()
	return nil
}

// Reset fails both directions at both ends at once; what was under way is lost.
// Both ends are still to be closed by whoever owns them.
func (c *Conn) Reset() {
	c.in.reset()
	c.out.reset()
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.in.limit(&c.in.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.out.limit(&c.out.writeBy, t) }

// segment is what one write left under way.
type segment struct {
	at   time.Time // of arrival
	data []byte    // nil: the end
}

// flow is one direction of a connection.
type flow struct {
	net *Net

	mu      sync.Mutex
	moved   sync.Cond // anything has changed
	rnd     *rand.Rand
	skew    time.Duration // what was held arrives at an instant of its own
	way     []segment
	size    int       // bytes in way
	last    time.Time // the latest arrival
	held    time.Time // nothing arrives before
	readBy  time.Time
	writeBy time.Time
	ended   bool // by its writer
	left    bool // by its reader
	broken  bool
}

func newFlow(n *Net, rnd *rand.Rand) *flow {
	f := &flow{net: n, rnd: rnd, skew: time.Duration(rnd.Int64N(int64(time.Millisecond)))}
	f.moved.L = &f.mu
	return f
}

// until waits for a change, or for t to come if that is not zero. f.mu is held.
func (f *flow) until(t time.Time) {
	if t.IsZero() {
		f.moved.Wait()
		return
	}
	timer := time.AfterFunc(time.Until(t), func() {
		defer func() { _ = recover() }()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.moved.Broadcast()
	})
	f.moved.Wait()
	timer.Stop()
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.left:
			return 0, net.ErrClosed
		case passed(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case f.broken:
			return 0, ErrReset
		case len(p) == 0:
			return 0, nil
		}
		var next time.Time
		if len(f.way) > 0 {
			next = f.arrives(f.way[0])
			if !time.Now().Before(next) {
				return f.take(p)
			}
		}
		f.until(earlier(f.readBy, next))
	}
}

func (f *flow) arrives(s segment) time.Time {
	at := s.at
	for _, hold := range []time.Time{f.held, f.net.thaw()} {
		if hold.After(s.at) {
			at = later(at, hold.Add(f.skew))
		}
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// take copies what has arrived.
func (f *flow) take(p []byte) (n int, err error) {
	for len(f.way) > 0 && n < len(p) && !time.Now().Before(f.arrives(f.way[0])) {
		s := &f.way[0]
		if s.data == nil {
			if n == 0 {
				return 0, io.EOF
			}
			break
		}
		m := copy(p[n:], s.data)
		n += m
		if s.data = s.data[m:]; len(s.data) == 0 {
			f.way = f.way[1:]
		}
	}
	f.size -= n
	f.moved.Broadcast()
	return n, nil
}

func (f *flow) write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.ended:
			return n, net.ErrClosed
		case passed(f.writeBy):
			return n, os.ErrDeadlineExceeded
		case f.broken || f.left:
			return n, ErrReset
		case len(p) == 0:
			return n, nil
		}
		if room := window - f.size; room > 0 {
			m := min(room, len(p))
			f.send(append([]byte(nil), p[:m]...))
			n += m
			p = p[m:]
			continue
		}
		f.until(f.writeBy)
	}
}

// send puts data, or the end, behind what is under way.
func (f *flow) send(data []byte) {
	at := time.Now().Add(latency(f.rnd))
	if !at.After(f.last) {
		at = f.last.Add(time.Duration(1 + f.rnd.Int64N(1000)))
	}
	f.last = at
	f.way = append(f.way, segment{at, data})
	f.size += len(data)
	f.moved.Broadcast()
}

// finish ends what the writer sends.
func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		f.send(nil)
	}
}

// abandon says that nobody reads any more.
func (f *flow) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.way, f.size = nil, 0
	f.moved.Broadcast()
}

func (f *flow) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = true
	f.way, f.size = nil, 0
	f.moved.Broadcast()
}

func (f *flow) stall(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = time.Now().Add(d)
}

// inject puts p in front of what is under way.
func (f *flow) inject(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || f.broken {
		return
	}
	at := time.Now()
	if len(f.way) > 0 {
		at = f.way[0].at
	}
	f.way = append([]segment{{at, append([]byte(nil), p...)}}, f.way...)
	f.size += len(p)
	f.moved.Broadcast()
}

func (f *flow) limit(by *time.Time, t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	*by = t
	f.moved.Broadcast()
	return nil
}
