package front

import "context"

// HandOver leaves what comes from now on to another process, which has the same listening
// socket. This one accepts no more connections and tells sockets to come back when their
// answers have ended. Requests on connections that are open are answered, and told that
// the connection ends with the answer. HandOver returns when no connection is open any
// more, or ctx has ended; Shutdown is called behind it. Of HandOver and Retire one is called,
// once, behind Listen.
func (s *Server) HandOver(ctx context.Context) { s.leave(ctx) }

// Retire is HandOver where no other process takes over: readiness ends at once, so that
// balancers send questions elsewhere.
func (s *Server) Retire(ctx context.Context) {
	s.retiring.Store(true)
	s.leave(ctx)
}

// Stopping reports whether Retire or Shutdown was called. It is safe for concurrent use.
func (s *Server) Stopping() bool { return s.retiring.Load() || s.ending() }

func (s *Server) leave(ctx context.Context) {
	s.mu.Lock()
	s.leaving.Store(true)
	sockets := make([]*session, 0, len(s.open))
	for one := range s.open {
		// Not a stream: its client may have been told that it may ask on.
		if socket, ok := one.(*session); ok {
			sockets = append(sockets, socket)
		}
	}
	ln := s.ln
	s.mu.Unlock()
	_ = ln.Close()
	for _, one := range sockets {
		one.goAway()
	}
	select {
	case <-ln.Emptied():
	case <-ctx.Done():
	}
}
