package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestAnOperatorMakesListsAndRevokesKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.call("POST", "/api/keys", `{"name":"alice","group":"gold","models":["m"],"expires":"2999-01-01T00:00:00Z"}`)
	var made struct{ ID, Key string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 201 || made.Key == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	who, err := d.g.Identify(made.Key, "")
	if err != nil || who.Name != "alice" || who.Group != "gold" {
		t.Errorf("the key is %+v, %v", who, err)
	}
	list := d.call("GET", "/api/keys", "").Body.String()
	if strings.Contains(list, made.Key) || !strings.Contains(list, made.ID) || !strings.Contains(list, `"expires":"2999-01-01T00:00:00Z"`) {
		t.Errorf("the list says %s", list)
	}
	if w := d.call("DELETE", "/api/keys/"+made.ID, ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := d.g.Identify(made.Key, ""); err == nil {
		t.Error("a revoked key is taken")
	}
	d.wants(d.call("DELETE", "/api/keys/"+made.ID, ""), 404, "NOT_FOUND")
	for _, body := range []string{
		`{}`, `{"name":"anonymous@1.2.3.4"}`, `{"name":"a","limits":"none"}`, `{"name":"a","models":["nobody"]}`,
		`{"name":"a","expires":"2001-01-01T00:00:00Z"}`, `{"name":"a","key":"chosen"}`,
		`{"name":"a","expires":"9999-12-31T23:59:59-23:59"}`, `{"name":"a","group":"\u0007"}`, `{"name":"a"}}`, `{"name":"a"} {"name":"b"}`,
	} {
		d.wants(d.call("POST", "/api/keys", body), 400, "VALIDATION_ERROR")
	}
}

func TestTheLedgerIsReadByRequestAndByCaller(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, id := range []string{"req_1", "req_2"} {
		if err := d.ask(id); err != nil {
			t.Fatal(err)
		}
	}
	var got struct {
		Rows []struct {
			Request, Caller, Channel, Outcome string
			Attempt                           int
		}
		Totals struct{ Requests int }
	}
	read := func(query string) {
		t.Helper()
		w := d.call("GET", "/api/ledger"+query, "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	read("?request=req_1")
	if len(got.Rows) != 2 || got.Totals.Requests != 1 || got.Rows[0].Attempt != 0 || got.Rows[1].Channel != "a" || got.Rows[0].Outcome != "ok" {
		t.Errorf("got %+v", got)
	}
	read("?caller=anonymous@192.0.2.1&attempts=false&from=2001-01-01T00:00:00Z&to=2999-01-01T00:00:00Z&limit=1&offset=1")
	if len(got.Rows) != 1 || got.Totals.Requests != 2 || got.Rows[0].Request != "req_1" {
		t.Errorf("got %+v", got)
	}
	read("?caller=nobody")
	if len(got.Rows) != 0 || got.Totals.Requests != 0 {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"?from=yesterday", "?limit=-1", "?limit=2000", "?offset=x"} {
		d.wants(d.call("GET", "/api/ledger"+bad, ""), 400, "VALIDATION_ERROR")
	}
}

func TestADamagedRowOfTheLedgerIsShownBesideTheOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rows := []store.Entry{{Request: "whole", At: 5}, {Request: "later", At: 1<<63 - 1}, {Request: "dear", At: 6, Cost: -1 << 63, Took: 1<<63 - 1}}
	if err := d.st.(store.Ledger).Record(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	w := d.call("GET", "/api/ledger", "")
	for _, want := range []string{`"whole","attempt":0,"at":"1970-01-01T00:00:00.005Z"`, `"later","attempt":0,"at":"9999-12-31T23:59:59.999Z"`, `"dear","attempt":0,"at":"1970-01-01T00:00:00.006Z"`} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d %s, without %s", w.Code, w.Body, want)
		}
	}
}
