package proxy

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

const limitedKey = "limited-key"

// limited is a world with one channel and callers under l: one with a key, and
// anonymous ones.
func limited(t *testing.T, l config.Limit, scripts ...script) *world {
	c := conf(backend("a"))
	c.Limits = map[string]config.Limit{"small": l}
	access := config.Access{Limits: config.Names{"small"}}
	c.Callers = config.Callers{Anonymous: &config.Anonymous{Access: access}, Keys: []config.Key{
		{Name: "bob", Key: limitedKey, Access: access}, {Name: "free", Key: "free-key"}, {Name: "carol", Key: "carol-key", Access: access},
	}}
	return newWorld(t, c, map[string][]script{"a": scripts})
}

func perMinute(n int) config.Rate { return config.Rate{N: n, Per: time.Minute} }

func (w *world) by(token, address string) *question {
	w.t.Helper()
	c, err := w.g.Identify(token, address)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.questionOf(c, "", "hi")
}

func (w *world) bob() *question { return w.by(limitedKey, "") }

// left asks q and returns how the limits stood once it was admitted.
func (w *world) left(q *question) (now limiter.State) {
	q.Admitted = func(s limiter.State) { now = s }
	_ = w.ask(context.Background(), q)
	return now
}

func TestARefusedQuestionSaysWhenToComeBackAndMayThenCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Requests: perMinute(2)}, says("yes"))
		for range 2 {
			w.ask(t.Context(), w.bob()).mustSay(t, "yes")
		}
		err := w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeRateLimited, 0)
		var over *limiter.Exceeded
		if !errors.As(err, &over) || over.Rule != "small" || err.Retry != 30*time.Second {
			t.Fatalf("%v, retry %v", err, err.Retry)
		}
		w.ask(t.Context(), w.by("carol-key", "")).mustSay(t, "yes")
		w.ask(t.Context(), w.by("free-key", "")).mustSay(t, "yes")
		time.Sleep(err.Retry - 2*time.Second)
		w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeRateLimited, 0)
		time.Sleep(2 * time.Second)
		w.ask(t.Context(), w.bob()).mustSay(t, "yes")
		if n := len(w.up["a"].Asked()); n != 5 {
			t.Errorf("the channel was asked %d times", n)
		}
	})
}

func TestAQuestionCountsOnceHoweverManyAttemptsItTakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"), backend("b", tier(2)))
		c.Limits = map[string]config.Limit{"small": {Requests: perMinute(2)}}
		w := newWorld(t, c, map[string][]script{
			"a": {{Err: &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultDial}}},
			"b": {says("yes")},
		})
		q := w.questionOf(&Caller{Name: "bob", Rules: auth.New(&config.Callers{}, c.Limits).RulesOf([]string{"small"})}, "", "hi")
		left := 0
		q.Admitted = func(s limiter.State) { left = s.Remaining }
		w.ask(t.Context(), q).mustSay(t, "yes")
		if a, b := len(w.up["a"].Asked()), len(w.up["b"].Asked()); a == 0 || b == 0 || left != 1 {
			t.Errorf("asked %d and %d times, %d left", a, b, left)
		}
		w.ask(t.Context(), q).mustSay(t, "yes")
		w.ask(t.Context(), q).mustFail(t, translate.CodeRateLimited, 0)
	})
}

// Two questions of which nothing but one thing is equal: under a limit of one, the
// second is refused by those rules alone that count by it.
func TestARuleCountsByWhatItSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		same := map[string]string{"caller": "name", "user": "name user", "group": "group", "address": "address", "model": "model", "all": ""}
		for per, needs := range same {
			for _, equal := range []string{"", "name", "name user", "group", "address", "model"} {
				c := conf(backend("a", func(c *config.Channel) {
					c.Models = []config.Model{{Name: "m0", Upstream: "m0"}, {Name: "m1", Upstream: "m1"}}
				}))
				c.Limits = map[string]config.Limit{"one": {Requests: perMinute(1), Per: per}}
				w := newWorld(t, c, map[string][]script{"a": {says("yes")}})
				rules := auth.New(&config.Callers{}, c.Limits).RulesOf([]string{"one", "one"})
				ask := func(n string) result {
					as := func(what string) string {
						if strings.Contains(equal, what) {
							return what + "0"
						}
						return what + n
					}
					q := w.questionOf(&Caller{Name: as("name"), Group: as("group"), Rules: rules}, "m"+strings.TrimPrefix(as("model"), "model"), "hi")
					q.User, q.Address = as("user"), as("address")
					return w.ask(t.Context(), q)
				}
				ask("0").mustSay(t, "yes")
				refused := ask("1").err != nil
				if want := needs == "" || equal == needs || needs == "name" && equal == "name user"; refused != want {
					t.Errorf("per %s, equal %q: refused %v, want %v", per, equal, refused, want)
				}
			}
		}
	})
}

