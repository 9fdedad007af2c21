package admin

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// keyJSON is a stored key as the API shows it, without what it is.
type keyJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Group   string     `json:"group,omitempty"`
	Models  []string   `json:"models,omitempty"`
	Limits  string     `json:"limits,omitempty"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Key     string     `json:"key,omitempty"` // only in the answer that made it
}

func shown(k *store.Key) keyJSON {
	out := keyJSON{ID: k.ID, Name: k.Name, Group: k.Group, Models: k.Models, Limits: k.Limits, Created: time.UnixMilli(k.Created).UTC()}
	if k.Expires != 0 {
		at := time.UnixMilli(k.Expires).UTC()
		out.Expires = &at
	}
	return out
}

func (s *Server) keys(w http.ResponseWriter, r *http.Request) error {
	all, err := s.g.Keys(r.Context())
	if err != nil {
		return err
	}
	list := make([]keyJSON, 0, len(all))
	for i := range all {
		list = append(list, shown(&all[i]))
	}
	return reply(w, http.StatusOK, map[string]any{"keys": list})
}

// addKey makes a key. It is in this answer and nowhere else.
func (s *Server) addKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name    string    `json:"name"`
		Group   string    `json:"group"`
		Models  []string  `json:"models"`
		Limits  string    `json:"limits"`
		Expires time.Time `json:"expires"`
	}
	if err := read(r, &in); err != nil {
		return err
	}
	access := config.Access{Group: in.Group, Models: in.Models}
	if in.Limits != "" {
		access.Limits = strings.Split(in.Limits, ",") // as the command takes them
	}
	secret, k, err := s.g.MakeKey(r.Context(), in.Name, access, in.Expires)
	if err != nil {
		return err
	}
	out := shown(k)
	out.Key = secret
	return reply(w, http.StatusCreated, out)
}

func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	err := s.g.RevokeKey(r.Context(), r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return &translate.Error{Code: translate.CodeNotFound, Message: "there is no such key"}
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "revoked": true})
}

// ledger shows rows and, where no single request is asked for, their sums.
func (s *Server) ledger(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := store.EntryFilter{Request: q.Get("request"), Caller: q.Get("caller"), Rule: q.Get("limits"), Requests: q.Get("attempts") == "false"}
	var err error
	if f.From, err = moment(q.Get("from")); err != nil {
		return err
	}
	if f.To, err = moment(q.Get("to")); err != nil {
		return err
	}
	if f.Limit, err = count(q.Get("limit"), 100, 1000); err != nil {
		return err
	}
	if f.Offset, err = count(q.Get("offset"), 0, 1<<30); err != nil {
		return err
	}
	rows, err := s.g.Entries(r.Context(), f)
	if err != nil {
		return err
	}
	totals, err := s.g.Totals(r.Context(), f)
	if err != nil {
		return err
	}
	list := make([]rowJSON, 0, len(rows))
	for i := range rows {
		list = append(list, rowOf(&rows[i]))
	}
	return reply(w, http.StatusOK, map[string]any{"rows": list, "totals": map[string]any{
		"requests": totals.Requests, "input_tokens": totals.Input, "output_tokens": totals.Output, "cached_tokens": totals.Cached,
		"cost": float64(totals.Cost) / 1e9,
	}})
}

// rowJSON is a row of the ledger; times are in milliseconds.
type rowJSON struct {
	Request   string    `json:"request"`
	Attempt   int       `json:"attempt"`
	At        time.Time `json:"at"`
	Caller    string    `json:"caller"`
	Group     string    `json:"group,omitempty"`
	Limits    string    `json:"limits,omitempty"`
	User      string    `json:"user,omitempty"`
	Front     string    `json:"front"`
	Model     string    `json:"model"`
	Channel   string    `json:"channel,omitempty"`
	Key       int       `json:"key"`
	Upstream  string    `json:"upstream,omitempty"`
	Outcome   string    `json:"outcome"`
	Status    int       `json:"status"`
	Input     int64     `json:"input_tokens"`
	Output    int64     `json:"output_tokens"`
	Cached    int64     `json:"cached_tokens"`
	Estimated bool      `json:"estimated"`
	Cost      float64   `json:"cost"`
	Queue     float64   `json:"queue_ms"`
	Open      float64   `json:"open_ms"`
	First     float64   `json:"first_ms"`
	Took      float64   `json:"took_ms"`
	Count     int64     `json:"count"`              // requests that the row stands for
	Endpoint  string    `json:"endpoint,omitempty"` // path that was asked beside chat
	Sound     float64   `json:"sound_seconds,omitempty"`
	Images    int64     `json:"images,omitempty"`
}

func rowOf(e *store.Entry) rowJSON {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return rowJSON{
		Request: e.Request, Attempt: e.Attempt, At: at(e.At), Caller: store.ShownCaller(e.Caller), Group: e.Group, Limits: e.Rule, User: e.User,
		Front: e.Front, Model: e.Model, Channel: e.Channel, Key: e.Key, Upstream: e.Upstream, Outcome: e.Outcome, Status: e.Status,
		Input: e.Input, Output: e.Output, Cached: e.Cached, Estimated: e.Estimated, Cost: float64(e.Cost) / 1e9,
		Queue: ms(e.Queue), Open: ms(e.Open), First: ms(e.First), Took: ms(e.Took), Count: e.Count,
		Endpoint: e.Endpoint, Sound: float64(e.Sound) / 1000, Images: e.Images,
	}
}

// at is a stored time as JSON can say it: a damaged one must not keep the other rows
// from being shown.
func at(ms int64) time.Time { return time.UnixMilli(min(max(ms, 0), store.LastTime)).UTC() }
