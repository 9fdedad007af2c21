package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// problemJSON is a line of a configuration that is wrong, or worth a second look.
type problemJSON struct {
	Line    int    `json:"line"` // 0: of none
	Path    string `json:"path"`
	Message string `json:"message"`
}

// refusedError is why a configuration was not applied: the lines that are wrong with it, or
// what stands against applying any.
type refusedError struct {
	status   int
	code     string
	message  string
	problems []problemJSON
}

func (e *refusedError) Error() string { return e.message }

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

// moment reads a time in RFC 3339; nothing is 0.
func moment(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, translate.Invalid("from and to want a time such as 2027-01-31T00:00:00Z")
	}
	return at.UnixMilli(), nil
}

func count(text string, standard, most int) (int, error) {
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, translate.Invalid("want a number from 0 to " + strconv.Itoa(most))
	}
	return n, nil
}