func TestOfSeveralRulesEachMustAdmitAndARefusalCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Limits = map[string]config.Limit{"own": {Requests: perMinute(2)}, "house": {Requests: perMinute(3), Per: "all"}}
		c.Callers = config.Callers{Limits: config.Names{"house"}, Anonymous: &config.Anonymous{Access: config.Access{Limits: config.Names{"own"}}}}
		w := newWorld(t, c, map[string][]script{"a": {says("yes")}})
		for range 2 {
			w.ask(t.Context(), w.by("", "1.1.1.1")).mustSay(t, "yes")
		}
		for range 5 {
			w.ask(t.Context(), w.by("", "1.1.1.1")).mustFail(t, translate.CodeRateLimited, 0)
		}
		w.ask(t.Context(), w.by("", "2.2.2.2")).mustSay(t, "yes")
		err := w.ask(t.Context(), w.by("", "2.2.2.2")).mustFail(t, translate.CodeRateLimited, 0)
		if !strings.Contains(err.Message, "house") {
			t.Errorf("%v", err)
		}
	})
}

func TestTheEstimateCountsTheHistoryThatIsSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Tokens: perMinute(10_000)}, says(strings.Repeat("a", 8000)))
		left := func(context int) int {
			q := w.bob()
			q.Request.Context = context
			turn, err := w.g.Enqueue(t.Context(), q.Caller, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			q.Turn = turn
			return w.left(q).Remaining
		}
		if n := left(0); n != 10_000-answerTokens-1 {
			t.Errorf("%d left without a history", n)
		}
		time.Sleep(time.Minute)
		if n := left(0); n != 10_000-answerTokens-2001 {
			t.Errorf("%d left with a history of 8002 bytes", n)
		}
		time.Sleep(time.Minute)
		if n := left(2); n != 10_000-answerTokens-2001 {
			t.Errorf("%d left with one of two earlier answers", n)
		}
		time.Sleep(time.Minute)
		if n := left(1); n != 10_000-answerTokens-1 {
			t.Errorf("%d left with none of the history", n)
		}
	})
}

func TestAnonymousCallersAreCountedByAddressUnlessTheLimitIsShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, shared := range []bool{false, true} {
			w := limited(t, config.Limit{Requests: perMinute(1), Shared: shared}, says("yes"))
			w.ask(t.Context(), w.by("", "1.2.3.4")).mustSay(t, "yes")
			w.ask(t.Context(), w.by("", "1.2.3.4")).mustFail(t, translate.CodeRateLimited, 0)
			other := w.ask(t.Context(), w.by("", "1.2.3.5"))
			if (other.err == nil) == shared {
				t.Errorf("shared %v, another address: %v", shared, other.err)
			}
			if keyed := w.ask(t.Context(), w.bob()); (keyed.err == nil) == shared {
				t.Errorf("shared %v, a caller with a key: %v", shared, keyed.err)
			}
		}
	})
}

