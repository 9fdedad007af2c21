package proxy

import (
	"io"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func (w *world) apply(conf *config.Config) {
	w.t.Helper()
	if err := w.g.Apply(conf); err != nil {
		w.t.Fatal(err)
	}
}

func TestARunningAnswerEndsUnderTheConfigurationThatItBeganWith(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("old")), map[string][]script{"old": {says("one", "two")}, "new": {says("from new")}})
		x, err := w.g.Open(t.Context(), w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		old := w.up["old"]
		w.apply(conf(channel("new")))
		if old.ends() != 0 {
			t.Error("the channel was closed under a running answer")
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "from new")
		said := ""
		for ev, err := x.Next(); err != io.EOF; ev, err = x.Next() {
			if err != nil {
				t.Fatal(err)
			}
			said += string(ev.Text)
		}
		if said != "onetwo" {
			t.Errorf("the running answer is %q", said)
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if old.ends() != 1 {
			t.Errorf("the channel that is gone was closed %d times", old.ends())
		}
	})
}

func TestWhatIsKnownOfAChannelSurvivesANewConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a"), channel("b", tier(2))), map[string][]script{"a": {refuses(fault(translate.FaultBroken))}, "b": {says("b")}})
		for range openAfter {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		}
		before, up := len(w.up["a"].asked()), w.up["a"]
		w.apply(conf(channel("a", func(c *config.Channel) { c.Weight = 5 }), channel("b", tier(2))))
		w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		if n := len(up.asked()); w.up["a"] != up || n != before {
			t.Errorf("a channel whose breaker is open was asked %d times after the change, by the same upstream: %v", n-before, w.up["a"] == up)
		}
		if err := w.g.Force("b", ForceOpen); err != nil {
			t.Fatal(err)
		}
		w.apply(conf(channel("b", tier(3))))
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeUnavailable, 0)
		if up.ends() != 1 || w.up["b"].ends() != 0 {
			t.Errorf("closed: the one that is gone %d times, the one that stays %d times", up.ends(), w.up["b"].ends())
		}
	})
}

func TestAnotherAddressIsAnotherUpstream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), map[string][]script{"a": {says("a")}})
		first := w.up["a"]
		w.apply(conf(channel("a", func(c *config.Channel) { c.URL = "https://another-address.example" })))
		if w.up["a"] == first || first.ends() != 1 {
			t.Errorf("the old upstream stays, or was closed %d times", first.ends())
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
	})
}

func TestAQuestionWhoseModelWasFoundBeforeGoesTheNewWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("old")), map[string][]script{"old": {says("from old")}, "new": {says("from new")}})
		q, gone := w.question("hi"), w.question("hi")
		w.apply(conf(channel("new")))
		w.ask(t.Context(), q).mustSay(t, "from new")
		w.apply(conf(channel("new", func(c *config.Channel) { c.Models = []config.Model{{Name: "another", Upstream: "another"}} })))
		w.ask(t.Context(), gone).mustFail(t, translate.CodeModelNotFound, 0)
	})
}

func TestAConfigurationThatCannotBeAppliedChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), map[string][]script{"a": {says("a")}, "b": {says("b")}})
		bad := channel("c")
		bad.Fold = "{{"
		if err := w.g.Apply(conf(channel("b"), channel("a"), bad)); err == nil {
			t.Fatal("a broken template was taken")
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
		if n := w.up["b"].ends(); n != 1 {
			t.Errorf("what was opened in vain was closed %d times", n)
		}
		if n := w.up["a"].ends(); n != 0 {
			t.Errorf("what stays was closed %d times", n)
		}
	})
}
