package front

import (
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate/chatnio"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// Sockets is how many connections a caller has open on a front with sockets.
type Sockets struct {
	Front string
	// Caller is its name; empty: of all that have not signed in.
	Caller string
	Open   int
}

// Sockets returns how many there are, by front and caller. Addresses of clients are not told.
func (s *Server) Sockets() (all []Sockets) {
	all = append(s.chats.list(chatnio.Dialect.Name()), s.sockets.list(iagent.Dialect.Name())...)
	all = append(all, s.asking.list(responses.Dialect.Name())...)
	slices.SortFunc(all, func(a, b Sockets) int {
		if n := strings.Compare(a.Front, b.Front); n != 0 {
			return n
		}
		return strings.Compare(a.Caller, b.Caller)
	})
	return all
}

// list is what was counted, under the name of front.
func (c *counts) list(front string) (all []Sockets) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nameless := Sockets{Front: front}
	for name, n := range c.of {
		if strings.HasPrefix(name, strangerAt("")) {
			nameless.Open += n
			continue
		}
		all = append(all, Sockets{Front: front, Caller: name, Open: n})
	}
	if nameless.Open > 0 {
		all = append(all, nameless)
	}
	return all
}
