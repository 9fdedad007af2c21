package admission

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Unit is what one of the configured unit is in a cost: costs are counted in billionths, so
// that sums are exact.
const Unit = 1e9

// MaxSpent is what can be spent at most, in billionths: far beyond any price, and far enough
// from the largest number that nothing which is added to it is negative.
const MaxSpent = 1 << 60

// Billionths is v in the unit that costs are counted in, at most most.
func Billionths(v float64, most int64) int64 {
	return int64(min(max(math.Round(v*Unit), 0), float64(most)))
}

// Spendings knows what was spent before the process began: the ledger. Its methods are
// called by many goroutines.
type Spendings interface {
	// Begin counts a reading that begins, for which closing waits until End; false: none
	// may begin any more.
	Begin() bool
	End()
	// Spent sums the cost of the requests that f chooses, in billionths. Closing ends it.
	Spent(f store.EntryFilter) (int64, error)
	// Closing reports whether a reading failed since the process ends.
	Closing() bool
}

// Budget is one configured budget. It is immutable.
type Budget struct {
	name   string
	amount int64 // in billionths
	month  bool  // else a day
	shared bool
}

// NewBudgets returns the budgets of limits, by their names.
func NewBudgets(limits map[string]config.Limit) map[string]*Budget {
	all := make(map[string]*Budget)
	for name, l := range limits {
		if l.Budget.Amount > 0 {
			all[name] = &Budget{name: name, amount: Billionths(l.Budget.Amount, MaxSpent), month: l.Budget.Per == "month", shared: l.Shared}
		}
	}
	return all
}

// period is the one that now is in.
func (b *Budget) period(now time.Time) (from, to time.Time) {
	y, m, d := now.UTC().Date()
	if b.month {
		from = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 1, 0)
	}
	from = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 0, 1)
}

// maxAccounts is how many accounts are kept; those that nothing is reserved in go when
// there are more, and are filled again from the ledger.
const maxAccounts = 100_000

// accountKey is whose account it is; no caller for a shared budget.
type accountKey struct{ rule, caller string }

// accounts know what was spent of each budget. They are safe for concurrent use.
type accounts struct {
	spendings Spendings // nil: nothing is known
	log       *slog.Logger
	alarm     atomic.Int64 // Unix nanoseconds: when it was said that one cannot be read
	mu        sync.Mutex
	of        map[accountKey]*account
	joint     *joint // nil: no other process spends
}

// key is whose account a question of caller is paid from.
func (b *Budget) key(caller string) accountKey {
	if b.shared {
		caller = ""
	}
	return accountKey{b.name, caller}
}

// account is what one caller spent in one period. All but users is guarded by mu.
type account struct {
	mu    sync.Mutex
	users int       // who have it in hand; guarded by accounts.mu
	went  bool      // it is among the accounts no more; guarded by accounts.mu
	from  time.Time // of the period; zero: nobody has looked yet
	epoch int       // how many accounts it was before this one
	until int64     // the latest end of the periods that it was of, in Unix milliseconds
	spent int64
	held  int64 // reserved by questions that run

	// What was spent before the process began is in the ledger.
	known   bool
	reading chan struct{} // closed when the ledger has been read; nil: nobody does
	late    bool          // it takes so long that nobody waits for it any more
	again   time.Time     // when it is read anew after a failure

	// Where other processes spend as well the store has the sums, see joint.
	account store.Account
	opened  int64   // see [store.Reserving]
	others  int64   // spent by others, as the store last said
	theirs  int64   // reserved by them
	wants   []*want // that the store is to be asked for
	listed  bool    // among those that have something to tell
}

// left is what b has left in w, which is locked.
func (b *Budget) left(w *account) int64 { return b.amount - w.spent - w.held - w.others - w.theirs }

// lostMost is how often a question has an account opened that the server has lost.
const lostMost = 3

// reservation is what one question has reserved in an account. A nil reservation reserves nothing.
type reservation struct {
	all     *accounts
	account *account
	epoch   int // of the account
	amount  int64
}

// take returns the account of key, which stays in memory until it is given back.
func (p *accounts) take(key accountKey) *account {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.of[key]
	if one == nil {
		if len(p.of) >= maxAccounts {
			for k, old := range p.of {
				if old.users == 0 {
					old.went = true
					delete(p.of, k)
				}
			}
		}
		if p.of == nil {
			p.of = make(map[accountKey]*account)
		}
		one = &account{}
		p.of[key] = one
	}
	one.users++
	return one
}

// retain keeps one in memory until it is given back once more. It reports false where it went:
// what was spent since is in another one.
func (p *accounts) retain(one *account) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one.went {
		return false
	}
	one.users++
	return true
}

func (p *accounts) giveBack(one *account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.users--
}

