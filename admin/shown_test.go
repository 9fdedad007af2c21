package admin

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	shownAsked = "anonymous@192.0.2.0/24" // who asks on a desk, as operators are told it
	wholeAsked = "anonymous@192.0.2.1"
)

func TestACallerWithoutAKeyIsToldByItsNetworkEverywhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withFile()
	d.fails("a", translate.Broken("down", nil))
	for range 2 {
		if err := d.ask("first"); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UnixMilli() // what is older than the ledger keeps may be gone at any moment
	other := []store.Entry{{Request: "elsewhere", Caller: "anonymous@192.0.3.1", At: now}, {Request: "neighbour", Caller: "anonymous@192.0.2.77", At: now}}
	if err := d.st.(store.Ledger).Record(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for path, shown := range map[string]bool{
		"/api/exchanges": true, "/api/exchanges?state=running": false, "/api/explain/first": true, "/api/ledger": true, "/api/channels/a/failures": true,
		"/api/events?cursor=" + d.s.boot + "-0": true, "/api/conversations?caller=" + wholeAsked: false, "/api/overview": false, "/api/limits": false,
	} {
		text := d.call("GET", path, "").Body.String()
		if strings.Contains(text, "192.0.2.1") || strings.Contains(text, "192.0.2.77") || strings.Contains(text, shownAsked) != shown {
			t.Errorf("%s tells\n%s", path, text)
		}
	}

	// What is shown is what is asked with; whoever knows the whole address may ask with that.
	for caller, want := range map[string][3]int{shownAsked: {2, 1, 3}, wholeAsked: {2, 1, 2}, "anonymous@192.0.3.0/24": {0, 0, 1}, "anonymous@192.0.2.77": {0, 0, 1}, "anonymous@192.0.2.0/25": {}} {
		query := "caller=" + url.QueryEscape(caller)
		var exchanges struct{ Exchanges []struct{ ID string } }
		d.shown("/api/exchanges?"+query, &exchanges)
		found := 0
		if d.call("GET", "/api/explain/first?n=2&"+query, "").Code == 200 {
			found = 1
		}
		var ledger struct{ Totals struct{ Requests int } }
		d.shown("/api/ledger?attempts=false&"+query, &ledger)
		if got := [3]int{len(exchanges.Exchanges), found, ledger.Totals.Requests}; got != want {
			t.Errorf("%s: %d exchanges, %d explained, %d requests in the ledger, want %v", caller, got[0], got[1], got[2], want)
		}
	}
}
