// Package tcptest has what the servers of tests have in common that speak no HTTP.
package tcptest

import (
	"net"
	"sync"
	"testing"
)

// Server gives each connection that it accepts to a function. It listens at an address of its
// own. It is safe for concurrent use.
type Server struct {
	ln     net.Listener
	served sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool // nil: it has ended
}

// Serve has one until the test ends, which then closes its connections and waits for serve. A
// connection is closed when serve returns, which is told the server: the first may come at once.
func Serve(t testing.TB, serve func(*Server, net.Conn)) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{ln: ln, open: map[net.Conn]bool{}}
	s.served.Go(func() { s.accept(serve) })
	t.Cleanup(func() {
		_ = ln.Close()
		s.mu.Lock()
		for conn := range s.open {
			_ = conn.Close()
		}
		s.open = nil
		s.mu.Unlock()
		s.served.Wait()
	})
	return s
}

// Addr is where it listens: host:port.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Cut closes all connections.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close()
	}
}

// Relay connects client with the server at target until one of them is closed. It returns when
// there and back have, which copy the bytes of the two directions.
func (s *Server) Relay(client net.Conn, target string, there, back func(to, from net.Conn)) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer s.drop(server)
	if !s.keep(server) {
		return
	}
	var returns sync.WaitGroup
	returns.Go(func() {
		defer func() { _ = recover() }()
		defer func() { _ = client.Close() }()
		back(client, server)
	})
	there(server, client)
	_ = server.Close()
	returns.Wait()
}

func (s *Server) accept(serve func(*Server, net.Conn)) {
	defer func() { _ = recover() }()
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.served.Go(func() {
			defer func() { _ = recover() }()
			defer s.drop(conn)
			if s.keep(conn) {
				serve(s, conn)
			}
		})
	}
}

// keep reports whether s is there to close conn; if not, it has ended.
func (s *Server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[conn] = true
	return true
}

func (s *Server) drop(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}
