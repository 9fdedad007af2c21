package admission

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// asks is a claim of bob, under limits that have a queue if he says so, and a budget.
type asks struct {
	bob    *auth.Caller
	queues bool
	budget *Budget
	cost   int64
}

func (a *asks) Caller() *auth.Caller            { return a.bob }
func (a *asks) Key(limiter.Scope) string        { return a.bob.Name }
func (a *asks) Queues(string) bool              { return a.queues }
func (a *asks) Tokens() (int, *translate.Error) { return 1, nil }
func (a *asks) Budget() *Budget                 { return a.budget }
func (a *asks) Cost() (int64, *translate.Error) { return a.cost, nil }
func (a *asks) Excused(*translate.Error) bool   { return false }
func desk() *Desk {
	return New(limiter.NewLocal(limiter.Options{}), nil, slog.New(slog.DiscardHandler))
}
func bobUnder(l config.Limit) *auth.Caller {
	return &auth.Caller{Name: "bob", Rules: []*limiter.Rule{limiter.NewRule("small", l)}}
}

func TestOfSettleAndCancelTheFirstWins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*Ticket)
		left float64
	}{
		"settled":                {func(k *Ticket) { k.Settle(translate.Usage{}, 2*Unit); k.Cancel(); k.Settle(translate.Usage{}, 5*Unit) }, 8},
		"cancelled":              {func(k *Ticket) { k.Cancel(); k.Settle(translate.Usage{}, 2*Unit); k.Cancel() }, 10},
		"settled twice":          {func(k *Ticket) { k.Settle(translate.Usage{}, Unit); k.Settle(translate.Usage{}, Unit) }, 9},
		"settled without a cost": {func(k *Ticket) { k.Settle(translate.Usage{}, 0); k.Settle(translate.Usage{}, Unit) }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			d := desk()
			a := &asks{bob: bobUnder(config.Limit{Concurrent: 1}), budget: &Budget{name: "b", amount: 10 * Unit}, cost: 3 * Unit}
			var one Ticket
			if err := one.Admit(t.Context(), d, a); err != nil {
				t.Fatal(err)
			}
			if left, _ := d.Left(t.Context(), a.budget, "bob"); left != 7 || !one.Counts() {
				t.Errorf("%v left while it runs, it counts: %v", left, one.Counts())
			}
			var other Ticket
			if err := other.Admit(t.Context(), d, a); err == nil || err.Code != translate.CodeRateLimited {
				t.Errorf("a second one at once: %v", err)
			}
			other.Cancel()
			c.end(&one)
			if left, _ := d.Left(t.Context(), a.budget, "bob"); left != c.left || one.Counts() {
				t.Errorf("%v left, want %v; it counts: %v", left, c.left, one.Counts())
			}
			var next Ticket
			if err := next.Admit(t.Context(), d, a); err != nil {
				t.Errorf("the place is not free: %v", err)
			}
			next.Cancel()
		})
	}
}

func TestATicketWaitsForALimitAndLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := desk()
		a := &asks{bob: bobUnder(config.Limit{Concurrent: 1}), queues: true}
		var running, waits, leaves Ticket
		for _, k := range []*Ticket{&running, &waits, &leaves} {
			if err := k.Admit(t.Context(), d, a); err != nil {
				t.Fatal(err)
			}
		}
		if running.Waiting() || !waits.Waiting() || !leaves.Waiting() || d.Waiting() != 2 {
			t.Fatalf("%d wait", d.Waiting())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := leaves.Wait(ctx); err == nil || err.Fault != translate.FaultGone {
			t.Errorf("whose context ended is told %v", err)
		}
		leaves.Cancel()
		go running.Settle(translate.Usage{}, 0)
		if err := waits.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits.Leave()
		if n := d.Waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
		if s, counted := waits.State(); !counted || s.Kind != limiter.Concurrent {
			t.Errorf("%+v, %v", s, counted)
		}
		waits.Settle(translate.Usage{}, 0)
	})
}
