package admin

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/translate"
)

func problemsOf(all []config.Problem) []problemJSON {
	list := make([]problemJSON, 0, len(all))
	for _, p := range all {
		list = append(list, problemJSON(p))
	}
	return list
}

// textJSON is the body of the calls that take a configuration: its text, one revision of the
// history, or neither, which is the file as it is now.
type textJSON struct {
	Text     string `json:"text"`
	Revision int    `json:"revision"`
	// Base is the sum of what the change was made of; empty: of what runs.
	Base string `json:"base"`
}

// errNoBook: this server was started without a configuration to change.
var errNoBook = &translate.Error{Code: translate.CodeNotFound, Message: "there is no configuration to read again"}

// withBook refuses where there is no configuration to show, and reads the body into in, if
// that is not nil.
func (s *Server) withBook(r *http.Request, in *textJSON) error {
	if s.book == nil {
		return errNoBook
	}
	if in == nil {
		return nil
	}
	return read(r, in)
}

// configuration says what runs, and where it is from.
func (s *Server) configuration(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	p := s.book.Present()
	return reply(w, http.StatusOK, map[string]any{
		"file": p.File, "read_only": p.ReadOnly, "revision": p.Revision, "sum": p.Sum, "differs_from_file": p.File != "" && p.OnDisk != p.Sum, "file_sum": p.OnDisk,
		"text": p.Text, "text_hidden": p.Hidden, "restart": append([]string{}, p.Restart...), "warnings": problemsOf(p.Warnings),
		"set_at_run_time": s.setAtRunTime(p.Weights), "set_on": setOn,
	})
}

// setJSON is what of a channel differs from the file, for as long as the process lives.
type setJSON struct {
	Channel string `json:"channel"`
	What    string `json:"what"` // weight or breaker
	File    string `json:"file"`
	Now     string `json:"now"`
}

func (s *Server) setAtRunTime(weights []revision.Weight) []setJSON {
	all := []setJSON{}
	for _, w := range weights {
		all = append(all, setJSON{w.Channel, "weight", strconv.Itoa(w.File), strconv.Itoa(w.Now)})
	}
	for _, c := range s.g.Channels() {
		if c.Forced != "auto" {
			all = append(all, setJSON{c.ID, "breaker", "auto", c.Forced})
		}
	}
	return all
}

// compare says what the text, the revision or the file that in names would change.
func (s *Server) compare(in *textJSON) (*revision.Difference, error) {
	switch {
	case in.Text != "" && in.Revision != 0:
		return nil, translate.Invalid("want a text or a revision, not both")
	case in.Text != "":
		return s.book.Compare(in.Text)
	case in.Revision != 0:
		return s.book.CompareRevision(in.Revision)
	}
	return s.book.CompareFile()
}

// validate says what is wrong with a configuration, and what is worth a second look.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) error {
	var in textJSON
	if err := s.withBook(r, &in); err != nil {
		return err
	}
	d, err := s.compare(&in)
	if bad := (*config.Problems)(nil); errors.As(err, &bad) {
		return reply(w, http.StatusOK, map[string]any{"valid": false, "problems": problemsOf(bad.All), "warnings": []problemJSON{}})
	}
	if err != nil {
		return refused(err)
	}
	return reply(w, http.StatusOK, map[string]any{"valid": true, "problems": []problemJSON{}, "warnings": problemsOf(d.Warnings)})
}

// diff says what a configuration would change of what runs.
func (s *Server) diff(w http.ResponseWriter, r *http.Request) error {
	var in textJSON
	if err := s.withBook(r, &in); err != nil {
		return err
	}
	d, err := s.compare(&in)
	if err != nil {
		return refused(err)
	}
	return reply(w, http.StatusOK, map[string]any{"changes": append([]config.Change{}, d.Changes...), "restart": append([]string{}, d.Restart...)})
}

// author is who calls.
func author(r *http.Request) revision.Author {
	return revision.Author{Name: "admin.token", Address: from(r.RemoteAddr)}
}

// reload reads the configuration file again.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	return applied(w)(s.book.Reload(author(r)))
}

// apply writes a configuration to the file and puts it in the place of what runs.
func (s *Server) apply(w http.ResponseWriter, r *http.Request) error {
	var in textJSON
	if err := s.withBook(r, &in); err != nil {
		return err
	}
	if in.Text == "" || in.Revision != 0 {
		return translate.Invalid("want the text of a configuration; a rollback takes a revision, and a reload the file")
	}
	return applied(w)(s.book.Apply(in.Text, in.Base, author(r)))
}

// rollback does the same with a revision of the history.
func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	var in textJSON
	if err := s.withBook(r, &in); err != nil {
		return err
	}
	if in.Revision < 1 || in.Text != "" {
		return translate.Invalid("want the number of a revision of the history")
	}
	return applied(w)(s.book.Rollback(in.Revision, in.Base, author(r)))
}

// applied answers with what a change has done, or why it was refused.
func applied(w http.ResponseWriter) func(*revision.Applied, error) error {
	return func(done *revision.Applied, err error) error {
		if err != nil {
			return refused(err)
		}
		return reply(w, http.StatusOK, map[string]any{
			"status": "ok", "revision": done.Revision, "changes": append([]config.Change{}, done.Changes...), "restart": append([]string{}, done.Restart...),
		})
	}
}

func refused(err error) error {
	var bad *config.Problems
	var no *revision.Refusal
	switch {
	case errors.As(err, &bad):
		return &refusedError{http.StatusBadRequest, string(translate.CodeValidation), err.Error(), problemsOf(bad.All)}
	case errors.As(err, &no):
		return &refusedError{http.StatusConflict, "CONFLICT", no.Why, nil}
	case errors.Is(err, revision.ErrNoRevision):
		return &translate.Error{Code: translate.CodeNotFound, Message: err.Error()}
	}
	return &translate.Error{Code: translate.CodeValidation, Message: err.Error(), Cause: err}
}

// history lists what ran, the newest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"revisions": append([]revision.Revision{}, s.book.History()...)})
}

// revision shows one of them with its text, secrets masked.
func (s *Server) revision(w http.ResponseWriter, r *http.Request) error {
	if err := s.withBook(r, nil); err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("revision"))
	if err != nil {
		n = 0
	}
	one, err := s.book.Revision(n)
	if err != nil {
		return refused(err)
	}
	return reply(w, http.StatusOK, one)
}
