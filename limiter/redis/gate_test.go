package redis

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/limiter"
)

// pieces is a connection that gives what it has in pieces of n bytes, and takes all.
type pieces struct {
	net.Conn
	rest   string
	n      int
	closed bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" || p.closed {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.n, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }

func (p *pieces) Close() error {
	p.closed = true
	return nil
}

// through is what passes of said, n bytes at a time, after requests were written.
func through(t *testing.T, requests, said string, n int) (passed string, err error) {
	t.Helper()
	caught := 0
	conn := &pieces{rest: said, n: n}
	g := &gate{Conn: conn, broken: func() { caught++ }}
	for len(requests) > 0 {
		k := min(n, len(requests))
		if _, err := g.Write([]byte(requests[:k])); err != nil {
			t.Fatal(err)
		}
		requests = requests[k:]
	}
	b, err := io.ReadAll(g)
	if again, err2 := g.Read(make([]byte, 1)); again != 0 || err2 == nil {
		t.Error("it goes on after an error")
	}
	if bad := errors.Is(err, limiter.ErrNonsense); bad != (caught == 1) || bad != conn.closed {
		t.Errorf("error %v, and %d times caught, and closed: %v", err, caught, conn.closed)
	}
	return string(b), err
}

const (
	hello3 = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
	hello2 = "*2\r\n$5\r\nhello\r\n$1\r\n2\r\n"
	eval   = "*4\r\n$4\r\nEVAL\r\n$9\r\nreturn ''\r\n$1\r\n1\r\n$1\r\nk\r\n"
	ping   = "*1\r\n$4\r\nPING\r\n"
	listen = "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nt\r\n"

	greeting = "%2\r\n+a\r\n*1\r\n:1\r\n+proto\r\n:3\r\n"
	heard3   = ">3\r\n$9\r\nsubscribe\r\n$1\r\nt\r\n:1\r\n"
	heard2   = "*3\r\n$9\r\nsubscribe\r\n$1\r\nt\r\n:1\r\n"
	message3 = ">3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$4\r\na\r\nb\r\n"
	message2 = "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$0\r\n\r\n"
)

func TestAReplyPassesThatItsRequestAskedFor(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ requests, said string }{
		{"", ""},
		{hello3, greeting},
		{hello3, "-NOAUTH no\r\n"},
		{hello2, "*2\r\n+proto\r\n:2\r\n"},
		{hello3 + eval + eval, greeting + "$2\r\n\r\n\r\n" + "$-1\r\n"},
		{eval + eval + eval + eval + eval, "+a\r\n" + "-ERR b\r\n" + ":-5\r\n" + "_\r\n" + "=5\r\ntxt:a\r\n"},
		{eval + eval + eval + eval, "#t\r\n" + ",-inf\r\n" + "(1234567890123456789012345\r\n" + "!3\r\nERR\r\n"},
		{ping, "+PONG\r\n"},
		{hello3 + listen + eval, greeting + message3 + heard3 + message3 + "+a\r\n" + message3},
		{hello3 + listen, greeting + "-NOPERM no\r\n"},
		{hello2 + listen + ping, "-ERR what\r\n" + message2 + heard2 + message2 + "*2\r\n$4\r\npong\r\n$0\r\n\r\n" + message2},
		{hello3 + hello2 + eval, "-ERR what\r\n" + "-ERR what\r\n" + "+a\r\n"},
		{eval, "$260000\r\n" + strings.Repeat("x", 260000) + "\r\n"},
	} {
		for _, n := range []int{1, 7, 1 << 20} {
			if got, err := through(t, x.requests, x.said, n); err != nil || got != x.said {
				t.Errorf("after %q, of %.200q in pieces of %d there passed %.200q, %v", x.requests, x.said, n, got, err)
			}
		}
	}
}

