package fleettest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/tcptest"
)

// Cable is a connection to a server that a test can break: it listens at an address of its
// own. It is safe for concurrent use.
type Cable struct {
	at *tcptest.Server

	mu     sync.Mutex
	target string
	state  fault
	slow   time.Duration
	wake   chan struct{} // closed when the state changes
	ended  bool
}

// fault is what is wrong with a cable.
type fault uint8

const (
	whole   fault = iota
	refuses       // connections end at once
	mute          // nothing comes through
	cutting       // a connection ends when the server has got a request
)

// Plug connects to the server at target, host:port, until the test ends.
func Plug(t testing.TB, target string) *Cable {
	t.Helper()
	c := &Cable{target: target, wake: make(chan struct{})}
	c.at = tcptest.Serve(t, c.serve)
	t.Cleanup(func() { c.change(func() { c.ended = true }) })
	return c
}

// Addr is where it listens.
func (c *Cable) Addr() string { return c.at.Addr() }

func (c *Cable) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	close(c.wake)
	c.wake = make(chan struct{})
}

// Mend makes it whole.
func (c *Cable) Mend() { c.change(func() { c.state, c.slow = whole, 0 }) }

// Refuse ends all connections, and each new one at once.
func (c *Cable) Refuse() {
	c.change(func() { c.state = refuses })
	c.Cut()
}

// Mute lets nothing through, in either direction, and ends nothing.
func (c *Cable) Mute() { c.change(func() { c.state = mute }) }

// CutRequests ends each connection when the server has got the next request on it, before
// its answer comes through.
func (c *Cable) CutRequests() { c.change(func() { c.state = cutting }) }

// Slow lets each request through after d.
func (c *Cable) Slow(d time.Duration) { c.change(func() { c.slow = d }) }

// Move has another server behind it: old connections end.
func (c *Cable) Move(target string) {
	c.change(func() { c.target = target })
	c.Cut()
}

// Cut ends all connections.
func (c *Cable) Cut() { c.at.Cut() }

func (c *Cable) serve(at *tcptest.Server, client net.Conn) {
	c.mu.Lock()
	target, state := c.target, c.state
	c.mu.Unlock()
	if state != refuses {
		at.Relay(client, target, func(to, from net.Conn) { c.copy(to, from, true) }, func(to, from net.Conn) { c.copy(to, from, false) })
	}
}

// copy copies until either end is closed.
func (c *Cable) copy(to io.Writer, from net.Conn, requests bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		cut, ok := c.passes(requests)
		if !ok {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil || cut && requests {
			return
		}
	}
}

// passes waits until bytes may pass; cut: they are the last ones of a request. It reports
// false when none do any more.
func (c *Cable) passes(requests bool) (cut, ok bool) {
	c.mu.Lock()
	slow := c.slow
	c.mu.Unlock()
	if requests && slow > 0 {
		time.Sleep(slow)
	}
	for {
		c.mu.Lock()
		state, wake, ended := c.state, c.wake, c.ended
		c.mu.Unlock()
		switch {
		case ended || state == refuses:
			return false, false
		case state != mute:
			return state == cutting, state != cutting || requests
		}
		<-wake
	}
}
