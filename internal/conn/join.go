package conn

import (
	"errors"
	"net"
	"sync"
)

// joined accepts from two listeners. It is safe for concurrent use.
type joined struct {
	net.Listener // the first, whose address it has
	second       net.Listener

	came    chan accepted
	over    chan struct{} // by Close
	closing sync.Once
	wait    sync.WaitGroup
	failed  error
}

type accepted struct {
	conn net.Conn
	err  error
}

// Join returns a listener that accepts the connections of both, under the address of the first. Close
// closes both, and returns when nothing waits on them any more.
func Join(first, second net.Listener) net.Listener {
	j := &joined{Listener: first, second: second, came: make(chan accepted), over: make(chan struct{})}
	for _, ln := range []net.Listener{first, second} {
		j.wait.Go(func() {
			defer func() { _ = recover() }()
			j.accept(ln)
		})
	}
	return j
}

// Accept implements net.Listener.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.came:
		return a.conn, a.err
	case <-j.over:
		return nil, net.ErrClosed
	}
}

// accept hands over what comes on ln until that ends. An error that passes is for the caller of Accept,
// who pauses: meanwhile nothing is accepted here either.
func (j *joined) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		select {
		case j.came <- accepted{c, err}:
		case <-j.over:
			if c != nil {
				_ = c.Close()
			}
			return
		}
		if err != nil && !passes(err) {
			return
		}
	}
}

// Close implements net.Listener.
func (j *joined) Close() error {
	j.closing.Do(func() {
		close(j.over)
		j.failed = errors.Join(j.Listener.Close(), j.second.Close())
		j.wait.Wait()
	})
	return j.failed
}
