package admin

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// explain says what became of an exchange; n and caller choose among several with
// the same id.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	n, err := count(q.Get("n"), 0, 1<<30)
	if err != nil {
		return err
	}
	e, ok := s.g.ExplainOf(r.PathValue("id"), q.Get("caller"), n)
	if !ok {
		return &translate.Error{Code: translate.CodeNotFound, Message: "no exchange with this request id is known: there was none, or it is too long ago"}
	}
	return reply(w, http.StatusOK, e)
}

// foresee says where a question would go.
func (s *Server) foresee(w http.ResponseWriter, r *http.Request) error {
	var h proxy.Hypothesis
	if err := read(r, &h); err != nil {
		return err
	}
	if h.Key != "" && s.authorized(r) != mayAll {
		return &translate.Error{Code: translate.CodePermission, Message: "admin.read_token may not try keys: name the caller"}
	}
	e, err := s.g.Foresee(r.Context(), h)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, e)
}
