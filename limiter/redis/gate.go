package redis

import (
	"bytes"
	"errors"
	"net"
	"sync"

	"github.com/dragoman-gateway/dragoman/limiter"
)

// Reasons for a gate to close.
var (
	errSurplus = errors.New("there is a reply that nobody asked for")
	errShape   = errors.New("a reply is of another kind than was asked for")
)

// protocolError reports a server that breaks the protocol. It repeats no byte that the
// server sent.
type protocolError struct{ why error }

func (e *protocolError) Error() string {
	return "the server does not keep to the protocol: " + e.why.Error()
}

// Unwrap makes it a [limiter.ErrNonsense].
func (e *protocolError) Unwrap() error { return limiter.ErrNonsense }

// gate is a connection to a server that is not believed: whatever it sends, the library
// behind the gate reads only whole replies of a bounded size, one for each request that
// it wrote, of the kind that the request has, and on a connection that listens the
// messages that it listens to. Anything else closes the connection with a
// protocolError before the library has seen a byte of it: with such input it
// would panic in a goroutine of its own, or take as much memory as the server likes.
//
// Like any net.Conn it has one reader and one writer at a time.
type gate struct {
	net.Conn
	broken func() // is called once, when the server is caught

	// Of the reader.
	in    []byte // what was read
	ready int    // so many bytes of it may go to the library
	reply scanner
	err   error

	// Of the writer.
	written written

	mu       sync.Mutex
	waiting  []asked // the requests without a reply, oldest first
	protocol int     // that the library asked for last; 0: none, which is 2
	listens  bool    // it has asked to listen
}

const gateBuffer = 4 << 10

// Read implements net.Conn.
func (g *gate) Read(p []byte) (int, error) {
	for g.ready == 0 {
		if g.err != nil {
			return 0, g.err
		}
		if err := g.fill(); err != nil {
			return 0, err
		}
		if err := g.look(); err != nil {
			g.err = &protocolError{err}
			_ = g.Conn.Close()
			g.broken()
		}
	}
	n := copy(p, g.in[:g.ready])
	g.in = g.in[:copy(g.in, g.in[n:])]
	if g.ready -= n; len(g.in) == 0 && cap(g.in) > gateBuffer {
		g.in = nil
	}
	return n, nil
}

// fill reads once, into a buffer that grows with what comes.
func (g *gate) fill() error {
	if len(g.in) == cap(g.in) {
		grown := make([]byte, len(g.in), max(gateBuffer, 2*cap(g.in)))
		copy(grown, g.in)
		g.in = grown
	}
	n, err := g.Conn.Read(g.in[len(g.in):cap(g.in)])
	g.in = g.in[:len(g.in)+n]
	if n > 0 {
		return nil
	}
	return err
}

// look lets whole replies through. What came before one that may not pass still passes.
func (g *gate) look() error {
	for g.ready < len(g.in) {
		done, err := g.reply.scan(g.in[g.ready:])
		if err != nil {
			return err
		}
		if !done {
			return nil
		}
		n := g.reply.pos
		if err := g.allow(g.in[g.ready : g.ready+n]); err != nil {
			return err
		}
		g.ready += n
		g.reply = scanner{}
	}
	return nil
}

// allow decides about one whole reply.
func (g *gate) allow(b []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	pushes := byte('>')
	if g.protocol != 3 {
		pushes = '*'
	}
	if g.listens && b[0] == pushes && isMessage(b) {
		return nil
	}
	if len(g.waiting) == 0 {
		return errSurplus
	}
	ok := false
	switch a := g.waiting[0]; a {
	case askedHello:
		ok = b[0] == '%' || b[0] == '*' || b[0] == '-'
	case askedListen:
		ok = b[0] == pushes && isListening(b) || b[0] == '-' && string(b) != "-QUEUED\r\n"
	case askedPing:
		ok = isScalar(b[0]) || string(b) == "*2\r\n$4\r\npong\r\n$0\r\n\r\n" && pushes == '*'
	case askedPlain:
		ok = isScalar(b[0])
	}
	if !ok {
		return errShape
	}
	g.waiting = g.waiting[:copy(g.waiting, g.waiting[1:])]
	return nil
}

// Write implements net.Conn. A request counts from when its last byte is about to go.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	err := g.written.follow(p, func(a asked, protocol int) {
		g.waiting = append(g.waiting, a)
		if protocol != 0 {
			g.protocol = protocol
		}
		g.listens = g.listens || a == askedListen
	})
	g.mu.Unlock()
	if err != nil {
		_ = g.Conn.Close()
		return 0, err
	}
	return g.Conn.Write(p)
}

func isScalar(kind byte) bool { return bytes.IndexByte([]byte("+-:$_,#(=!"), kind) >= 0 }

// isMessage reports whether b, a whole reply, is `message`, a topic and a text.
func isMessage(b []byte) bool {
	rest, ok := cutWord(b, "message")
	return ok && len(rest) > 0 && rest[0] == '$' && skipBlob(&rest) && len(rest) > 0 && rest[0] == '$' && skipBlob(&rest) && len(rest) == 0
}

// isListening reports whether b, a whole reply, is `subscribe`, a topic and a number.
func isListening(b []byte) bool {
	rest, ok := cutWord(b, "subscribe")
	return ok && len(rest) > 0 && rest[0] == '$' && skipBlob(&rest) && len(rest) > 0 && rest[0] == ':'
}

// cutWord cuts off the head of an aggregate of three and a first value word.
func cutWord(b []byte, word string) (rest []byte, ok bool) {
	if len(b) < 4 || string(b[1:4]) != "3\r\n" {
		return nil, false
	}
	rest = b[4:]
	line, n, err := lineOf(rest)
	if err != nil || n == 0 || line[0] != '$' {
		return nil, false
	}
	return bytes.CutPrefix(rest[n:], []byte(word+"\r\n"))
}

// skipBlob takes a string, which is there, off b; false: it is none.
func skipBlob(b *[]byte) bool {
	line, n, err := lineOf(*b)
	if err != nil || n == 0 {
		return false
	}
	length, ok := number(line[1:])
	if !ok || length < 0 || n+int(length)+2 > len(*b) {
		return false
	}
	*b = (*b)[n+int(length)+2:]
	return true
}
