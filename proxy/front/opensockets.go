package front

import (
	"cmp"
	"slices"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/store"
)

// Socket is one connection of a front with sockets.
type Socket struct {
	ID      string // tells it from all others of this process
	Request string // id of the request that opened it, as the log has it
	Front   string
	Caller  string // empty: it has not signed in
	Address string // the network of its client: an IPv4 address by its /24, an IPv6 one by its /48
	Since   time.Time
	Turns   int       // questions that are being answered
	Queued  int       // frames that wait: for their turn (chatnio), or to be written (iagent)
	Heard   time.Time // when the client last gave a sign of life
	Ping    time.Time // when it last answered a ping; zero: not yet
}

// OpenSockets returns every open socket, the oldest first. It is safe for concurrent use.
func (s *Server) OpenSockets() []Socket {
	sessions := s.socketSessions()
	all := make([]Socket, 0, len(sessions))
	for _, one := range sessions {
		f := one.facts.Load()
		k := Socket{ID: f.id(), Request: one.id, Front: f.front, Address: store.NetworkOf(f.address), Since: milliTime(f.since), Heard: milliTime(one.heard.Load()), Ping: milliTime(one.pongAt.Load())}
		if name := one.owner.Load(); name != nil {
			k.Caller = *name
		}
		k.Turns, k.Queued = f.of.load()
		all = append(all, k)
	}
	return all
}

// socketSessions are those that operators see, the oldest first.
func (s *Server) socketSessions() (all []*session) {
	s.mu.Lock()
	for one := range s.open {
		if k, ok := one.(*session); ok && k.facts.Load() != nil {
			all = append(all, k)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.facts.Load().number, b.facts.Load().number) })
	return all
}

// CloseSocket closes the socket with id, see [Socket], and ends the answers that run on it
// as if its client had left; the client reads code 1008. It reports whether there was such a
// socket. It is safe for concurrent use.
func (s *Server) CloseSocket(id string) bool {
	for _, one := range s.socketSessions() {
		if one.facts.Load().id() == id {
			one.dismiss()
			return true
		}
	}
	return false
}

// dismiss ends the session for the operator.
func (s *session) dismiss() {
	s.life.RLock()
	if !s.ended {
		s.close(websocket.ClosePolicyViolation, "closed by the operator")
	}
	s.life.RUnlock()
	s.giveUp()
}
