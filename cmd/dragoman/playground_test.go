package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/admin"
)

const playConf = `
listen: 127.0.0.1:0
hosts: [chat.example.org]
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
presets: {default: {model: m}}
channels: [{id: a, kind: mock, models: [{name: m, upstream: echo}, {name: bad, upstream: fail-503}]}]
`

// play asks in the playground, and returns all that was told.
func (r *running) play(q admin.PlayQuestion) (all []admin.PlayEvent) {
	r.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), "POST", r.operator+"/api/playground", strings.NewReader(string(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer operator-token")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var e admin.PlayEvent
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				r.t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		r.t.Fatalf("%v tells nothing: %d", q, resp.StatusCode)
	}
	return all
}

// said are the texts of a kind of events, one after the other.
func said(all []admin.PlayEvent, kind string) string {
	var text strings.Builder
	for _, e := range all {
		if e.Kind == kind {
			text.WriteString(e.Text)
		}
	}
	return text.String()
}

func TestThePlaygroundSpeaksEveryProtocolOfTheFronts(t *testing.T) {
	r := runServeOn(t, playConf)
	for _, d := range chatDialects {
		q := admin.PlayQuestion{Protocol: d.dialect, Text: "hello from " + d.dialect}
		if d.model != "" {
			q.Model = "m"
		}
		all := r.play(q)
		end := all[len(all)-1]
		if end.Kind != "end" || end.Result != "ok" || !strings.Contains(said(all, "text"), q.Text) {
			t.Errorf("%s: %q, %+v", d.dialect, said(all, "text"), end)
		}
		if sent, got := said(all, "sent"), said(all, "received"); !strings.Contains(sent, q.Text) || !strings.Contains(got, "hello") {
			t.Errorf("%s: sent %q, received %q", d.dialect, sent, got)
		}
		if status, text := r.call("GET", r.operator+"/api/explain/"+end.ID, "operator-token"); status != 200 || !strings.Contains(text, fmt.Sprintf("%q:%q", "front", d.dialect)) {
			t.Errorf("%s: exchange %q: %d %s", d.dialect, end.ID, status, text)
		}
		for i := 1; i < len(all); i++ {
			if all[i].Ms < all[i-1].Ms {
				t.Errorf("%s: time goes back: %v after %v", d.dialect, all[i], all[i-1])
			}
		}
	}
	if _, keys := r.call("GET", r.operator+"/api/keys", "operator-token"); strings.Contains(keys, "playground") {
		t.Errorf("keys are left behind: %s", keys)
	}
}

func TestThePlaygroundTellsHowAQuestionFailed(t *testing.T) {
	r := runServeOn(t, playConf)
	all := r.play(admin.PlayQuestion{Protocol: "openai", Model: "bad", Text: "well?"})
	end := all[len(all)-1]
	if end.Kind != "end" || end.Result == "ok" || end.Message == "" || end.ID == "" {
		t.Errorf("%+v", end)
	}
	if text, _ := json.Marshal(all); strings.Contains(string(text), "sk-") {
		t.Errorf("a key is told: %s", text)
	}
	all = r.play(admin.PlayQuestion{Protocol: "anthropic", Model: "unknown", Text: "well?"})
	if end = all[len(all)-1]; end.Result == "ok" || end.ID != "" {
		t.Errorf("%+v", end)
	}
}
