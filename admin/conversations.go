package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// conversationJSON is a conversation in a list. What was said in it is not there.
type conversationJSON struct {
	ID       string    `json:"id"`
	Number   int64     `json:"number"`
	User     string    `json:"user"`
	Group    string    `json:"group"`
	Model    string    `json:"model"`
	Messages int       `json:"messages"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

// messageJSON is one message as it is stored.
type messageJSON struct {
	Role  string    `json:"role"`
	Text  string    `json:"text"`
	Parts int       `json:"parts"` // beside the text: images, calls and others
	At    time.Time `json:"at"`
	Said  bool      `json:"said"` // false: failed, superseded or broken off, and told to no model
}

// owner is the caller whose conversations are meant.
func owner(r *http.Request) (string, error) {
	name := r.URL.Query().Get("caller")
	if name == "" {
		return "", translate.Invalid("want ?caller=NAME: conversations belong to callers")
	}
	return name, nil
}

// conversations lists those of one caller, the one that was changed last first.
func (s *Server) conversations(w http.ResponseWriter, r *http.Request) error {
	name, err := owner(r)
	if err != nil {
		return err
	}
	f := store.Filter{Owner: name}
	q := r.URL.Query()
	if f.Limit, err = count(q.Get("limit"), 100, 1000); err != nil {
		return err
	}
	f.Limit = max(f.Limit, 1)
	if f.Offset, err = count(q.Get("offset"), 0, 1<<30); err != nil {
		return err
	}
	page, total, err := s.g.Store().List(r.Context(), f)
	if err != nil {
		return err
	}
	list := make([]conversationJSON, 0, len(page))
	for i := range page {
		c := &page[i]
		list = append(list, conversationJSON{c.ID, c.Num, c.User, c.Group, c.Model, c.Messages, at(c.Created), at(c.Updated)})
	}
	return reply(w, http.StatusOK, map[string]any{"conversations": list, "total": total})
}

// conversation shows what was said in one. That somebody has read it is in the log.
func (s *Server) conversation(w http.ResponseWriter, r *http.Request) error {
	name, err := owner(r)
	if err != nil {
		return err
	}
	window := store.Window{}
	if window.Messages, err = count(r.URL.Query().Get("limit"), 200, 10_000); err != nil {
		return err
	}
	window.Messages, window.Bytes = max(window.Messages, 1), readBytes
	c, err := s.g.Store().Load(r.Context(), name, store.Ref{ID: r.PathValue("id")}, window)
	if err != nil {
		return unknown(err)
	}
	s.log.Warn("an operator has read a conversation", "conversation", c.ID, "caller", store.ShownCaller(name), "by", author(r).Name, "address", author(r).Address)
	list := make([]messageJSON, 0, len(c.Messages))
	for i := range c.Messages {
		m := &c.Messages[i]
		one := messageJSON{Role: m.Role.String(), At: at(m.At), Said: m.Plain()}
		for _, p := range m.Parts {
			if p.Kind == translate.PartText {
				one.Text += p.Text
			} else {
				one.Parts++
			}
		}
		list = append(list, one)
	}
	return reply(w, http.StatusOK, map[string]any{"id": c.ID, "number": c.Num, "caller": store.ShownCaller(name), "user": c.User, "group": c.Group, "model": c.Model, "skipped": c.Skipped, "messages": list})
}

// readBytes bounds how much of a conversation one call shows.
const readBytes = 4 << 20

// clear removes what was said in one.
func (s *Server) clear(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "cleared", s.g.Conversations().Clear)
}

// forget deletes one.
func (s *Server) forget(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, "deleted", s.g.Conversations().Delete)
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, done string, by func(ctx context.Context, owner, id string) error) error {
	name, err := owner(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := by(r.Context(), name, id); err != nil {
		return unknown(err)
	}
	s.log.Warn("an operator has changed a conversation", "conversation", id, "caller", store.ShownCaller(name), "what", done, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, map[string]any{"id": id, done: true})
}

func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &translate.Error{Code: translate.CodeConversation, Message: "this caller has no such conversation", Cause: err}
	}
	return err
}
