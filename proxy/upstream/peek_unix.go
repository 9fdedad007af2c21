//go:build unix

package upstream

import (
	"net"
	"syscall"
)

// peeker looks at what a socket has received without taking it. It costs one
// system call and allocates nothing after newPeeker.
type peeker struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	got  peeked
}

type peeked uint8

const (
	peekNothing peeked = iota // alive and silent
	peekData
	peekGone // closed, reset or not to be told
)

func newPeeker(socket net.Conn) *peeker {
	p := &peeker{}
	if c, ok := socket.(syscall.Conn); ok {
		p.raw, _ = c.SyscallConn()
	}
	var b [1]byte
	p.look = func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		switch {
		case n > 0:
			p.got = peekData
		case err == syscall.EAGAIN || err == syscall.EINTR:
			p.got = peekNothing
		default:
			p.got = peekGone
		}
		return true
	}
	return p
}

// peek must not be called concurrently.
func (p *peeker) peek() peeked {
	if p.raw == nil || p.raw.Read(p.look) != nil {
		return peekGone
	}
	return p.got
}
