package conn

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options bound what a [Listener] accepts. The zero value bounds nothing.
type Options struct {
	// Total is how many connections may be open at once; 0: any number. When there are
	// as many, the one that has waited longest for a request, its first or its next, and
	// for 5 s at least, gives way to a new one; where none has, the new one is refused.
	Total int
	// PerAddress is how many of them may come from one address, an IPv6 one by its /64;
	// 0: any number. This machine's own address may have them all.
	PerAddress int
	// Exempt reports whether an address may have more than PerAddress. nil: none may.
	Exempt func(netip.Addr) bool
	// Refusal is written to a connection that is refused, unless it is a TLS one. It
	// must be short: what the system does not take at once is not sent.
	Refusal []byte
	// Log is told when connections cannot be accepted or are refused, and when that is
	// over, once a minute at most. nil: nobody is told.
	Log *slog.Logger
}

const (
	// mayBeClosed is how long a connection must have waited for a request to give way.
	mayBeClosed = 5 * time.Second
	// looksFor is among how many connections, drawn by chance, the one that has waited
	// longest is looked for: those that come while all are taken must cost next to
	// nothing, however many there are.
	looksFor = 64
)

// gaveWay is in Conn.waits of a connection that is closed for another one.
const gaveWay = -1

// bounded returns the address that raw is counted under; the zero value: under none.
func (l *Listener) bounded(raw net.Conn) netip.Addr {
	tcp, ok := raw.RemoteAddr().(*net.TCPAddr)
	if !ok || l.o.PerAddress <= 0 {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if addr.IsLoopback() || l.o.Exempt != nil && l.o.Exempt(addr) {
		return netip.Addr{}
	}
	if addr.Is6() {
		network, _ := addr.Prefix(64)
		return network.Addr()
	}
	return addr
}

// admit makes a Conn of raw, or refuses it, which takes no time.
func (l *Listener) admit(raw net.Conn) net.Conn {
	c := &Conn{Conn: raw, of: l, from: l.bounded(raw)}
	c.waits.Store(l.now())
	c.readAhead.prepare(raw)
	bound := l.enter(c)
	l.told(bound)
	if bound == boundTotal && l.makeRoom() {
		bound = l.enter(c)
	}
	if bound != "" {
		l.refuse(raw)
		return nil
	}
	if t, ok := raw.(*tls.Conn); ok {
		return &tlsConn{Conn: c, tls: t}
	}
	return c
}

// told says in the log that bound keeps a connection out, or that none does.
func (l *Listener) told(bound string) {
	if bound != "" {
		if l.crowded.begin() {
			l.log.Warn("the bound on connections is reached", "bound", bound, "open", l.Open())
		}
		return
	}
	if n, tell := l.crowded.end(); tell {
		l.log.Info("connections are within their bound again", "beyond", n)
	}
}

// The bounds as the log names them.
const (
	boundTotal   = "total"
	boundAddress = "per_address"
)

// enter counts c, or returns the bound that keeps it out.
func (l *Listener) enter(c *Conn) (bound string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := c.from.IsValid()
	switch {
	case counted && l.from[c.from] >= l.o.PerAddress:
		return boundAddress
	case l.o.Total > 0 && len(l.open) >= l.o.Total:
		return boundTotal
	}
	l.open[c] = struct{}{}
	if counted {
		l.from[c.from]++
	}
	return ""
}

// exit undoes enter; it may be called again.
func (l *Listener) exit(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.open[c]; !open {
		return
	}
	delete(l.open, c)
	l.look()
	if !c.from.IsValid() {
		return
	}
	if l.from[c.from]--; l.from[c.from] == 0 {
		delete(l.from, c.from)
	}
}

// makeRoom closes a connection that waits for a request, and reports whether it found
// one.
func (l *Listener) makeRoom() bool {
	var longest *Conn
	since := l.now() - int64(mayBeClosed)
	looks := 0
	l.mu.Lock()
	for c := range l.open {
		if waits := c.waits.Load(); waits > 0 && waits <= since {
			longest, since = c, waits
		}
		if looks++; looks == looksFor {
			break
		}
	}
	l.mu.Unlock()
	if longest == nil || !longest.waits.CompareAndSwap(since, gaveWay) {
		return false
	}
	longest.drop()
	return true
}

// drop is Close without a word to the peer, which could take a while behind TLS.
func (c *Conn) drop() {
	c.of.exit(c)
	_ = bare(c.Conn).Close()
	_ = c.Close()
}

// bare is the connection below TLS, if c is one of TLS.
func bare(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// now is the time since the listener was made, which no change of the clock moves; it
// is above 0.
func (l *Listener) now() int64 { return int64(time.Since(l.began)) + 1 }

// awaits notes that a request is awaited from now on, and returns what notes that it
// has begun.
func (c *Conn) awaits() { c.waits.Store(c.of.now()) }

// begun notes that a request has begun. It is false when the connection was closed
// meanwhile to make room.
func (c *Conn) begun() bool {
	for {
		waits := c.waits.Load()
		if waits == gaveWay {
			return false
		}
		if c.waits.CompareAndSwap(waits, 0) {
			return true
		}
	}
}

// refuse writes the refusal to raw and sees to it that it is closed.
func (l *Listener) refuse(raw net.Conn) {
	if _, ok := raw.(*tls.Conn); ok || len(l.o.Refusal) == 0 {
		_ = bare(raw).Close()
		return
	}
	// There is room for it in the buffers of a new connection.
	_ = raw.SetWriteDeadline(time.Now().Add(firstPause))
	_, _ = raw.Write(l.o.Refusal)
	if half, ok := raw.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		l.parting.add(raw)
		return
	}
	_ = raw.Close()
}

// How many connections that were refused are kept, and for how long, so that their
// clients can read why: a connection that is closed while its request lies there
// unread is reset, and some systems then take back what it was told.
const (
	mostParting = 16
	partingTime = time.Second
)

// parting are refused connections until they are closed. It is safe for concurrent use.
type parting struct {
	mu     sync.Mutex
	list   []farewell // the oldest first
	timer  *time.Timer
	closed bool
}

type farewell struct {
	conn net.Conn
	till time.Time
}

// add closes c after a while, or when too many others have come.
func (p *parting) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return
	}
	if len(p.list) == mostParting {
		p.first()
	}
	p.list = append(p.list, farewell{c, time.Now().Add(partingTime)})
	if p.timer == nil {
		p.timer = time.AfterFunc(partingTime, p.tend)
	} else if len(p.list) == 1 {
		p.timer.Reset(partingTime)
	}
}

// first closes the oldest; p.mu is held.
func (p *parting) first() {
	_ = p.list[0].conn.Close()
	p.list = append(p.list[:0], p.list[1:]...)
}

// tend closes those whose time is over.
func (p *parting) tend() {
	defer func() { _ = recover() }()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for len(p.list) > 0 && !p.list[0].till.After(now) {
		p.first()
	}
	if len(p.list) > 0 {
		p.timer.Reset(p.list[0].till.Sub(now))
	}
}

// close closes all of them, and whatever is added later.
func (p *parting) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for len(p.list) > 0 {
		p.first()
	}
	if p.timer != nil {
		p.timer.Stop()
	}
}

// Room is how many connections a process with so many descriptors can have of its
// clients: four fifths, so that channels, the store and what else it opens have
// theirs. Without a known limit it is mostConnections.
func Room(descriptors int) int {
	if descriptors <= 0 {
		return mostConnections
	}
	return min(max(descriptors-descriptors/5, 1), mostConnections)
}

// mostConnections is what a process is taken to bear.
const mostConnections = 256 << 10
