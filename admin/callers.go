package admin

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// callerJSON is a caller of the configuration, without a key.
type callerJSON struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"` // key, anonymous or jwt: all with a signed token
	Group   string     `json:"group"`
	Limits  []string   `json:"limits"`
	Models  []string   `json:"models"` // empty: all
	Expires *time.Time `json:"expires"`
}

func callerOf(name, kind string, a *config.Access) callerJSON {
	return callerJSON{Name: name, Kind: kind, Group: a.Group, Limits: append([]string{}, a.Limits...), Models: append([]string{}, a.Models...)}
}

// callers lists who may ask by the configuration; keys of the store are in /api/keys.
func (s *Server) callers(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	c := &s.book.Config().Callers
	all := []callerJSON{}
	if c.Anonymous != nil {
		all = append(all, callerOf("anonymous", "anonymous", &c.Anonymous.Access))
	}
	for i := range c.Keys {
		k := &c.Keys[i]
		one := callerOf(k.Name, "key", &k.Access)
		if !k.Expires.IsZero() {
			one.Expires = &k.Expires
		}
		all = append(all, one)
	}
	if c.JWT != nil {
		all = append(all, callerOf(c.JWT.Prefix, "jwt", &c.JWT.Access))
	}
	return reply(w, http.StatusOK, map[string]any{"callers": all, "limits_of_all": append([]string{}, c.Limits...)})
}

// limitJSON is one set of limits of the configuration.
type limitJSON struct {
	Name       string  `json:"name"`
	Per        string  `json:"per"`
	Requests   string  `json:"requests"` // such as 20/m; empty: no limit
	Tokens     string  `json:"tokens"`
	Concurrent int     `json:"concurrent"` // 0: no limit
	Queue      bool    `json:"queue"`
	Budget     float64 `json:"budget"` // 0: none
	BudgetPer  string  `json:"budget_per"`
}

// limits lists them by name.
func (s *Server) limits(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	rules := s.book.Config().Limits
	all := []limitJSON{}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		l := rules[name]
		one := limitJSON{Name: name, Per: l.Per, Requests: l.Requests.String(), Tokens: l.Tokens.String(), Concurrent: l.Concurrent, Queue: l.Queue, Budget: l.Budget.Amount, BudgetPer: l.Budget.Per}
		if one.Per == "" {
			one.Per = "caller"
		}
		if l.Shared {
			one.Per = "all"
		}
		all = append(all, one)
	}
	return reply(w, http.StatusOK, map[string]any{"limits": all})
}
