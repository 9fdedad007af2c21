package proxy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// tested puts t to the gateway, and returns the kinds of the events with their texts, and the
// last event.
func (w *world) tested(ctx context.Context, t ChannelTest) (told string, last TestEvent, err *translate.Error) {
	err = w.g.TestChannel(ctx, t, func(e TestEvent) {
		told += e.Kind
		if e.Text != "" {
			told += "(" + e.Text + ")"
		}
		told += " "
		last = e
	})
	return strings.TrimSpace(told), last, err
}

func TestATestAsksOneChannelWhateverItsBreakersSay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": append(repeats(openAfter, refuses(fault(translate.FaultDial))), says("hi ", "you")), "b": {says("b")}})
		for range openAfter {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		}
		if s := w.g.Channels()[0].Keys[0].Models[0].State; s != "open" {
			t.Fatalf("the breaker is %s", s)
		}
		if err := w.g.Force("a", channel.ForceDrain); err != nil {
			t.Fatal(err)
		}
		told, last, err := w.tested(t.Context(), ChannelTest{Channel: "a", Text: "well?"})
		if want := "sent opened start(model-s) text(hi ) text(you) finish(stop) end"; err != nil || told != want {
			t.Errorf("%v %s\nwant %s", err, told, want)
		}
		if last.Result != "ok" || last.Output == 0 {
			t.Errorf("%+v", last)
		}
		if got := w.up["a"].Texts(); got != "user:well?" {
			t.Errorf("it was asked %q", got)
		}
		if s := w.g.Channels()[0].Keys[0].Models[0]; s.State != "open" || w.g.Channels()[0].InFlight != 0 {
			t.Errorf("after the test: %+v", s)
		}
		w.mustBeIdle()
	})
}

func TestATestIsTheOperatorsAndCountsForNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, &config.Config{Channels: []config.Channel{backend("a")}, Ledger: config.Ledger{Keep: time.Hour}, Prices: map[string]config.Price{"m": {Output: 1}}},
			map[string][]script{"a": {says("hello"), refuses(fault(translate.FaultDenied))}})
		for range 2 {
			if _, _, err := w.tested(t.Context(), ChannelTest{Channel: "a"}); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := w.g.Entries(t.Context(), store.EntryFilter{Caller: Operator, Limit: 10})
		if err != nil || len(rows) != 4 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		list := w.g.Traces().Recent(journal.Filter{Caller: Operator, Limit: 10})
		if len(list) != 2 || list[0].Outcome != string(translate.CodeUnavailable) || list[1].Outcome != "ok" || list[1].Front != OperatorFront || list[1].Channel != "a" {
			t.Errorf("%+v", list)
		}
		if n := w.g.Traces().Activity.Sum(time.Minute, time.Now().Add(journal.SlotTime)).Questions(); n != 0 {
			t.Errorf("%d tests are among the questions of the overview", n)
		}
		for _, s := range w.g.Metrics() {
			if len(s.Exchanges) > 0 || len(s.Attempts) > 0 {
				t.Errorf("it is counted among the exchanges: %+v", s)
			}
		}
		if s := w.g.Channels()[0].Keys[0].Models[0]; s.State != "ready" || s.Failures > 0 || s.FirstMs > 0 {
			t.Errorf("the record of the channel has changed: %+v", s)
		}
	})
}

func TestATestThatCannotBeHadAsksNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {{Steps: []step{text("x"), hangs()}}, says("no")}})
		for _, c := range []struct {
			t    ChannelTest
			code translate.Code
		}{
			{ChannelTest{Channel: "z"}, translate.CodeNotFound}, {ChannelTest{Channel: "a", Key: 7}, translate.CodeValidation}, {ChannelTest{Channel: "a", Model: "other"}, translate.CodeValidation},
		} {
			if told, _, err := w.tested(t.Context(), c.t); err == nil || err.Code != c.code || told != "" {
				t.Errorf("%+v: %v %s", c.t, err, told)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		first := make(chan TestEvent, 100)
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = w.g.TestChannel(ctx, ChannelTest{Channel: "a"}, func(e TestEvent) { first <- e })
		}()
		for e := range first {
			if e.Kind == "text" {
				break
			}
		}
		if _, _, err := w.tested(t.Context(), ChannelTest{Channel: "a"}); err == nil || err.Code != translate.CodeRateLimited || err.Retry == 0 {
			t.Errorf("while its only slot is taken: %v", err)
		}
		leave()
		<-over
		if last := <-first; last.Kind != "end" || last.Result != translate.FaultGone.String() {
			t.Errorf("its operator has left: %+v", last)
		}
		if n := len(w.up["a"].Asked()); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

func TestATestThatTakesTooLongEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Hang: true}}})
		began := time.Now()
		told, last, err := w.tested(t.Context(), ChannelTest{Channel: "a"})
		if err != nil || told != "sent end" || last.Result != translate.FaultSlow.String() || time.Since(began) != testTime {
			t.Errorf("%v %s %+v after %s", err, told, last, time.Since(began))
		}
	})
}