// open returns the account of caller under b in the period of now, locked.
func (p *accounts) open(ctx context.Context, b *Budget, caller string, now time.Time) (*account, time.Time, error) {
	key := b.key(caller)
	from, to := b.period(now)
	w := p.take(key)
	w.mu.Lock()
	if err := p.begin(ctx, w, b, key, from, to, now); err != nil {
		w.mu.Unlock()
		p.giveBack(w)
		return nil, to, err
	}
	return w, to, nil
}

// reserve takes amount out of the account of caller, or refuses where that is more
// than is left. However many come at once, no more is reserved than there is.
func (p *accounts) reserve(ctx context.Context, b *Budget, caller string, amount int64) (*reservation, *translate.Error) {
	now := time.Now()
	w, to, err := p.open(ctx, b, caller, now)
	if err != nil {
		return nil, translate.Gone(context.Cause(ctx))
	}
	epoch := w.epoch
	got, err := p.room(ctx, w, b, amount)
	w.mu.Unlock()
	if err == nil && got.ok {
		return &reservation{all: p, account: w, epoch: epoch, amount: amount}, nil
	}
	p.giveBack(w)
	if err != nil {
		return nil, translate.Gone(context.Cause(ctx))
	}
	return nil, b.exceeded(amount, got.left, to.Sub(now))
}

// room takes amount out of w, which is locked before and after it, or says what is left. What
// costs nothing is asked also when nothing is left. Where other processes spend as well the
// store is asked, and w is not locked while it is; without an answer w alone decides. The error
// is that of ctx.
func (p *accounts) room(ctx context.Context, w *account, b *Budget, amount int64) (verdict, error) {
	epoch := w.epoch
	for i, lost := 0, 0; amount > 0 && p.joint.answers(); {
		if !w.known { // the server has lost it, or could not tell
			if err := p.reopen(ctx, w, b); err != nil {
				return verdict{}, err
			}
		}
		if !w.known || w.epoch != epoch {
			break
		}
		got, err := p.joint.ask(ctx, w, b, amount)
		if err != nil || got.known && (!got.soon || i == len(settleWaits)) {
			return got, err
		}
		if !got.known {
			if lost++; !got.lost || lost > lostMost {
				break
			}
			continue
		}
		w.mu.Unlock()
		err = rest(ctx, settleWaits[i])
		w.mu.Lock()
		i++
		if err != nil {
			return got, err
		}
	}
	if amount <= 0 || w.epoch != epoch { // the period has passed meanwhile
		return verdict{ok: true}, nil
	}
	if left := b.left(w); amount > left {
		return verdict{left: left}, nil
	}
	w.held += amount
	p.joint.tell(w)
	return verdict{ok: true}, nil
}

// rest waits for d. The error is that of ctx.
func rest(ctx context.Context, d time.Duration) error {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// grow makes what one has reserved amount, or refuses where the difference is more
// than is left.
func (b *reservation) grow(ctx context.Context, of *Budget, amount int64) *translate.Error {
	b.account.mu.Lock()
	defer b.account.mu.Unlock()
	more := amount - b.amount
	if more <= 0 || b.account.epoch != b.epoch {
		return nil
	}
	got, err := b.all.room(ctx, b.account, of, more)
	switch {
	case err != nil:
		return translate.Gone(context.Cause(ctx))
	case !got.ok:
		now := time.Now()
		_, to := of.period(now)
		return of.exceeded(amount, got.left+b.amount, to.Sub(now))
	}
	b.amount = amount
	return nil
}

// settle pays cost instead of what was reserved. What belongs to a period that has
// passed meanwhile is nobody's business any more.
func (b *reservation) settle(cost int64) {
	if b == nil {
		return
	}
	b.account.mu.Lock()
	if b.account.epoch == b.epoch {
		b.account.held -= b.amount
		b.account.spent = min(b.account.spent+cost, MaxSpent)
		if b.amount != 0 || cost != 0 {
			b.all.joint.tell(b.account)
		}
	}
	b.account.mu.Unlock()
	b.all.giveBack(b.account)
}

// exceeded is the refusal. It tells numbers of the caller's own account only.
func (b *Budget) exceeded(needs, left int64, wait time.Duration) *translate.Error {
	period := "day"
	if b.month {
		period = "month"
	}
	amount := strconv.FormatFloat(float64(b.amount)/Unit, 'f', -1, 64)
	words := "the budget " + b.name + " of " + amount + " per " + period + " is used up"
	if left > 0 {
		words = "this question may cost more than is left of the budget " + b.name + " of " + amount + " per " + period
	}
	return &translate.Error{
		Code: translate.CodeRateLimited, Message: words, Retry: wait,
		Spent: &translate.Spent{Needs: float64(needs) / Unit, Left: float64(left) / Unit},
	}
}
