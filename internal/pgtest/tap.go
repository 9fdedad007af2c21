package pgtest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/tcptest"
)

// Tap stands between clients and a server, and counts the round trips of the clients: how
// often one of them asks for something and waits for the answer. It is safe for concurrent use.
type Tap struct {
	at *tcptest.Server

	mu    sync.Mutex
	trips []string // the statements of each, one to a line
}

// StartTap has one before s until the test ends. Clients reach it without TLS.
func StartTap(t testing.TB, s *Server) *Tap {
	t.Helper()
	p := &Tap{}
	p.at = tcptest.Serve(t, func(at *tcptest.Server, client net.Conn) {
		at.Relay(client, "127.0.0.1:"+s.port, p.pass, func(to, from net.Conn) { _, _ = io.Copy(to, from) })
	})
	return p
}

// Through returns url, which s returned, by way of the tap.
func (p *Tap) Through(s *Server, url string) string {
	return strings.Replace(url, "127.0.0.1:"+s.port, p.at.Addr(), 1)
}

// Trips returns the statements of each round trip since the last call, those of one trip one
// to a line, and forgets them. What only prepares statements is not among them.
func (p *Tap) Trips() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.trips
	p.trips = nil
	return all
}

// pass gives the server what a client sends, after it is counted:
// https://www.postgresql.org/docs/current/protocol-message-formats.html. The first message has
// no kind; Bind and Execute name what Parse has made.
func (p *Tap) pass(server, client net.Conn) {
	prepared, asked := map[string]string{}, []string(nil)
	for head := 4; ; head = 5 {
		all, err := message(client, head)
		if err != nil {
			return
		}
		kind := all[0]
		switch first, rest := word(all[head:]); {
		case head == 4: // the lengths of what follows are no kinds
			kind = 0
		case kind == 'P':
			prepared[first], _ = word(rest)
		case kind == 'B':
			name, _ := word(rest)
			asked = append(asked, prepared[name])
		case kind == 'Q':
			asked = append(asked, first)
		}
		if (kind == 'S' || kind == 'Q') && len(asked) > 0 {
			p.mu.Lock()
			p.trips = append(p.trips, strings.Join(asked, "\n"))
			p.mu.Unlock()
			asked = nil
		}
		if _, err := server.Write(all); err != nil {
			return
		}
	}
}

// message reads one whose first bytes end with a length, which counts itself and what
// follows.
func message(from io.Reader, head int) ([]byte, error) {
	all := make([]byte, head)
	if _, err := io.ReadFull(from, all); err != nil {
		return nil, err
	}
	rest := max(4, binary.BigEndian.Uint32(all[head-4:])) - 4
	all = append(all, make([]byte, rest)...)
	_, err := io.ReadFull(from, all[head:])
	return all, err
}

// word cuts a text off that ends with a NUL.
func word(b []byte) (string, []byte) {
	first, rest, _ := bytes.Cut(b, []byte{0})
	return string(first), rest
}
