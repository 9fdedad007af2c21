package admin

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// posted decodes what path answers to body into v.
func (d *desk) posted(path, body string, v any) {
	d.Helper()
	w := d.call("POST", path, body)
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil || w.Code != 200 {
		d.Fatalf("%s: %d %s %v", path, w.Code, w.Body, err)
	}
}

// shown decodes what path answers into v.
func (d *desk) shown(path string, v any) {
	d.Helper()
	w := d.call("GET", path, "")
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil || w.Code != 200 {
		d.Fatalf("%s: %d %s %v", path, w.Code, w.Body, err)
	}
}

func TestTheOverviewTellsRatesAndOnWhoseSideFailuresWere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.s.clients = func() Clients { return Clients{Connections: 9, Sessions: 5, Streams: 3} }
		for range 6 {
			if err := d.ask("good"); err != nil {
				t.Fatal(err)
			}
		}
		d.fails("a", &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "no"})
		_ = d.ask("the client's")
		d.fails("a", &translate.Error{Code: translate.CodeModel, Fault: translate.FaultDial, Message: "no"})
		d.fails(`b"\`, &translate.Error{Code: translate.CodeModel, Fault: translate.FaultDial, Message: "no"})
		_ = d.ask("the network's")
		d.s.lookOnce(time.Now())
		time.Sleep(20 * time.Second)
		if err := d.g.Force("a", channel.ForceDrain); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Overview Overview
			Points   []Point
		}
		d.shown("/api/overview", &got)
		o := &got.Overview
		if o.Lately.Failed != (Origins{Client: 0.125, Network: 0.125}) || o.Lately.Questions != 0.4 || o.Lately.Seconds != 20 {
			t.Errorf("%+v", o.Lately)
		}
		if o.Connections != 9 || o.Streams != 3 || o.Sockets != 2 || o.Channels != 2 || o.Ready != 1 || len(o.Drains) != 1 || o.Drains[0].Channel != "a" {
			t.Errorf("%+v", o)
		}
		if len(got.Points) != 1 || got.Points[0].Questions != 1.6 || got.Points[0].Sockets != 2 {
			t.Errorf("%+v", got.Points)
		}
		var map5 trafficJSON
		d.shown("/api/traffic", &map5)
		want := map[journal.Flow][2]uint64{{Front: "openai", Model: "m", Channel: "a"}: {7, 0}, {Front: "openai", Model: "m", Channel: `b"\`}: {1, 1}}
		for _, l := range map5.Links {
			if n, ok := want[l.Flow]; !ok || n != [2]uint64{l.Questions, l.Failed} {
				t.Errorf("%+v", l)
			}
			delete(want, l.Flow)
		}
		if len(want) > 0 {
			t.Errorf("there is no %v in %+v", want, map5)
		}
		time.Sleep(16 * time.Minute)
		if d.shown("/api/overview", &got); len(got.Points) != 0 || got.Overview.Lately.Questions != 0 {
			t.Errorf("a quarter of an hour later: %+v", got)
		}
		d.wants(d.call("GET", "/api/traffic?minutes=16", ""), 400, "VALIDATION_ERROR")
		d.wants(d.call("GET", "/api/traffic?minutes=0", ""), 400, "VALIDATION_ERROR")
	})
}

func TestPointsAndTrafficComeAsEvents(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.ask("one"); err != nil {
		t.Fatal(err)
	}
	base, stop := d.serveEvents()
	defer stop()
	l := listen(t, base, "")
	defer l.close()
	for _, kind := range []string{"point", "traffic"} {
		var v map[string]any
		if _, data := l.until(kind); json.Unmarshal([]byte(data), &v) != nil || len(v) == 0 {
			t.Errorf("%s: %s", kind, data)
		}
	}
}
