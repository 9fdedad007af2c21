package proxy

import (
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTheFirstContentIsWaitedForAsTheModelsRecordSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		usual time.Duration
		alone bool
		whole bool
		want  time.Duration
	}{
		"quick":        {usual: 100 * time.Millisecond, want: 5 * time.Second},
		"slow":         {usual: 4 * time.Second, want: 16 * time.Second},
		"whole":        {usual: 4 * time.Second, whole: true, want: 16 * time.Second},
		"quick, alone": {usual: 100 * time.Millisecond, alone: true, want: 120 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				conf := conf(backend("a"))
				if !c.alone {
					conf.Channels = append(conf.Channels, backend("b", tier(2)))
				}
				usual := script{After: c.usual / 2, Steps: []step{start("x"), text("a").In(c.usual / 2), finish()}}
				w := newWorld(t, conf, map[string][]script{"a": append(repeats(paceFrom, usual), script{Steps: []step{start("x"), hangs()}}), "b": {says("b")}})
				question := func() *question {
					q := w.question("hi")
					q.Request.Stream = !c.whole
					return q
				}
				for range paceFrom {
					w.ask(t.Context(), question()).mustSay(t, "a")
				}
				mustTake(t, elapsed(func() { w.ask(t.Context(), question()) }), c.want, c.want)
			})
		})
	}
}

func TestTheLedgerSaysWhereTheTimeWent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		good := script{After: 2 * time.Second, Steps: []step{start("x"), text("b").In(3 * time.Second), finish()}}
		w := newWorld(t, conf(backend("a"), backend("b", tier(2), atMost(1))), map[string][]script{"a": {refuses(fault(translate.FaultDial))}, "b": {good}})
		first, err := w.open(t.Context(), w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = first.Close() })
		q := w.question("hi")
		w.ask(t.Context(), q).mustSay(t, "b")
		if want := (Timing{Channel: "b", Attempts: 2, Queue: time.Second, Open: 2 * time.Second, First: 3 * time.Second}); q.Timing != want {
			t.Errorf("%+v, want %+v", q.Timing, want)
		}
	})
}
