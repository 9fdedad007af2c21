package mockmodel

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// maxAhead bounds what is read ahead of a request that is being answered.
const maxAhead = 4096

// errCut tells fasthttp that the connection is gone.
var errCut = errors.New("the scripted model cuts the connection")

// conn is a connection that its handler can wait on, cut and write past
// fasthttp. While a request is handled nobody else reads it, so the handler may.
type conn struct {
	net.Conn
	s     *Server
	once  sync.Once
	ahead []byte // read while waiting: the next request
	few   [64]byte
}

// Read returns first what wait read ahead.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close is called by fasthttp when it has done with the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.s.forget(c) })
	return err
}

// cut closes the connection under fasthttp's feet.
func (c *conn) cut() { _ = c.Conn.Close() }

// wait waits for d, or for ever when d is negative. It returns false at once
// when the peer closes the connection, or the server does. The wait is a read
// with a deadline: that notices a peer that leaves, without a goroutine.
func (c *conn) wait(d time.Duration) bool {
	var until time.Time
	if d >= 0 {
		until = time.Now().Add(d)
	}
	if c.Conn.SetReadDeadline(until) != nil {
		return false
	}
	for len(c.ahead) < maxAhead {
		n, err := c.Conn.Read(c.few[:])
		c.ahead = append(c.ahead, c.few[:n]...)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return c.Conn.SetReadDeadline(time.Time{}) == nil
		default:
			return false
		}
	}
	return c.waitBlind(until)
}

// waitBlind waits while the peer has sent more than is read ahead.
func (c *conn) waitBlind(until time.Time) bool {
	if c.Conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	if until.IsZero() {
		<-c.s.closing
		return false
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.s.closing:
		return false
	}
}

// listener wraps what it accepts and keeps the server's register of it.
type listener struct {
	net.Listener
	s *Server
}

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, s: l.s}
	if !l.s.register(c) {
		_ = nc.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}
