//go:build unix

package upstream

import "syscall"

// awaiter waits for what a socket will bring without holding a buffer for it.
type awaiter struct {
	raw  syscall.RawConn // nil: not to be had
	try  func(fd uintptr) bool
	from *buffers
	buf  *[]byte // what came is in it; nil: nothing came

	large bool // see await
}

func newAwaiter(c any) *awaiter {
	a := &awaiter{}
	s, ok := c.(syscall.Conn)
	if !ok {
		return a
	}
	a.raw, _ = s.SyscallConn()
	a.try = a.read
	return a
}

// able reports whether await can be called.
func (a *awaiter) able() bool { return a.raw != nil }

// await reads once, into a buffer of from, large or not, that it takes when there is
// something to read; nil where the connection has ended or failed, which a read will tell.
func (a *awaiter) await(from *buffers, large bool) *[]byte {
	a.from, a.large = from, large
	if a.raw.Read(a.try) != nil {
		return nil
	}
	buf := a.buf
	a.from, a.buf = nil, nil
	return buf
}

// read reports false where nothing is there yet. It costs no system call more than a
// read of the connection, which tries before it waits too.
func (a *awaiter) read(fd uintptr) bool {
	buf := a.from.take(a.large)
	p := (*buf)[:cap(*buf)]
	for {
		n, err := syscall.Read(int(fd), p)
		if err == syscall.EINTR {
			continue
		}
		if n > 0 && err == nil {
			*buf = p[:n]
			a.buf = buf
			return true
		}
		a.from.giveBack(buf, nil)
		return err != syscall.EAGAIN
	}
}
