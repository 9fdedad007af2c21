package admission

import (
	"context"
	"errors"
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
	// among says that other processes spend as well: what they did is read again and again.
	among bool
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
	from  time.Time // of the period; zero: nobody has looked yet
	spent int64
	held  int64 // reserved by questions that run

	// What was spent before the process began is in the ledger.
	known   bool
	reading chan struct{} // closed when the ledger has been read; nil: nobody does
	late    bool          // it takes so long that nobody waits for it any more
	again   time.Time     // when it is read anew after a failure, or since others spend
}

// How long a question waits for the ledger to say what was spent, when it is asked anew
// after a failure, and how often that is said.
const (
	ReadWait   = 2 * time.Second
	othersWait = time.Second // until it is asked anew what other processes have spent
	othersPart = 20          // it is not asked for more than this part of the time
	ReadAgain  = 30 * time.Second
	alarmEvery = time.Minute
)

// reservation is what one question has reserved in an account. A nil reservation reserves nothing.
type reservation struct {
	all     *accounts
	account *account
	from    time.Time
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

// retain keeps one, which is in hand, in memory until it is given back once more.
func (p *accounts) retain(one *account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.users++
}

func (p *accounts) giveBack(one *account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.users--
}

// begin makes sure that w is the account of the period from from to to, and knows what was
// spent in it. Where the ledger cannot say that now, it counts from zero, with an alarm,
// until it can: whoever keeps no conversation is served without the store, too. w.mu is
// held, but not while it waits. The error is that of ctx.
func (p *accounts) begin(ctx context.Context, w *account, b *Budget, key accountKey, from, to, now time.Time) error {
	switch {
	case w.from.IsZero():
		w.from, w.known = from, p.spendings == nil
	case !w.from.Equal(from):
		w.from, w.spent, w.held, w.known = from, 0, 0, true
	}
	if w.known && (!p.among || p.spendings == nil) {
		return nil
	}
	if w.reading == nil && !now.Before(w.again) && p.spendings.Begin() {
		w.reading = make(chan struct{})
		p.retain(w)
		go p.read(w, b, key, from, to, w.spent)
	}
	if w.known || w.reading == nil || w.late {
		return nil
	}
	return p.await(ctx, w, b, key)
}

// await waits until the ledger has been read, or for as long as that may take. w.mu is
// held before and after it.
func (p *accounts) await(ctx context.Context, w *account, b *Budget, key accountKey) error {
	reading := w.reading
	w.mu.Unlock()
	defer w.mu.Lock()
	limit := time.NewTimer(ReadWait)
	defer limit.Stop()
	select {
	case <-reading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reading == reading && !w.late {
		w.late = true
		p.unread(b, key, errLongRead)
	}
	return nil
}

var errLongRead = errors.New("it takes long")

// read adds to w what the ledger knows of the period. What was spent since, beyond before,
// may be in it already: too strict by that much, never too lax.
func (p *accounts) read(w *account, b *Budget, key accountKey, from, to time.Time, before int64) {
	defer func() { _ = recover() }() // what it leaves is a budget that cannot be read
	defer p.spendings.End()
	defer p.giveBack(w)
	spent, err, r := int64(0), errors.New("a fault of the gateway"), reading{from, time.Now(), before}
	defer func() { p.learn(w, b, key, r, spent, err) }()
	spent, err = p.spendings.Spent(store.EntryFilter{Rule: b.name, Caller: key.caller, From: from.UnixMilli(), To: to.UnixMilli()})
}

// reading is one of what was spent in the period that begins with from.
type reading struct {
	from, began time.Time
	before      int64 // what was known when it began
}

// learn ends the reading r of w, with what was spent or why that is not known.
func (p *accounts) learn(w *account, b *Budget, key accountKey, r reading, spent int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.reading)
	w.reading = nil
	rest := max(othersWait, othersPart*time.Since(r.began))
	switch {
	case !w.from.Equal(r.from):
	case err != nil && w.known: // what is known of the others is older
		w.again = time.Now().Add(rest)
	case err != nil:
		w.again = time.Now().Add(ReadAgain)
		p.unread(b, key, err)
	default:
		w.again = time.Now().Add(rest)
		w.spent = min(min(spent, MaxSpent)+w.spent-r.before, MaxSpent)
		w.known, w.late = true, false
	}
}

// unread says that a budget cannot be read.
func (p *accounts) unread(b *Budget, key accountKey, err error) {
	now, last := time.Now().UnixNano(), p.alarm.Load()
	if p.spendings.Closing() || last != 0 && now-last < int64(alarmEvery) || !p.alarm.CompareAndSwap(last, now) {
		return
	}
	p.log.Error("a budget cannot be read from the ledger: it counts from zero until it can", "limits", b.name, "caller", store.ShownCaller(key.caller), "why", translate.MaskKeys(err.Error()))
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
	left := b.amount - w.spent - w.held
	if amount > 0 && amount > left { // what costs nothing is asked also when nothing is left
		w.mu.Unlock()
		p.giveBack(w)
		return nil, b.exceeded(amount, left, to.Sub(now))
	}
	w.held += amount
	from := w.from
	w.mu.Unlock()
	return &reservation{all: p, account: w, from: from, amount: amount}, nil
}

// grow makes what one has reserved amount, or refuses where the difference is more
// than is left.
func (b *reservation) grow(of *Budget, amount int64) *translate.Error {
	b.account.mu.Lock()
	defer b.account.mu.Unlock()
	more := amount - b.amount
	if more <= 0 || !b.account.from.Equal(b.from) {
		return nil
	}
	if left := of.amount - b.account.spent - b.account.held; more > left {
		now := time.Now()
		_, to := of.period(now)
		return of.exceeded(amount, left+b.amount, to.Sub(now))
	}
	b.account.held += more
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
	if b.account.from.Equal(b.from) {
		b.account.held -= b.amount
		b.account.spent = min(b.account.spent+cost, MaxSpent)
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
