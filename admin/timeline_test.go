package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAMinuteKeepsItsWorstStateAndTheReason(t *testing.T) {
	t.Parallel()
	var l timeline
	at, begin := place{"a", 0, "m"}, time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	second := func(n int, state, why string) {
		now := begin.Add(time.Duration(n) * time.Second)
		l.looked(now)
		l.note(at, channel.Bar{State: state, Why: why}, now)
	}
	second(0, "ready", "")
	second(10, "throttled", "throttled for 1 s")
	for n := range 5 {
		second(11+n, "open", "breaker open")
	}
	second(20, "trial", "is tried")
	second(61, "full", "at its limit")
	second(200, "ready", "")
	rows, since := l.strips("a")
	want := []strip{{"a", 0, "m", []cell{{begin, "open", "breaker open", 5}, {begin.Add(time.Minute), "full", "at its limit", 1}}}}
	if diff := cmp.Diff(want, rows); diff != "" || !since.Equal(begin) {
		t.Errorf("%s, since %s", diff, since)
	}
	second(30*60+5, "ready", "") // the first minute is older than half an hour now
	if rows, _ = l.strips(""); len(rows) != 1 || len(rows[0].Cells) != 1 || rows[0].Cells[0].State != "full" {
		t.Errorf("%+v", rows)
	}
	second(60*60, "ready", "")
	if rows, _ = l.strips(""); len(rows) != 0 {
		t.Errorf("%+v", rows)
	}
}

func TestTheTimelineShowsWhyAChannelWasOutOfUseAndItsFailures(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails("a", &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultDial, Message: "it cannot be reached"})
	for range 6 {
		if err := d.ask("one"); err != nil { // the other channel answers
			t.Fatal(err)
		}
	}
	d.s.lookOnce(time.Now())
	var line struct {
		From    time.Time
		Minutes int
		Rows    []strip
	}
	if err := json.Unmarshal(d.call("GET", "/api/timeline?channel=a", "").Body.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if len(line.Rows) == 0 || line.Rows[0].Channel != "a" || line.Rows[0].Cells[0].State != "open" || !strings.Contains(line.Rows[0].Cells[0].Why, "breaker open") || line.Minutes != 30 {
		t.Errorf("%+v", line)
	}
	got := d.call("GET", "/api/channels/a/failures?limit=2", "").Body.String()
	if strings.Count(got, `"result":"dial","message":"it cannot be reached"`) != 2 || !strings.Contains(got, `"exchange":"one"`) {
		t.Errorf("%s", got)
	}
	d.wants(d.call("GET", "/api/channels/z/failures", ""), 404, "NOT_FOUND")
	d.wants(d.call("GET", "/api/channels/a/failures?limit=x", ""), 400, "VALIDATION_ERROR")
}
