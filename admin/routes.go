package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxWeight is the largest weight that can be set at run time.
const maxWeight = 1_000_000

// route is one call of the API. handle writes its answer, or returns an error and
// has written nothing; a *translate.Error decides about the status.
type route struct {
	method, path string
	needs        right
	handle       func(s *Server, w http.ResponseWriter, r *http.Request) error
}

// routes is the table of all calls.
func routes() []route {
	return []route{
		{"GET", "/api/health", mayNothing, (*Server).health},
		{"GET", "/api/channels", mayRead, (*Server).channels},
		{"POST", "/api/channels/{id}/open", mayAll, force(channel.ForceOpen)},
		{"POST", "/api/channels/{id}/close", mayAll, force(channel.ForceClose)},
		{"POST", "/api/channels/{id}/drain", mayAll, force(channel.ForceDrain)},
		{"POST", "/api/channels/{id}/auto", mayAll, force(channel.ForceNothing)},
		{"PUT", "/api/channels/{id}/weight", mayAll, (*Server).setWeight},
		{"DELETE", "/api/channels/{id}/weight", mayAll, (*Server).unsetWeight},
		{"GET", "/api/exchanges", mayRead, (*Server).exchanges},
		{"GET", "/api/events", mayRead, (*Server).events},
		{"GET", "/api/conversations", mayRead, (*Server).conversations},
		{"GET", "/api/conversations/{id}", mayAll, (*Server).conversation},
		{"POST", "/api/conversations/{id}/clear", mayAll, (*Server).clear},
		{"DELETE", "/api/conversations/{id}", mayAll, (*Server).forget},
		{"GET", "/api/callers", mayRead, (*Server).callers},
		{"GET", "/api/limits", mayRead, (*Server).limits},
		{"GET", "/api/sockets", mayRead, (*Server).sockets},
		{"GET", "/api/openapi.json", mayNothing, (*Server).document},
		{"GET", "/api/explain/{id}", mayRead, (*Server).explain},
		{"POST", "/api/explain", mayRead, (*Server).foresee},
		{"GET", "/api/keys", mayRead, (*Server).keys},
		{"POST", "/api/keys", mayAll, (*Server).addKey},
		{"DELETE", "/api/keys/{id}", mayAll, (*Server).revokeKey},
		{"GET", "/api/ledger", mayRead, (*Server).ledger},
		{"POST", "/api/reload", mayAll, (*Server).reload},
		{"GET", "/api/configuration", mayRead, (*Server).configuration},
		{"POST", "/api/configuration/validate", mayAll, (*Server).validate},
		{"POST", "/api/configuration/diff", mayAll, (*Server).diff},
		{"POST", "/api/configuration/apply", mayAll, (*Server).apply},
		{"GET", "/api/configuration/history", mayRead, (*Server).history},
		{"GET", "/api/configuration/history/{revision}", mayRead, (*Server).revision},
		{"POST", "/api/configuration/rollback", mayAll, (*Server).rollback},
		{"GET", "/metrics", mayRead, (*Server).metrics},
	}
}

// health is for load balancers and supervisors: 200 while questions are taken, 503
// from the moment that the gateway stops. It looks at neither the store nor a channel, and
// says of shared limits only what is known: a gateway that counts alone is in order.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	status, word := http.StatusOK, "ok"
	if s.g.Draining() {
		status, word = http.StatusServiceUnavailable, "stopping"
	}
	body := map[string]any{"status": word, "uptime_seconds": int(time.Since(s.began).Seconds())}
	if s.shared != nil {
		body["shared"] = map[bool]string{true: "ok", false: "alone"}[s.shared().Up]
	}
	return reply(w, status, body)
}

func (s *Server) channels(w http.ResponseWriter, _ *http.Request) error {
	var weights []revision.Weight
	if s.book != nil {
		weights = s.book.Weights()
	}
	return reply(w, http.StatusOK, map[string]any{"channels": s.g.Channels(), "set_at_run_time": s.setAtRunTime(weights)})
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

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client has left
	return nil
}

// read decodes the body of r, a JSON object without unknown keys, into v.
func read(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF { // nothing may come behind it
			return nil
		}
	}
	if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
		return &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too long"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &translate.Error{Code: translate.CodeValidation, Message: "the body did not come in time"}
	}
	return &translate.Error{Code: translate.CodeValidation, Message: "the body is not the JSON that this call wants", Cause: err}
}

// fail writes err in the one form of errors. What is no *translate.Error is told as an
// internal one, whose words are in the log.
func fail(w http.ResponseWriter, err error) {
	if no := (*refusedError)(nil); errors.As(err, &no) {
		body := map[string]any{"code": no.code, "message": no.message}
		if no.problems != nil {
			body["problems"] = no.problems
		}
		_ = reply(w, no.status, map[string]any{"error": body})
		return
	}
	var e *translate.Error
	if !errors.As(err, &e) {
		e = &translate.Error{Code: translate.CodeInternal, Message: "internal error: the log says which"}
	}
	if e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.Retry+time.Second-1)/time.Second)))
	}
	_ = reply(w, e.Status(), map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message}})
}
