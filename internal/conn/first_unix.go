//go:build unix

package conn

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// aheadSize is how much is read at once with the first byte of a request: nearly
// every request is shorter.
const aheadSize = 4 << 10

var aheads = sync.Pool{New: func() any { return new([aheadSize]byte) }}

// readAhead lets a connection wait for the first byte of a request without a buffer,
// and then reads as much as is there: whoever asks for a single byte gets it, and
// the rest with the reads that follow. The server asks so wherever it waits for a
// request, and so an idle connection holds no memory for what may come. Only the
// goroutine that reads the connection uses it.
type readAhead struct {
	raw  syscall.RawConn // nil: not to be had, as behind TLS
	take func(fd uintptr) bool
	look func(fd uintptr) bool
	seen peekResult       // what the last look saw
	buf  *[aheadSize]byte // what was read; nil: nothing is left of it
	rest []byte           // of buf
	n    int              // what the last take said
	err  error
}

// prepare must be called before first.
func (a *readAhead) prepare(c any) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	a.raw, a.take, a.look = raw, a.tryTake, a.tryLook
}

// able reports whether first can be called.
func (a *readAhead) able() bool { return a.raw != nil }

// peek tells without waiting what there is to read, and takes nothing. Nobody may
// read meanwhile.
func (a *readAhead) peek() peekResult {
	if a.raw.Read(a.look) != nil {
		return sawNothing // a deadline has passed: whoever reads will say so
	}
	return a.seen
}

func (a *readAhead) tryLook(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	switch {
	case n > 0:
		a.seen = sawBytes
	case err == syscall.EAGAIN || err == syscall.EINTR:
		a.seen = sawNothing
	default:
		a.seen = sawEnd
	}
	return true
}

// fill waits for a byte, and keeps it with what came with it.
func (a *readAhead) fill() error {
	if err := a.raw.Read(a.take); err != nil {
		return err
	}
	if a.err == nil && a.n == 0 {
		return io.EOF
	}
	return a.err
}

// first waits for a byte, returns it, and keeps what came with it.
func (a *readAhead) first() (byte, error) {
	if err := a.fill(); err != nil {
		return 0, err
	}
	b := a.rest[0]
	if a.rest = a.rest[1:]; len(a.rest) == 0 {
		a.release()
	}
	return b, nil
}

// pong takes a client's pong off what is held, if it begins with one.
func (a *readAhead) pong() bool {
	n := pongLength(a.rest)
	if n == 0 {
		return false
	}
	if a.rest = a.rest[n:]; len(a.rest) == 0 {
		a.release()
	}
	return true
}

// left is what read returns of.
func (a *readAhead) left() []byte { return a.rest }

// holds reports whether something is left of what came with a first byte.
func (a *readAhead) holds() bool { return a.buf != nil }

// tryTake reads what is there; false: nothing yet. The buffer is only taken out
// of the pool for the length of the call, unless something came.
func (a *readAhead) tryTake(fd uintptr) bool {
	buf := aheads.Get().(*[aheadSize]byte)
	for {
		a.n, a.err = syscall.Read(int(fd), buf[:])
		if a.err != syscall.EINTR {
			break
		}
	}
	if a.n > 0 && a.err == nil {
		a.buf, a.rest = buf, buf[:a.n]
		return true
	}
	aheads.Put(buf)
	if a.err == syscall.EAGAIN {
		a.err = nil
		return false
	}
	if a.err != nil {
		a.err = os.NewSyscallError("read", a.err)
	}
	return true
}

// read returns what is left of what came with a first byte; 0: nothing.
func (a *readAhead) read(p []byte) int {
	if a.buf == nil {
		return 0
	}
	n := copy(p, a.rest)
	if a.rest = a.rest[n:]; len(a.rest) == 0 {
		a.release()
	}
	return n
}

func (a *readAhead) release() {
	aheads.Put(a.buf)
	a.buf, a.rest = nil, nil
}
