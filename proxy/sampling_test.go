package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// many are n channels of one tier, called c0 and so on.
func many(n int, change ...func(*config.Channel)) (all []config.Channel) {
	for i := range n {
		all = append(all, backend(fmt.Sprint("c", i), change...))
	}
	return all
}

// script all of many to answer so.
func scripted(n int, s ...script) map[string][]script {
	all := make(map[string][]script, n)
	for i := range n {
		all[fmt.Sprint("c", i)] = s
	}
	return all
}

// policies runs f with a configuration of n channels for each policy.
func policies(t *testing.T, n int, f func(*testing.T, *config.Config), change ...func(*config.Channel)) {
	t.Parallel()
	for _, name := range []string{"p2c", "weighted", "busy", "hash"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := conf(many(n, change...)...)
				c.Balance = name
				f(t, c)
			})
		})
	}
}

func TestOfManyTheOneThatIsLeftIsFound(t *testing.T) {
	const n = 60
	policies(t, n, func(t *testing.T, c *config.Config) {
		w := newWorld(t, c, scripted(n, says("well")))
		for i, cand := range w.g.plan.Load().Routes["m"].Tiers[0] {
			if i != 41 {
				cand.Record.CoolDown(time.Minute)
			}
		}
		for range 20 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "well")
		}
		if got := len(w.up["c41"].Asked()); got != 20 {
			t.Errorf("the only one that could be asked was asked %d of 20 times", got)
		}
	})
}

func TestOfManyNoneIsAskedBeyondItsSlots(t *testing.T) {
	const n = 20
	policies(t, n, func(t *testing.T, c *config.Config) {
		w := newWorld(t, c, scripted(n, lasts(time.Second)))
		crowd := newCrowd(w)
		for range 2 * n {
			crowd.asks(t.Context(), "ann")
		}
		for i := range n {
			if got := len(w.up[fmt.Sprint("c", i)].Asked()); got != 1 {
				t.Errorf("c%d was asked %d times, want once in the first second", i, got)
			}
		}
		crowd.all.Wait()
		if len(crowd.done) != 2*n {
			t.Errorf("%d of %d were answered: %v", len(crowd.done), 2*n, crowd.bad)
		}
	}, atMost(1))
}

func TestOfManyAnotherAnswersAfterAFailure(t *testing.T) {
	const n = 30
	policies(t, n, func(t *testing.T, c *config.Config) {
		scripts := scripted(n, refuses(fault(translate.FaultBroken)))
		for i := n / 2; i < n; i++ {
			scripts[fmt.Sprint("c", i)] = []script{says("well")}
		}
		w := newWorld(t, c, scripts)
		good := 0
		for range 50 {
			if r := w.ask(t.Context(), w.question("hi")); r.err == nil {
				good++
			}
		}
		// Six attempts find nobody but once in sixty questions.
		if good < 44 {
			t.Errorf("%d of 50 were answered", good)
		}
	})
}

func TestWhenAllOfManyAreThrottledTheErrorNamesThemAll(t *testing.T) {
	const n = 20
	policies(t, n, func(t *testing.T, c *config.Config) {
		w := newWorld(t, c, nil)
		for _, cand := range w.g.plan.Load().Routes["m"].Tiers[0] {
			cand.Record.CoolDown(time.Minute)
		}
		r := w.ask(t.Context(), w.question("hi"))
		if r.err == nil || r.err.Code != translate.CodeRateLimited || r.err.Retry != time.Minute {
			t.Fatalf("it ended with %+v", r.err)
		}
	})
}

func TestTheExplanationSaysWhichOfManyWereNotLookedAt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 30
		w := newWorld(t, conf(many(n)...), scripted(n, says("well")))
		q := w.question("hi")
		q.ID = "req_many"
		w.ask(t.Context(), q).mustSay(t, "well")
		e, ok := w.g.Explain("req_many")
		if !ok || len(e.Candidates) != n || len(e.Attempts) != 1 || e.Attempts[0].Among != n {
			t.Fatalf("explained as %+v", e)
		}
		states := map[string]int{}
		for _, c := range e.Candidates {
			states[c.State]++
			if (c.State == "ready") != (c.Channel == e.Attempts[0].Channel) {
				t.Errorf("%s is %s", c.Channel, c.State)
			}
		}
		if states["ready"] != 1 || states["unseen"] != n-1 {
			t.Errorf("states: %v", states)
		}
	})
}

func TestOfManyTheOneThatRemembersTheConversationIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 40
		w := newWorld(t, conf(many(n, kind("rest"))...), scripted(n, says("well")))
		asked := ""
		for turn := range 6 {
			w.ask(t.Context(), w.in("conv", w.question("hi"))).mustSay(t, "well")
			for id, up := range w.up {
				if len(up.Asked()) == 0 {
					continue
				}
				if turn > 0 && id != asked {
					t.Fatalf("turn %d went to %s, the earlier ones to %s", turn, id, asked)
				}
				asked = id
			}
		}
	})
}

func TestQuestionsThatPassAsTheyAreAreHashedByTheirCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(many(4)...)
		c.Balance = "hash"
		w := newWorld(t, c, scripted(4, says("well")))
		used := map[string]bool{}
		for i := range 40 {
			q := w.questionOf(&Caller{Name: fmt.Sprint("caller ", i)}, "", "hi")
			q.Request.Dialect, q.Request.Raw, q.Peeked = "openai", []byte("{}"), decodesNothing{}
			w.ask(t.Context(), q).mustSay(t, "well")
		}
		for id, up := range w.up {
			if len(up.Asked()) > 0 {
				used[id] = true
			}
		}
		if len(used) < 3 {
			t.Errorf("40 callers were sent to %v", used)
		}
	})
}

// decodesNothing is a dialect whose questions need not be decoded.
type decodesNothing struct{ translate.Dialect }

func (decodesNothing) DecodeRequest(req *translate.Request, _ []byte) error {
	req.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}
	return nil
}
