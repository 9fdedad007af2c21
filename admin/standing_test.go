package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
)

func TestChannelsThatAreKnownAreToldAgainOnlyWhereTheyHaveChanged(t *testing.T) {
	t.Parallel()
	var told channelTexts
	text := func(v any) []byte { b, _ := json.Marshal(v); return b }
	list := []proxy.ChangedChannel{{At: 0}, {At: 1}, {At: 2}}
	for i, id := range []string{"a", "b", "c"} {
		list[i].ID = id
	}
	ids := func(text []byte) (ids string) {
		var in struct{ Channels []struct{ ID string } }
		if err := json.Unmarshal(text, &in); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		for _, c := range in.Channels {
			ids += c.ID
		}
		return ids
	}
	told.say(proxy.Changes{Channels: list, All: true}, text)
	if told.version != 1 || told.changed != nil || ids(listed(told.texts)) != "abc" {
		t.Errorf("at first %+v", told)
	}
	if told.say(proxy.Changes{Channels: list, All: true}, text); told.version != 1 {
		t.Error("nothing has changed, and is told")
	}
	list[0].InFlight, list[2].InFlight = 1, 2
	if told.say(proxy.Changes{Channels: list, All: true}, text); told.version != 2 || ids(told.changed) != "ac" {
		t.Errorf("two have changed: %s", told.changed)
	}
	list[1].InFlight = 1
	if told.say(proxy.Changes{Channels: list[1:2]}, text); told.version != 3 || ids(told.changed) != "b" || ids(listed(told.texts)) != "abc" {
		t.Errorf("one that is looked at alone has changed: %+v", told)
	}
	if told.say(proxy.Changes{Channels: list[:2], All: true}, text); told.version != 4 || told.changed != nil || ids(listed(told.texts)) != "ab" {
		t.Errorf("one has gone: %+v", told)
	}
	if told.say(proxy.Changes{Channels: nil, All: true}, text); told.version != 5 || ids(listed(told.texts)) != "" {
		t.Errorf("all have gone: %+v", told)
	}
}

func TestAStreamThatKnowsTheChannelsIsToldThoseThatHaveChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	base, stop := d.serveEvents()
	defer stop()
	some, all := listen(t, base, "", "?changes=true"), listen(t, base, "")
	defer some.close()
	defer all.close()
	for _, l := range []*listening{some, all} {
		if _, data := l.until("channels"); !strings.Contains(data, `"id":"a"`) || !strings.Contains(data, `"id":"b`) {
			t.Errorf("%s", data)
		}
	}
	d.call("POST", "/api/channels/a/drain", "")
	if _, data := some.until("changed"); !strings.HasPrefix(data, `{"channels":[{"id":"a"`) || strings.Contains(data, `"id":"b`) {
		t.Errorf("%s", data)
	}
	if _, data := all.until("channels"); !strings.Contains(data, `"drain"`) || !strings.Contains(data, `"id":"b`) {
		t.Errorf("%s", data)
	}
}

func TestWhereNothingHappensOneLooksLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		// looked is how often there was a new look, of five that come a second one after the other.
		looked := func() (n int) {
			for range 5 {
				time.Sleep(time.Second)
				before := d.s.standing.at
				if d.s.stands(t.Context(), time.Now(), 0, false); !d.s.standing.at.Equal(before) {
					n++
				}
			}
			return n
		}
		looked()
		if n := looked(); n != 1 {
			t.Errorf("at rest there are %d looks", n)
		}
		for i, act := range []func(){
			func() { _ = d.ask("one") },
			func() { d.call("PUT", "/api/channels/a/weight", `{"weight":5}`) },
		} {
			time.Sleep(time.Second)
			act()
			before := d.s.standing.at
			if d.s.stands(t.Context(), time.Now(), 0, false); d.s.standing.at.Equal(before) {
				t.Errorf("after act %d there is no look", i)
			}
		}
		d.call("POST", "/api/channels/a/open", "")
		if n := looked(); n != 5 {
			t.Errorf("with a channel that is not ready there are %d looks", n)
		}
	})
}

func TestStreamsThatStandAtOneExchangeShareWhatTheyAreTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, begin, _ := d.s.g.Traces().Since(^uint64(0), 1)
	if err := d.ask("one"); err != nil {
		t.Fatal(err)
	}
	first, next := d.s.ended(begin, 1)
	if next != begin+1 || strings.Count(string(first), "event: exchange\n") != 1 {
		t.Fatalf("%d %s", next, first)
	}
	if err := d.ask("two"); err != nil {
		t.Fatal(err)
	}
	if same, at := d.s.ended(begin, 1); at != next || &same[0] != &first[0] {
		t.Errorf("another stream is told %d %s", at, same)
	}
	if other, at := d.s.ended(next, 1); at != next+1 || strings.Count(string(other), "event: exchange\n") != 1 {
		t.Errorf("a stream that stands elsewhere is told %d %s", at, other)
	}
	if both, at := d.s.ended(begin, 2); at != begin+2 || strings.Count(string(both), "event: exchange\n") != 2 {
		t.Errorf("at the next look there is %d %s", at, both)
	}
}
