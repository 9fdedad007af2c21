// Package simnet is a network inside the process: connections with latency,
// bounded buffers and deadlines, that a test can stall, cut and corrupt. Its only
// clock is package time, so that inside a bubble of testing/synctest an hour of it
// takes no time, and every delay is drawn from the seed, so that a run can be had
// again.
package simnet

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// window is how many bytes may be under way in one direction, as in a kernel's
// socket buffers: who writes more waits for the reader.
const window = 64 << 10

// ErrRefused is what a dial meets where nobody listens.
var ErrRefused = errors.New("simnet: connection refused")

// ErrReset is what both ends of a cut connection meet.
var ErrReset = errors.New("simnet: connection reset")

// Net is a network. It is safe for concurrent use.
type Net struct {
	seed uint64

	mu     sync.Mutex
	hosts  map[string]*Listener
	open   map[*Conn]struct{}
	dials  uint64
	frozen time.Time // nothing arrives before
}

// New returns a network without hosts whose delays come from seed.
func New(seed uint64) *Net {
	return &Net{seed: seed, hosts: map[string]*Listener{}, open: map[*Conn]struct{}{}}
}

// Listen makes address, host:port, a place that can be dialed. An address has one
// listener at a time.
func (n *Net) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[address] != nil {
		return nil, errors.New("simnet: " + address + " is taken")
	}
	l := &Listener{of: n, at: address, backlog: make(chan *Conn, 1024), closed: make(chan struct{})}
	n.hosts[address] = l
	return l, nil
}

// Dial connects to address. It takes one latency, and fails with [ErrRefused]
// where nobody listens by then, or when ctx has ended.
func (n *Net) Dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	number := n.dials
	rnd := rand.New(rand.NewPCG(n.seed, number))
	wait := latency(rnd) + max(0, time.Until(n.frozen))
	n.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.hosts[address]
	if l == nil {
		return nil, ErrRefused
	}
	name := addr("client:" + strconv.FormatUint(number, 10))
	near := &Conn{of: n, host: address, local: name, remote: addr(address)}
	far := &Conn{of: n, host: address, local: addr(address), remote: name}
	near.in = newFlow(n, rand.New(rand.NewPCG(rnd.Uint64(), 1)))
	far.in = newFlow(n, rand.New(rand.NewPCG(rnd.Uint64(), 2)))
	near.out, far.out = far.in, near.in
	select {
	case l.backlog <- far:
	default:
		return nil, ErrRefused
	}
	n.open[near], n.open[far] = struct{}{}, struct{}{}
	return near, nil
}

// latency is between 50 and 450 µs, and hardly ever the same twice: what happens
// at different instants happens in the same order in every run.
func latency(rnd *rand.Rand) time.Duration {
	return 50*time.Microsecond + time.Duration(rnd.Int64N(int64(400*time.Microsecond)))
}

// Open returns how many ends of connections are not closed yet.
func (n *Net) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.open)
}

// Accepted returns how many connections to address the host there has not closed
// yet, whatever those who dialed have done.
func (n *Net) Accepted(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for c := range n.open {
		if c.local == addr(address) {
			count++
		}
	}
	return count
}

// Freeze lets nothing arrive anywhere for d: neither bytes nor ends of
// connections nor dials. What is written meanwhile arrives afterwards.
func (n *Net) Freeze(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = time.Now().Add(d)
}

func (n *Net) thaw() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frozen
}

// to returns the dialing ends of the connections to address, in the order in which
// they were dialed.
func (n *Net) to(address string) []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*Conn
	for c := range n.open {
		if c.host == address && c.remote == addr(address) {
			all = append(all, c)
		}
	}
	sortByNumber(all)
	return all
}

// Cut resets every connection to address, one after the other within microseconds,
// and returns how many there were.
func (n *Net) Cut(address string) int {
	all := n.to(address)
	for _, c := range all {
		c.Reset()
		time.Sleep(time.Microsecond)
	}
	return len(all)
}

// Stall lets nothing that was or is sent by the host at address arrive for d.
func (n *Net) Stall(address string, d time.Duration) {
	for _, c := range n.to(address) {
		c.in.stall(d)
	}
}

// Corrupt puts p into what the host at address is sending, on every connection.
func (n *Net) Corrupt(address string, p []byte) {
	for _, c := range n.to(address) {
		c.in.inject(p)
		time.Sleep(time.Microsecond)
	}
}

// addr is the address of an end.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// Listener accepts what is dialed to its address.
type Listener struct {
	of      *Net
	at      string
	backlog chan *Conn
	once    sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that nobody has accepted are reset.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.of.mu.Lock()
		delete(l.of.hosts, l.at)
		l.of.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.backlog:
				c.Reset()
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return addr(l.at) }
