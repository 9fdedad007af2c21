package admin

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/translate"
)

// askCaptured is ask for a question that a front has had captured.
func (d *desk) askCaptured(id, body string) (caller string) {
	d.Helper()
	who, _ := d.g.Identify("", "192.0.2.1")
	m, bad := d.g.Resolve(who, "m")
	if bad != nil {
		d.Fatal(bad)
	}
	q := proxy.Question{ID: id, Front: "openai", Caller: who, Model: m, Request: &translate.Request{
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hello")}}}
	d.g.Capture(&q, []byte(body))
	x, err := d.g.Open(d.Context(), q)
	if err != nil {
		d.Fatal(err)
	}
	if _, err = x.Whole(); err != nil {
		d.Fatal(err)
	}
	q.Capture.Told([]byte("<i>hi</i>"))
	_ = x.Close()
	return who.Name
}

// capturing captures one question.
func (d *desk) capturing(id string) {
	d.Helper()
	who, _ := d.g.Identify("", "192.0.2.1")
	if w := d.call("POST", "/api/captures", quoted(map[string]any{"caller": who.Name, "seconds": 60})); w.Code != 200 {
		d.Fatal(w.Body)
	}
	d.askCaptured(id, "{}")
}

func TestCapturesAreSwitchedOnReadAndEndedByTheFullTokenAndLogged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var log bytes.Buffer
	d.s.log = slog.New(slog.NewTextHandler(&log, nil))
	who, _ := d.g.Identify("", "192.0.2.1")
	on := quoted(map[string]any{"caller": who.Name, "seconds": 60})
	if d.askCaptured("before", "{}"); strings.Contains(d.call("GET", "/api/captures", "").Body.String(), "before") {
		t.Error("it is kept of whom nobody captures")
	}
	for _, c := range [][3]string{{"POST", "/api/captures", on}, {"DELETE", "/api/captures"}, {"DELETE", "/api/captures/alice"}, {"GET", "/api/captures/exchanges/one"}} {
		d.wants(d.call(c[0], c[1], c[2], "Authorization", "Bearer "+readToken), 403, "PERMISSION_DENIED")
	}
	if w := d.call("POST", "/api/captures", on); w.Code != 200 {
		t.Fatal(w.Body)
	}
	d.askCaptured("one", `{"text":"the key is sk-hidden-1-and-more, <b>"}`)
	for _, at := range []string{"/api/captures", "/api/overview"} {
		if got := d.call("GET", at, "", "Authorization", "Bearer "+readToken).Body.String(); !strings.Contains(got, `"captures":[{"caller":"`+shownAsked+`"`) || strings.Contains(got, wholeAsked+`"`) || strings.Contains(got, "hello") {
			t.Errorf("%s: %s", at, got)
		}
	}
	var f capture.Forms
	if err := json.Unmarshal(d.call("GET", "/api/captures/exchanges/one", "").Body.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if f.Asked.Text != `{"text":"the key is [key], <b>"}` || !strings.Contains(f.Canonical.Text, `"hello"`) || f.Told.Text != "<i>hi</i>" || len(f.Attempts) != 1 || f.Attempts[0].Channel != "a" || f.Caller != shownAsked {
		t.Errorf("%+v", f)
	}
	if w := d.call("DELETE", "/api/captures/"+url.PathEscape(shownAsked), ""); w.Code != 200 {
		t.Error(w.Body)
	}
	if d.askCaptured("after", "{}"); d.call("GET", "/api/captures/exchanges/after", "").Code != 404 || d.call("GET", "/api/captures/exchanges/one", "").Code != 200 {
		t.Error("the end of a capture is not what it should be")
	}
	if d.call("DELETE", "/api/captures", ""); d.call("GET", "/api/captures/exchanges/one", "").Code != 404 {
		t.Error("it is not forgotten")
	}
	for _, want := range []string{"has switched on the capture", "has read the question and the answer of a captured exchange", "has ended the capture", "what was kept is forgotten"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("there is no %q in the log", want)
		}
	}
	if strings.Contains(log.String(), "hello") {
		t.Error("the log has what was said")
	}
	for _, body := range []string{``, `{}`, `{"caller":"a"}`, `{"caller":"a","seconds":3601}`, `{"caller":"a","seconds":9223372036854775807}`, `{"caller":"a","seconds":-1}`} {
		d.wants(d.call("POST", "/api/captures", body), 400, "VALIDATION_ERROR")
	}
	d.wants(d.call("DELETE", "/api/captures/nobody", ""), 404, "NOT_FOUND")
	d.wants(d.call("GET", "/api/captures/exchanges/one?at=noon", ""), 400, "VALIDATION_ERROR")
}
