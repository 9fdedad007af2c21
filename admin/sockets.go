package admin

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Sockets tells of the open sockets of clients. It is safe for concurrent use.
type Sockets interface {
	// Counts returns how many there are by front and caller.
	Counts() []SocketCount
	// Open returns each one, the oldest first.
	Open() []Socket
	// Close closes the one with id, and reports whether there was one.
	Close(id string) bool
}

// SocketCount is how many sockets a caller has open on a front.
type SocketCount struct {
	Front  string `json:"front"`
	Caller string `json:"caller"` // empty: of all that have not signed in
	Open   int    `json:"open"`
}

// Socket is one of them.
type Socket struct {
	ID      string    `json:"id"`
	Request string    `json:"request"` // id of the request that opened it, as the log has it
	Front   string    `json:"front"`
	Caller  string    `json:"caller"`  // empty: it has not signed in
	Address string    `json:"address"` // the network of its client, not its address
	Since   time.Time `json:"since"`
	Turns   int       `json:"turns"`  // questions that are being answered
	Queued  int       `json:"queued"` // frames that wait: for their turn (chatnio), or to be written (iagent)
	Heard   time.Time `json:"heard"`  // when its client last gave a sign of life
	Ping    time.Time `json:"ping"`   // when it last answered a ping; 0001-01-01T00:00:00Z: not yet
}

// sockets lists them, and says how many connections each caller has open on each front.
func (s *Server) sockets(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, err := count(q.Get("limit"), 200, 10_000)
	if err != nil {
		return err
	}
	list, counts, total := []Socket{}, []SocketCount{}, 0
	if s.socketsOf != nil {
		counts = append(counts, s.socketsOf.Counts()...)
		for _, k := range s.socketsOf.Open() {
			if q.Has("front") && k.Front != q.Get("front") || q.Has("caller") && k.Caller != q.Get("caller") {
				continue
			}
			if total++; len(list) < limit {
				list = append(list, k)
			}
		}
	}
	return reply(w, http.StatusOK, map[string]any{"sockets": list, "total": total, "counts": counts})
}

// closeSocket closes one.
func (s *Server) closeSocket(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if s.socketsOf == nil || !s.socketsOf.Close(id) {
		return &translate.Error{Code: translate.CodeNotFound, Message: "there is no such socket: it was closed, or never open"}
	}
	s.log.Warn("an operator has closed a socket", "socket", id, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, map[string]any{"id": id, "closed": true})
}
