package admin

import (
	"net/http"
	"strconv"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// exchanges lists the newest ones: those that have ended, or with ?state=running those that
// have not. ?before= is the cursor of the last one that was seen.
func (s *Server) exchanges(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := journal.Filter{Front: q.Get("front"), Caller: q.Get("caller"), Model: q.Get("model"), Channel: q.Get("channel"), Outcome: q.Get("outcome")}
	var err error
	if f.Limit, err = count(q.Get("limit"), 100, 1000); err != nil {
		return err
	}
	if before := q.Get("before"); before != "" {
		if f.Before, err = strconv.ParseUint(before, 10, 64); err != nil {
			return translate.Invalid("before wants the cursor of an exchange")
		}
	}
	var list []journal.Summary
	switch q.Get("state") {
	case "", "done":
		list = s.g.Traces().Recent(f)
	case "running":
		list = s.g.Traces().Running(f)
	default:
		return translate.Invalid("state wants running or done")
	}
	next := uint64(0)
	if n := len(list); n > 0 && n == f.Limit {
		next = list[n-1].Cursor
	}
	return reply(w, http.StatusOK, map[string]any{"exchanges": append([]journal.Summary{}, list...), "next": next})
}
