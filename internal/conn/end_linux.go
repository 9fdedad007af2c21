package conn

import "syscall"

// tcpEstablished is the state of a connection that both ends hold open: TCP_ESTABLISHED
// of Linux' tcp_states.h.
const tcpEstablished = 1

// hasEnded reports whether the peer of fd has ended the connection or its half of it.
// Unlike a read it does not have to come past what was sent before.
func hasEnded(fd int) (ended bool, err error) {
	// The state is the first byte of TCP_INFO, of which the system gives as much as is
	// asked for.
	info, err := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	return info[0] != tcpEstablished, err
}
