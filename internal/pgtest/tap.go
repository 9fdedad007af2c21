package pgtest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Tap stands between clients and a server, and counts the round trips of the clients: how
// often one of them asks for something and waits for the answer. It is safe for concurrent use.
type Tap struct {
	ln   net.Listener
	to   string
	done sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]bool // nil: the tap is closed
	trips []string          // the statements of each, one to a line
}

// StartTap has one before s until the test ends. Clients reach it without TLS.
func StartTap(t testing.TB, s *Server) *Tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Tap{ln: ln, to: "127.0.0.1:" + s.port, open: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.mu.Lock()
		for c := range p.open {
			_ = c.Close()
		}
		p.open = nil
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

// Through returns url, which s returned, by way of the tap.
func (p *Tap) Through(s *Server, url string) string {
	return strings.Replace(url, "127.0.0.1:"+s.port, p.ln.Addr().String(), 1)
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

// keep notes connections that the end of the test ends; false: it has ended.
func (p *Tap) keep(all ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return false
	}
	for _, c := range all {
		p.open[c] = true
	}
	return true
}

func (p *Tap) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() {
			defer func() { _ = client.Close() }()
			server, err := net.Dial("tcp", p.to)
			if err != nil {
				return
			}
			defer func() { _ = server.Close() }()
			if !p.keep(client, server) {
				return
			}
			var back sync.WaitGroup
			back.Go(func() {
				_, _ = io.Copy(client, server) // until one of them ends
				_ = client.Close()
			})
			p.pass(client, server)
			_ = server.Close()
			back.Wait()
		})
	}
}

// pass gives the server what a client sends, after it is counted:
// https://www.postgresql.org/docs/current/protocol-message-formats.html. The first message has
// no kind; Bind and Execute name what Parse has made.
func (p *Tap) pass(client io.Reader, server io.Writer) {
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