func TestWhatNoRequestAskedForStops(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ requests, passes, said string }{
		{"", "", "+a\r\n"},
		{eval, "+a\r\n", "+b\r\n"},
		{eval, "", "*1\r\n+a\r\n"},
		{eval, "", greeting},
		{eval, "", "*-1\r\n"},
		{hello3, "", "+OK\r\n"},
		{hello3, "", ">0\r\n"},
		{hello3, greeting, message3},
		{hello3 + eval, greeting, heard3},
		{hello3 + eval, greeting, message3},
		{hello3 + listen, greeting, "+QUEUED\r\n"},
		{hello3 + listen, greeting, "-QUEUED\r\n"},
		{hello3 + listen, greeting, heard2},
		{hello3 + listen, greeting, message2},
		{hello3 + listen, greeting + heard3, heard3},
		{hello3 + eval + listen, greeting, heard3},
		{hello3 + listen, greeting + heard3, ">2\r\n$9\r\nsubscribe\r\n$1\r\nt\r\n"},
		{hello3 + listen, greeting + heard3, ">3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$-1\r\n"},
		{hello3 + listen, greeting + heard3, ">3\r\n$7\r\nmessage\r\n$1\r\nt\r\n*1\r\n:1\r\n"},
		{hello3 + listen, greeting + heard3, ">3\r\n$11\r\nunsubscribe\r\n$1\r\nt\r\n:0\r\n"},
		{hello2 + listen, "*0\r\n", heard3},
		{hello2 + listen, "*0\r\n", message3},
		{hello2 + listen + ping, "*0\r\n" + heard2, "*2\r\n$4\r\npang\r\n$0\r\n\r\n"},
		{hello2 + ping, "*0\r\n", heard2},
		{eval, "", "$-2\r\n"}, {eval, "", "$+1\r\na\r\n"}, {eval, "", "$01x\r\n"}, {eval, "", "$\r\n"}, {eval, "", "$1\r\nabc"}, {eval, "", "$262144\r\n"},
		{eval, "", "=-1\r\n"}, {eval, "", "!-1\r\n"}, {eval, "", ":\r\n"}, {eval, "", ":1.5\r\n"}, {eval, "", "_x\r\n"}, {eval, "", "#x\r\n"}, {eval, "", ".\r\n"},
		{eval, "", "+a\n"}, {eval, "", "+a\rb\r\n"}, {eval, "", "\r\n"}, {eval, "", "|1\r\n"}, {eval, "", "+" + strings.Repeat("a", mostLine)},
		{hello3, "", strings.Repeat("*1\r\n", mostDepth+1)}, {hello3, "", "*5000\r\n"}, {hello3, "", "%3000\r\n"}, {hello3, "", "*1\r\n>1\r\n"}, {hello3, "", "*-2\r\n"}, {hello3, "", "%-1\r\n"},
		{hello3, "", "*3\r\n$100000\r\n" + strings.Repeat("x", 100000) + "\r\n$100000\r\n" + strings.Repeat("x", 100000) + "\r\n$100000\r\n"},
	} {
		for _, n := range []int{1, 7, 1 << 20} {
			got, err := through(t, x.requests, x.passes+x.said, n)
			if !errors.Is(err, limiter.ErrNonsense) || got != x.passes {
				t.Errorf("after %q, of %.200q in pieces of %d there passed %.200q, %v", x.requests, x.passes+x.said, n, got, err)
			}
		}
	}
}

func TestWhatTheLibraryMustNotAskForIsNotSent(t *testing.T) {
	t.Parallel()
	for _, request := range []string{
		"PING\r\n", "*0\r\n", "*-1\r\n", "*1\r\n$-1\r\n", "*1\r\n:1\r\n", "*2\r\n$9\r\npsubscribe\r\n$1\r\nt\r\n", "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n",
		"*1\r\n$5\r\nMULTI\r\n", "*1\r\n$11\r\nUNSUBSCRIBE\r\n", "*99999999999999999999999\r\n",
	} {
		conn := &pieces{}
		g := &gate{Conn: conn, broken: func() { t.Error("the server is blamed") }}
		if _, err := g.Write([]byte(request)); !errors.Is(err, errWritten) || !conn.closed {
			t.Errorf("%q: %v, closed: %v", request, err, conn.closed)
		}
	}
}

// FuzzWhatPassesTheGateIsWhole: however what the server says is cut, the same passes, in
// whole replies, at most as many as were asked for beside messages.
func FuzzWhatPassesTheGateIsWhole(f *testing.F) {
	for _, said := range []string{greeting, heard3, heard2, message3, message2, "+a\r\n", "*-5\r\n", "$-1\r\n", "%1\r\n+a\r\n*2\r\n:1\r\n_\r\n"} {
		f.Add(uint8(0), said+said, uint8(3))
		f.Add(uint8(1), greeting+said, uint8(1))
		f.Add(uint8(2), greeting+heard3+said, uint8(200))
		f.Add(uint8(3), "*0\r\n"+heard2+said, uint8(5))
	}
	all := []string{eval + eval, hello3 + eval, hello3 + listen + eval, hello2 + listen + ping}
	f.Fuzz(func(t *testing.T, which uint8, said string, n uint8) {
		requests := all[int(which)%len(all)]
		one, err := through(t, requests, said, 1<<20)
		other, err2 := through(t, requests, said, int(n)+1)
		if one != other || errors.Is(err, limiter.ErrNonsense) != errors.Is(err2, limiter.ErrNonsense) || !strings.HasPrefix(said, one) {
			t.Fatalf("%q passes whole and %q in pieces, %v and %v", one, other, err, err2)
		}
		replies := 0
		for rest := []byte(one); len(rest) > 0; {
			var s scanner
			done, err := s.scan(rest)
			if !done || err != nil {
				t.Fatalf("%q passed, which is no whole reply: %v", rest, err)
			}
			if !isMessage(rest[:s.pos]) {
				replies++
			}
			rest = rest[s.pos:]
		}
		if replies > 3 {
			t.Errorf("%d replies passed", replies)
		}
	})
}