func TestOfAThousandAtOnceExactlyAsManyAreAdmittedAsTheLimitSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Requests: perMinute(100), Concurrent: 500}, says("yes"))
		var admitted, refused atomic.Int32
		var all sync.WaitGroup
		for range 1000 {
			q := w.bob()
			all.Go(func() {
				switch r := w.ask(t.Context(), q); {
				case r.err == nil:
					admitted.Add(1)
				case r.err.Code == translate.CodeRateLimited:
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if admitted.Load() != 100 || refused.Load() != 900 {
			t.Errorf("%d admitted, %d refused", admitted.Load(), refused.Load())
		}
		if n := len(w.up["a"].Asked()); n != 100 {
			t.Errorf("the channel was asked %d times", n)
		}
	})
}

// Each way in which a question can end, after which its place has to be free.
func TestThePlaceOfARunningQuestionIsFreeHoweverItEnds(t *testing.T) {
	cut := &translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "cut"}
	ways := map[string]struct {
		script script
		end    func(t *testing.T, w *world, q *question)
	}{
		"answered": {says("yes"), func(t *testing.T, w *world, q *question) { w.ask(t.Context(), q).mustSay(t, "yes") }},
		"answered whole": {says("yes"), func(t *testing.T, w *world, q *question) {
			q.Request.Stream = false
			w.ask(t.Context(), q).mustSay(t, "yes")
		}},
		"rejected": {script{Err: &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected}}, func(t *testing.T, w *world, q *question) {
			w.ask(t.Context(), q).mustFail(t, translate.CodeModel, translate.FaultRejected)
		}},
		"cut": {script{Steps: []step{text("a"), fails(cut)}}, func(t *testing.T, w *world, q *question) {
			w.ask(t.Context(), q).mustFail(t, translate.CodeModel, translate.FaultCut)
		}},
		"left before the first word": {script{Hang: true}, func(t *testing.T, w *world, q *question) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			w.ask(ctx, q).mustFail(t, translate.CodeCanceled, translate.FaultGone)
		}},
		"left in the middle": {script{Steps: []step{text("a"), hangs()}}, func(t *testing.T, w *world, q *question) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			w.ask(ctx, q).mustFail(t, translate.CodeCanceled, translate.FaultGone)
		}},
		"given up by its reader": {says("yes"), func(t *testing.T, w *world, q *question) {
			x, err := w.open(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			_ = x.Close()
			_ = x.Close()
		}},
		"a bug": {script{Steps: []step{{Crash: true}}}, func(t *testing.T, w *world, q *question) {
			defer func() { _ = recover() }()
			_ = w.ask(t.Context(), q)
		}},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := limited(t, config.Limit{Concurrent: 1}, way.script, way.script, says("yes"))
				way.end(t, w, w.bob())
				w.up["a"].Play(says("yes"))
				time.Sleep(time.Hour) // a failing channel is asked again
				// One place, not two: what is settled twice would make room for both.
				x, err := w.open(t.Context(), w.bob())
				if err != nil {
					t.Fatalf("the place is taken: %v", err)
				}
				w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeRateLimited, 0)
				_ = x.Close()
				w.ask(t.Context(), w.bob()).mustSay(t, "yes")
			})
		})
	}
}

// Its next question may come as soon as the client has seen the end.
func TestThePlaceIsFreeBeforeTheEndIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 1}, says("yes"))
		x, err := w.open(t.Context(), w.bob())
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for err == nil {
			_, err = x.Next()
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		w.ask(t.Context(), w.bob()).mustSay(t, "yes")
	})
}

func TestAQuestionThatWaitsForItsTurnHoldsItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 2}, says("yes"))
		first, err := w.open(t.Context(), w.in("k", w.bob()))
		if err != nil {
			t.Fatal(err)
		}
		var second sync.WaitGroup
		q := w.in("k", w.bob())
		second.Go(func() { w.ask(t.Context(), q).mustSay(t, "yes") })
		synctest.Wait()
		w.ask(t.Context(), w.in("k", w.bob())).mustFail(t, translate.CodeRateLimited, 0)
		_ = first.Close()
		second.Wait()
		w.ask(t.Context(), w.in("k", w.bob())).mustSay(t, "yes")
	})
}

func counted(in, out int64, words string) script {
	usage := step{Event: translate.Event{Kind: translate.KindUsage, Usage: translate.Usage{Input: in, Output: out}}}
	return script{Steps: []step{start("s"), text(words), usage, finish()}}
}

func TestTokensAreCorrectedToWhatWasUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const all = 3000
		for _, c := range []struct {
			name   string
			script script
			used   int
		}{
			{"as the channel counted", counted(100, 400, "yes"), 500},
			{"more than reserved", counted(500, 1500, "yes"), 2000},
			{"estimated", says(strings.Repeat("word", 50)), 51},
			{"nothing for a failure", script{Err: &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected}}, 0},
		} {
			w := limited(t, config.Limit{Tokens: config.Rate{N: all, Per: 24 * time.Hour}}, c.script)
			_ = w.ask(t.Context(), w.bob())
			q := w.bob()
			if c.name == "more than reserved" {
				// 1,000 are left, and the next question may need 1,001.
				w.ask(t.Context(), q).mustFail(t, translate.CodeRateLimited, 0)
				continue
			}
			if s, want := w.left(q), all-c.used-w.needs(q); s.Kind != limiter.Tokens || s.Remaining != want {
				t.Errorf("%s: %+v, want %d left", c.name, s, want)
			}
		}
	})
}

func TestWhoLeavesInTheMiddlePaysForWhatCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const all = 3000
		w := limited(t, config.Limit{Tokens: config.Rate{N: all, Per: 24 * time.Hour}}, script{Steps: []step{text(strings.Repeat("word", 100)), hangs()}}, says("yes"))
		ctx, cancel := context.WithCancel(t.Context())
		x, err := w.open(ctx, w.bob())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Next(); err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = x.Close()
		q := w.bob()
		if s, want := w.left(q), all-101-w.needs(q); s.Remaining != want {
			t.Errorf("%+v, want %d left", s, want)
		}
	})
}

func TestACallerWithoutLimitsIsNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Requests: perMinute(1)}, says("yes"))
		w.g.admission = admission.New(forbidden{t}, nil, w.g.log)
		for range 3 {
			q := w.by("free-key", "")
			q.Admitted = func(limiter.State) { t.Error("it was counted") }
			w.ask(t.Context(), q).mustSay(t, "yes")
		}
	})
}

type forbidden struct{ t *testing.T }

func (f forbidden) Admit(context.Context, limiter.Subject) (limiter.Grant, error) {
	f.t.Error("the limiter was asked")
	return limiter.Grant{}, nil
}

// broken is a limiter that decides nothing.
type broken struct{}

func (broken) Admit(context.Context, limiter.Subject) (limiter.Grant, error) {
	return limiter.Grant{}, errors.New("out of order")
}

func TestALimiterThatFailsRefusesAsAFaultOfOurs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Requests: perMinute(1)}, says("yes"))
		w.g.admission = admission.New(broken{}, nil, w.g.log)
		w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeInternal, 0)
	})
}

func BenchmarkAdmission(b *testing.B) {
	for _, c := range []struct {
		name string
		l    config.Limit
	}{
		{"without limits", config.Limit{}},
		{"requests", config.Limit{Requests: config.Rate{N: math.MaxInt32, Per: time.Second}}},
		{"requests, tokens and concurrent", config.Limit{Requests: config.Rate{N: math.MaxInt32, Per: time.Second}, Tokens: config.Rate{N: math.MaxInt32, Per: time.Second}, Concurrent: 1 << 20}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			caller := &Caller{Name: "bob", Rules: auth.New(&config.Callers{}, map[string]config.Limit{"small": c.l}).RulesOf([]string{"small"})}
			request := &translate.Request{Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}}
			g := &Gateway{admission: admission.New(limiter.NewLocal(limiter.Options{}), nil, nil)}
			g.plan.Store(&routing.Plan{Callers: &auth.Callers{}})
			plan := g.plan.Load()
			p := g.pending(context.Background(), Question{Caller: caller, Model: &Model{Plan: plan}, Request: request})
			p.x.plan = plan
			p.x.answer.collected.Usage = translate.Usage{Input: 1, Output: 1}
			for b.Loop() {
				p.x.ticket = admission.Ticket{}
				if err := p.letIn(); err != nil {
					b.Fatal(err)
				}
				p.x.pay(true)
			}
		})
	}
}

// counting counts the conversations that were read.
type counting struct {
	store.Store
	loads atomic.Int32
}

func (c *counting) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, owner, ref, w)
}

