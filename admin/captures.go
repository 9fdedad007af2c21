package admin

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// captureJSON asks for a capture.
type captureJSON struct {
	Caller  string `json:"caller"`
	Seconds int    `json:"seconds"` // for so long, an hour at most
}

// captureLimits is the budget of all captures.
type captureLimits struct {
	Seconds   int   `json:"seconds"` // of one capture, and that an exchange is kept
	Callers   int   `json:"callers"`
	Exchanges int   `json:"exchanges"`
	Bytes     int64 `json:"bytes"`
	FormBytes int   `json:"form_bytes"`
}

// captures says whose exchanges are kept, and of which exchanges there are forms.
func (s *Server) captures(w http.ResponseWriter, _ *http.Request) error {
	on, kept, bytes := s.g.Captures().State()
	most := captureLimits{int(capture.MostTime.Seconds()), capture.MostCallers, capture.MostExchanges, capture.MostBytes, capture.FormBytes}
	return reply(w, http.StatusOK, map[string]any{"captures": append([]capture.Capture{}, on...), "exchanges": append([]capture.Kept{}, kept...), "bytes": bytes, "most": most})
}

// startCapture keeps the exchanges of a caller from now on, for as long as the call says.
func (s *Server) startCapture(w http.ResponseWriter, r *http.Request) error {
	var in captureJSON
	if err := read(r, &in); err != nil {
		return err
	}
	long := time.Duration(min(max(in.Seconds, 0), int(capture.MostTime.Seconds())+1)) * time.Second
	c, err := s.g.Captures().On(store.ShownCaller(in.Caller), author(r).Name, long)
	if err != nil {
		return err
	}
	s.log.Warn("an operator has switched on the capture of a caller's questions and answers", "caller", c.Caller, "until", c.Until, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, c)
}

// endCapture ends that of one caller.
func (s *Server) endCapture(w http.ResponseWriter, r *http.Request) error {
	caller := store.ShownCaller(r.PathValue("caller"))
	if !s.g.Captures().Off(caller) {
		return &translate.Error{Code: translate.CodeNotFound, Message: "this caller is not captured: it never was, or the capture is over"}
	}
	s.log.Warn("an operator has ended the capture of a caller's questions and answers", "caller", caller, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, map[string]any{"caller": caller, "ended": true})
}

// clearCaptures ends all captures and forgets what was kept.
func (s *Server) clearCaptures(w http.ResponseWriter, r *http.Request) error {
	n := s.g.Captures().Clear()
	s.log.Warn("an operator has ended all captures; what was kept is forgotten", "exchanges", n, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, map[string]any{"forgotten": n})
}

// captured shows the forms of one exchange. That somebody has read them is in the log.
func (s *Server) captured(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var at time.Time
	if text := q.Get("at"); text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return translate.Invalid("at wants the time of the question, as the exchange has it")
		}
	}
	forms, ok := s.g.Captured(r.PathValue("id"), q.Get("caller"), at)
	if !ok {
		return &translate.Error{Code: translate.CodeNotFound, Message: "nothing of this exchange was kept: its caller was not captured when it came, or it has made room for others"}
	}
	s.log.Warn("an operator has read the question and the answer of a captured exchange", "id", forms.ID, "caller", forms.Caller, "by", author(r).Name, "address", author(r).Address)
	return reply(w, http.StatusOK, forms)
}
