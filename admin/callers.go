package admin

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
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

// Bounds of what is told of the use of limits.
const (
	usesMost  = 100
	closeFrom = 0.8 // a limit of which so much is used is nearly exhausted
)

// limits lists them by name, with how they are used and who was refused lately.
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
	return reply(w, http.StatusOK, map[string]any{"limits": all, "use": s.g.LimitUses(usesMost), "refused": s.g.Refused(), "this_process_only": s.g.LimitsShared()})
}

// foreseeLimits says whether the limits would let a question in.
func (s *Server) foreseeLimits(w http.ResponseWriter, r *http.Request) error {
	var q proxy.LimitQuestion
	if err := read(r, &q); err != nil {
		return err
	}
	f, err := s.g.ForeseeLimits(r.Context(), q)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, f)
}

// nearLimits are those that are nearly exhausted. It is asked for at most every five seconds.
func (s *Server) nearLimits(now time.Time) []proxy.LimitUse {
	h := &s.past
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.looked) >= journal.SlotTime {
		h.looked, h.near = now, []proxy.LimitUse{}
		for _, u := range s.g.LimitUses(nearMost) {
			if u.Used >= closeFrom*u.Of {
				h.near = append(h.near, u)
			}
		}
	}
	return h.near
}

// nearMost is how many nearly exhausted limits an overview has at most.
const nearMost = 5