// put asks q in the conversation k the way that the stateful fronts do.
func (w *world) put(ctx context.Context, k string, q *question) result {
	defer q.dismiss()
	err := w.admit(ctx, q)
	if err == nil {
		err = w.join(ctx, q, talkOf(k))
	}
	if err != nil {
		return result{err: err.(*translate.Error)}
	}
	return w.ask(ctx, q)
}

func TestARefusedQuestionDoesNotReachTheStore(t *testing.T) {
	for name, l := range map[string]config.Limit{
		"requests":   {Requests: perMinute(1), Tokens: perMinute(100_000)},
		"tokens":     {Tokens: perMinute(answerTokens + 1)},
		"concurrent": {Concurrent: 1, Tokens: perMinute(100_000)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := limited(t, l, script{Steps: []step{text("a"), hangs()}})
				counts := &counting{Store: w.g.store}
				w.g.store = counts
				x, err := w.open(t.Context(), w.bob())
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				for range 3 {
					w.put(t.Context(), "k", w.bob()).mustFail(t, translate.CodeRateLimited, 0)
				}
				if n := counts.loads.Load(); n != 0 {
					t.Errorf("the store was read %d times", n)
				}
			})
		})
	}
}

// What is refused for its history, or finds no conversation, leaves all counts as
// they were.
func TestAQuestionThatItsConversationKeepsOutCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		day := func(n int) config.Rate { return config.Rate{N: n, Per: 24 * time.Hour} }
		c.Limits = map[string]config.Limit{
			"words": {Tokens: day(2000)}, "few": {Requests: day(3), Concurrent: 1},
		}
		c.Callers = config.Callers{Keys: []config.Key{{Name: "bob", Key: limitedKey, Access: config.Access{Limits: config.Names{"words", "few"}}}}}
		w := newWorld(t, c, map[string][]script{"a": {counted(1, 1, strings.Repeat("a", 8000))}})
		w.put(t.Context(), "k", w.bob()).mustSay(t, strings.Repeat("a", 8000))
		for range 10 {
			err := w.put(t.Context(), "k", w.bob()).mustFail(t, translate.CodeRateLimited, 0)
			var over *limiter.Exceeded
			if !errors.As(err, &over) || over.Rule != "words" || !over.TooLarge {
				t.Fatal(err)
			}
			q := w.bob()
			if err := w.admit(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			if err := w.join(t.Context(), q, conversation.Identity{Find: store.Ref{ID: "conv_none"}}); err == nil {
				t.Fatal("there is no such conversation")
			}
			q.dismiss()
		}
		for _, k := range []string{"second", "third"} {
			w.put(t.Context(), k, w.bob()).mustSay(t, strings.Repeat("a", 8000))
		}
		w.put(t.Context(), "fourth", w.bob()).mustFail(t, translate.CodeRateLimited, 0)
		if n := len(w.up["a"].Asked()); n != 3 {
			t.Errorf("the channel was asked %d times", n)
		}
	})
}

// The history of a question is in the budget too, and what it does not pay for is
// given back.
func TestTheBudgetCountsTheHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Prices = map[string]config.Price{"m": {Input: 1_000_000}} // 1 for a token of the question
		c.Limits = map[string]config.Limit{"purse": {Requests: perMinute(3), Budget: config.Budget{Amount: 1000, Per: "day"}}}
		c.Callers = config.Callers{Keys: []config.Key{{Name: "bob", Key: limitedKey, Access: config.Access{Limits: config.Names{"purse"}}}}}
		w := newWorld(t, c, map[string][]script{"a": {counted(1, 1, strings.Repeat("a", 3000))}})
		w.put(t.Context(), "k", w.bob()).mustSay(t, strings.Repeat("a", 3000))
		w.put(t.Context(), "k", w.bob()).mustSay(t, strings.Repeat("a", 3000))
		for range 5 {
			err := w.put(t.Context(), "k", w.bob()).mustFail(t, translate.CodeRateLimited, 0)
			if err.Spent == nil || err.Spent.Needs < 1500 || err.Spent.Left != 998 {
				t.Fatalf("%v %+v", err, err.Spent)
			}
		}
		w.put(t.Context(), "other", w.bob()).mustSay(t, strings.Repeat("a", 3000))
	})
}
