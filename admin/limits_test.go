package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store"
)

// limited puts the anonymous caller of d under limits, of which one is small.
func (d *desk) limited() {
	d.Helper()
	d.withFile()
	text := strings.Replace(twoChannels, `b"\`, `b`, 1)
	text = strings.Replace(text, "anonymous: {}", "anonymous: {limits: [few, paid]}", 1) + "limits: {few: {requests: 2/h}, paid: {budget: {amount: 1, per: day}}}\nprices: {m: {input: 1, output: 1}}\n"
	conf, err := config.Load([]byte(text), "f", func(string) (string, bool) { return "", false })
	if err != nil {
		d.Fatal(err)
	}
	if err := d.g.Apply(conf); err != nil {
		d.Fatal(err)
	}
}

func TestLimitsAndWaysAreForeseenForKeysMadeAtRunTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.limited()
	// Of dora's keys the newest counts, and each by its id.
	first := &store.Key{ID: "key_first", Hash: [32]byte{1}, Name: "dora", Limits: "paid", Created: 1}
	if err := d.st.(store.Keyer).AddKey(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	var newest struct{ ID string }
	if w := d.call("POST", "/api/keys", `{"name":"dora","limits":"few"}`); w.Code != 201 || json.Unmarshal(w.Body.Bytes(), &newest) != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for caller, rules := range map[string]int{"dora": 1, newest.ID: 1, "key_first": 1} {
		var f proxy.LimitForeseen
		d.posted("/api/limits/what-if", fmt.Sprintf(`{"caller":%q,"model":"m"}`, caller), &f)
		if !f.LetIn || len(f.Rules) != rules || f.Partly || f.Caller != "dora" || (f.Budget != nil) != (caller == "key_first") {
			t.Errorf("%s: %+v", caller, f)
		}
		if e := d.explained(d.call("POST", "/api/explain", fmt.Sprintf(`{"caller":%q,"model":"m"}`, caller))); e.Verdict == "" || e.Caller != "dora" {
			t.Errorf("%s: %+v", caller, e)
		}
	}
	if w := d.call("DELETE", "/api/keys/"+newest.ID, ""); w.Code != 200 {
		t.Fatal(w.Body)
	}
	var f proxy.LimitForeseen
	if d.posted("/api/limits/what-if", `{"caller":"dora","model":"m"}`, &f); len(f.Rules) != 1 || f.Rules[0].Kind != "budget" || f.Rules[0].Left != 1 || f.Budget == nil {
		t.Errorf("once the newest is revoked: %+v", f)
	}
	for _, path := range []string{"/api/limits/what-if", "/api/explain"} {
		d.wants(d.call("POST", path, `{"caller":"nobody"}`), 404, "NOT_FOUND")
	}
}

func TestTheUseOfLimitsIsShownAndForeseenWithoutCounting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.limited()
	for range 20 {
		var f proxy.LimitForeseen
		d.posted("/api/limits/what-if", `{"model":"m","address":"192.0.2.1","input_tokens":10,"max_tokens":20}`, &f)
		if !f.LetIn || f.Tokens != 30 || len(f.Rules) != 2 || f.Rules[0].Left != 2 || f.Rules[1].Rule != "paid" || f.Rules[0].Subject != "anonymous@192.0.2.0/24" || f.Caller != "anonymous@192.0.2.0/24" || f.Budget == nil || f.Budget.Left != 1 {
			t.Fatalf("%+v", f)
		}
	}
	refused := 0
	for range 4 {
		if d.ask("one") != nil {
			refused++
		}
	}
	var f proxy.LimitForeseen
	if d.posted("/api/limits/what-if", `{"model":"m","address":"192.0.2.1"}`, &f); f.LetIn || f.By != "few" || f.Retry == 0 || f.Why == "" || refused != 2 {
		t.Errorf("%+v, %d were refused", f, refused)
	}
	if d.posted("/api/limits/what-if", `{"model":"m","address":"198.51.100.1","max_tokens":900000000}`, &f); f.LetIn || f.By != "paid" {
		t.Errorf("%+v", f)
	}
	var shown struct {
		Use     []proxy.LimitUse
		Refused []journal.Refused
	}
	d.shown("/api/limits", &shown)
	if len(shown.Use) != 2 || shown.Use[1].Kind != "budget" || shown.Use[0].Used < 1.9 || shown.Use[0].Of != 2 || shown.Use[0].Per != "caller" || shown.Use[0].Resets == 0 {
		t.Errorf("%+v", shown.Use)
	}
	if len(shown.Refused) != 1 || shown.Refused[0].Rule != "few" || shown.Refused[0].Count != 2 || shown.Refused[0].Code != "RATE_LIMITED" {
		t.Errorf("%+v", shown.Refused)
	}
	if text := d.call("GET", "/api/limits", "").Body.String(); strings.Contains(text, "192.0.2.1") {
		t.Errorf("the address of a client is told: %s", text)
	}
	var o struct{ Overview Overview }
	if d.shown("/api/overview", &o); len(o.Overview.Near) != 1 || o.Overview.Near[0].Rule != "few" {
		t.Errorf("%+v", o.Overview.Near)
	}
	for body, status := range map[string]int{`{"input_tokens":-1}`: 400, `{"caller":"nobody"}`: 404, `{"model":"other"}`: 404, `{"tokens":1}`: 400, `[]`: 400} {
		if w := d.call("POST", "/api/limits/what-if", body); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}
