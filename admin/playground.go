package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// maxPlayText is how long a question and its system text may be, in bytes each.
const maxPlayText = 64 << 10

// errNoPlayground: this server has no fronts to ask.
var errNoPlayground = &translate.Error{Code: translate.CodeNotFound, Message: "there is no playground here"}

// protocols lists those that the playground speaks.
func (s *Server) protocols(w http.ResponseWriter, _ *http.Request) error {
	list := []PlayProtocol{}
	if s.playground != nil {
		list = append(list, s.playground.Protocols()...)
	}
	return reply(w, http.StatusOK, map[string]any{"protocols": list})
}

// play puts a question to one of the gateway's own fronts, and streams what happens as
// server-sent events: each is a [PlayEvent] under its kind.
func (s *Server) play(w http.ResponseWriter, r *http.Request) error {
	var q PlayQuestion
	if err := read(r, &q); err != nil {
		return err
	}
	if s.playground == nil {
		return errNoPlayground
	}
	if q.Text == "" || len(q.Text) > maxPlayText || len(q.System) > maxPlayText {
		return translate.Invalid(fmt.Sprintf("text wants 1 to %d bytes, and system at most as many", maxPlayText))
	}
	s.log.Info("an operator asks in the playground", "protocol", q.Protocol, "by", author(r).Name, "address", author(r).Address)
	out := events{w: w, to: http.NewResponseController(w)}
	return s.playground.Ask(r.Context(), q, func(e PlayEvent) { out.tell(s, e.Kind, &e) })
}

// events writes server-sent events to one client.
type events struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	begun bool
}

// tell writes v, an event of a kind. A client that has left ends the context of its request.
func (o *events) tell(s *Server, kind string, v any) {
	if !o.begun {
		o.begun = true
		o.w.Header().Set("Content-Type", "text/event-stream")
		o.w.WriteHeader(http.StatusOK)
	}
	text, err := json.Marshal(v)
	if err != nil {
		s.log.Error("an event cannot be told", "event", kind, "err", err)
		return
	}
	_ = o.to.SetWriteDeadline(time.Now().Add(eventTime)) // a recorder of tests has none
	_, _ = fmt.Fprintf(o.w, "event: %s\ndata: %s\n\n", kind, text)
	_ = o.to.Flush()
}
