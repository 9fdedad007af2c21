package admission

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// BudgetUse is how a budget stands for a caller.
type BudgetUse struct {
	Name   string
	Caller string // empty: all who share it
	Amount int64  // in billionths, as Left
	Left   int64  // negative: more was spent
	Ends   time.Time
	budget *Budget
	in     *account
}

// use is how b stands in a, which is locked, until to.
func (b *Budget) use(key accountKey, a *account, to time.Time) BudgetUse {
	return BudgetUse{Name: b.name, Caller: key.caller, Amount: b.amount, Left: b.left(a), Ends: to, budget: b, in: a}
}

// Share is the part of the budget that is used, of 1.
func (u *BudgetUse) Share() float64 { return float64(u.Amount-u.Left) / float64(max(u.Amount, 1)) }

// Refusal is the error that a question gets at now that reserves cost, in billionths; nil: it is let in.
func (u *BudgetUse) Refusal(cost int64, now time.Time) *translate.Error {
	if cost <= 0 || cost <= u.Left {
		return nil
	}
	return u.budget.exceeded(cost, u.Left, u.Ends.Sub(now))
}

// SpendsAlone reports whether others may spend what this process counts as left of a budget: several
// processes share limits, and no store that all of them ask keeps the budgets, or it does not answer.
func (d *Desk) SpendsAlone() bool {
	if d.accounts.joint == nil {
		return d.Shared()
	}
	return !d.accounts.joint.answers()
}

// BudgetOf returns how b stands for caller. The error is that of ctx.
func (d *Desk) BudgetOf(ctx context.Context, b *Budget, caller string) (BudgetUse, error) {
	a, to, err := d.accounts.open(ctx, b, caller, time.Now())
	if err != nil {
		return BudgetUse{}, err
	}
	defer d.accounts.giveBack(a)
	defer a.mu.Unlock()
	if err := d.accounts.look(ctx, a, b); err != nil {
		return BudgetUse{}, err
	}
	return b.use(b.key(caller), a, to), nil
}

// look has the store say how a stands, which is locked before and after it, and opens it where the
// server has lost it. The error is that of ctx.
func (p *accounts) look(ctx context.Context, a *account, b *Budget) error {
	for range lostMost {
		if !a.known || !p.joint.answers() {
			return nil
		}
		got, err := p.joint.ask(ctx, a, b, 0)
		if err != nil || !got.lost {
			return err
		}
		if err := p.reopen(ctx, a, b); err != nil {
			return err
		}
	}
	return nil
}

// BudgetUses returns the budgets among all, by their names, of which the largest parts are used, the
// most used first, at most so many: of the callers who have asked in this period since the process began.
// Where other processes spend as well they are as this one last heard, and it asks again now.
func (d *Desk) BudgetUses(all map[string]*Budget, most int) (uses []BudgetUse) {
	now := time.Now()
	for key, a := range d.accounts.list() {
		b := all[key.rule]
		if b == nil || b.key(key.caller) != key {
			continue
		}
		from, to := b.period(now)
		a.mu.Lock()
		if u := b.use(key, a, to); a.from.Equal(from) && u.Left < u.Amount {
			uses = append(uses, u)
		}
		a.mu.Unlock()
	}
	slices.SortFunc(uses, func(a, b BudgetUse) int {
		return cmp.Or(cmp.Compare(b.Share(), a.Share()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Caller, b.Caller))
	})
	uses = uses[:min(len(uses), max(most, 0))]
	for i := range uses {
		uses[i].in.mu.Lock()
		d.accounts.joint.tell(uses[i].in)
		uses[i].in.mu.Unlock()
	}
	return uses
}

// list are the accounts in memory.
func (p *accounts) list() map[accountKey]*account {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.of)
}
