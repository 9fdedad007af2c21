package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxWeight is the largest weight that can be set at run time.
const maxWeight = 1_000_000

// state is for load balancers and supervisors: 200 while questions are taken, 503 before
// that and from the moment that the gateway stops. It asks neither the store nor a channel,
// and says of the store and of shared limits only what is known: a gateway that counts alone
// is in order, and one whose store is lost answers what keeps no conversation.
func (s *Server) state(w http.ResponseWriter, _ *http.Request) error {
	status, word, health := http.StatusOK, "ok", s.health()
	switch {
	case health.Stopping:
		status, word = http.StatusServiceUnavailable, "stopping"
	case health.Starting:
		status, word = http.StatusServiceUnavailable, "starting"
	}
	kept := map[bool]string{true: "ok", false: "lost"}[health.Store]
	body := map[string]any{"status": word, "store": kept, "uptime_seconds": int(time.Since(s.began).Seconds())}
	if health.Configuration != "" {
		body["configuration"] = health.Configuration
	}
	if s.shared != nil {
		body["differing"] = health.Differing
		body["shared"] = map[bool]string{true: "ok", false: "alone"}[s.shared().Up]
	}
	return reply(w, status, body)
}

// alive is for supervisors that restart what does not answer.
func (s *Server) alive(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, map[string]any{"status": "ok"})
}

func (s *Server) channels(w http.ResponseWriter, _ *http.Request) error {
	var weights []revision.Weight
	if s.book != nil {
		weights = s.book.Weights()
	}
	return reply(w, http.StatusOK, map[string]any{"channels": s.g.Channels(), "set_at_run_time": s.setAtRunTime(weights), "set_on": setOn})
}

// setWeight gives a channel another weight for as long as the process lives.
func (s *Server) setWeight(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Weight int `json:"weight"`
	}
	if err := read(r, &in); err != nil {
		return err
	}
	if in.Weight < 1 || in.Weight > maxWeight {
		return translate.Invalid("want a weight from 1 to " + strconv.Itoa(maxWeight))
	}
	return s.weigh(w, r, in.Weight)
}

// unsetWeight gives a channel the weight of the file again.
func (s *Server) unsetWeight(w http.ResponseWriter, r *http.Request) error { return s.weigh(w, r, 0) }

func (s *Server) weigh(w http.ResponseWriter, r *http.Request, weight int) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	err := s.book.SetWeight(r.PathValue("id"), weight, author(r))
	if errors.Is(err, revision.ErrNoChannel) {
		return &translate.Error{Code: translate.CodeNotFound, Message: err.Error()}
	}
	if err != nil {
		return err
	}
	for _, c := range s.g.Channels() {
		if c.ID == r.PathValue("id") {
			weight = c.Weight
		}
	}
	return reply(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "weight": weight})
}

// force holds a channel's breakers open or closed, drains it, or leaves it to itself.
func force(f channel.Force) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		if err := s.g.Force(r.PathValue("id"), f); err != nil {
			return &translate.Error{Code: translate.CodeNotFound, Message: "there is no such channel", Cause: err}
		}
		return reply(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "forced": f.String()})
	}
}

// failures lists the newest attempts on a channel that failed.
func (s *Server) failures(w http.ResponseWriter, r *http.Request) error {
	limit, err := count(r.URL.Query().Get("limit"), 50, 1000)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	known := slices.ContainsFunc(s.g.Channels(), func(c proxy.ChannelState) bool { return c.ID == id })
	list := s.g.Traces().Failures(id, limit)
	if !known && len(list) == 0 {
		return &translate.Error{Code: translate.CodeNotFound, Message: "there is no such channel"}
	}
	return reply(w, http.StatusOK, map[string]any{"failures": append([]journal.Failed{}, list...)})
}
