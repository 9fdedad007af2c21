package admin

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// test asks channel a as an operator with token does, and returns what came.
func (d *desk) test(base, token, body string) (status int, media, text string) {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), "POST", base+"/api/channels/a/test", strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(out)
}

func TestATestOfAChannelIsStreamedWithTimes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	base, stop := d.serveEvents()
	defer stop()
	status, media, text := d.test(base, operatorToken, `{"text":"well?"}`)
	for _, want := range []string{"event: sent\ndata: {\"kind\":\"sent\",\"ms\":0,\"id\":\"req_", "event: text\ndata: {\"kind\":\"text\",\"ms\":", `"text":"hi"`, "event: end\ndata: {\"kind\":\"end\",", `"result":"ok"`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if status != 200 || media != "text/event-stream" || !strings.HasSuffix(text, "}\n\n") {
		t.Errorf("%d %s", status, media)
	}
	d.fails("a", &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultDenied, Message: "the key was refused", Cause: io.ErrClosedPipe})
	if _, _, text = d.test(base, operatorToken, `{}`); !strings.Contains(text, `"result":"denied","message":"the key was refused"`) || strings.Contains(text, "pipe") {
		t.Errorf("%s", text)
	}
	if status, _, text = d.test(base, readToken, `{}`); status != 403 {
		t.Errorf("the read token: %d %s", status, text)
	}
	for _, body := range []string{`{"max_tokens":-1}`, `{"max_tokens":99999}`, `{"model":"other"}`, `{"key":9}`, `{"channel":"b"}`, ``} {
		if status, _, text = d.test(base, operatorToken, body); status != 400 || !strings.Contains(text, "VALIDATION_ERROR") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	d.wants(d.call("POST", "/api/channels/z/test", `{}`), 404, "NOT_FOUND")
}
