package proxy

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

// unit is what one of the configured unit is in a cost: costs are counted in
// billionths, so that sums are exact.
const unit = 1e9

// price is what a model costs, in billionths: per token, and per answered question.
type price struct {
	input, cached, output float64
	call                  int64
}

func newPrices(all map[string]config.Price) map[string]*price {
	const perToken = unit / 1e6 // the file has them for a million
	prices := make(map[string]*price, len(all))
	for name, p := range all {
		one := &price{input: p.Input * perToken, cached: p.Input * perToken, output: p.Output * perToken, call: billionths(p.Call, maxCost)}
		if p.Cached != nil {
			one.cached = *p.Cached * perToken
		}
		prices[name] = one
	}
	return prices
}

// billionths is v in the unit that costs are counted in, at most most.
func billionths(v float64, most int64) int64 {
	return int64(min(max(math.Round(v*unit), 0), float64(most)))
}

// of is what u costs; it is rounded once, to the nearest.
func (p *price) of(u translate.Usage) int64 {
	if p == nil {
		return 0
	}
	cached := min(max(u.CacheRead, 0), max(u.Input, 0))
	cost := float64(max(u.Input, 0)-cached)*p.input + float64(cached)*p.cached + float64(max(u.Output, 0))*p.output
	return min(p.call+int64(min(math.Round(cost), maxCost)), maxCost)
}

// What one answer can cost and what can be spent, in billionths: far beyond any price,
// and far enough from the largest number that nothing which is added to it is negative.
const (
	maxCost  = store.MaxCost // nine millions
	maxSpent = 1 << 60
)

// priceOf is the price of the model that was asked for, else of the one at the back
// end, where that is known, else the first one of those that could answer; nil: it
// costs nothing.
func (p *Plan) priceOf(m *Model, upstream string) *price {
	if len(p.prices) == 0 {
		return nil
	}
	if one := p.prices[m.Name]; one != nil {
		return one
	}
	if upstream != "" {
		return p.prices[upstream]
	}
	return m.route.price
}

// budget is one configured budget. It is immutable.
type budget struct {
	name   string
	amount int64 // in billionths
	month  bool  // else a day
	shared bool
}

func newBudgets(limits map[string]config.Limit) map[string]*budget {
	all := make(map[string]*budget)
	for name, l := range limits {
		if l.Budget.Amount > 0 {
			all[name] = &budget{name: name, amount: billionths(l.Budget.Amount, maxSpent), month: l.Budget.Per == "month", shared: l.Shared}
		}
	}
	return all
}

// period is the one that now is in.
func (b *budget) period(now time.Time) (from, to time.Time) {
	y, m, d := now.UTC().Date()
	if b.month {
		from = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 1, 0)
	}
	from = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 0, 1)
}

// mostPurses is how many purses are kept; those that nothing is reserved in go when
// there are more, and are filled again from the ledger.
const mostPurses = 100_000

// purseKey is whose purse it is; no caller for a shared budget.
type purseKey struct{ rule, caller string }

// purses know what was spent of each budget. They are safe for concurrent use.
type purses struct {
	ledger *ledger
	log    *slog.Logger
	alarm  atomic.Int64 // Unix nanoseconds: when it was said that one cannot be read
	mu     sync.Mutex
	of     map[purseKey]*purse
}

// purse is what one caller spent in one period. All but users is guarded by mu.
type purse struct {
	mu    sync.Mutex
	users int       // who have it in hand; guarded by purses.mu
	from  time.Time // of the period; zero: nobody has looked yet
	spent int64
	held  int64 // reserved by questions that run

	// What was spent before the process began is in the ledger.
	known   bool
	reading chan struct{} // closed when the ledger has been read; nil: nobody does
	late    bool          // it takes so long that nobody waits for it any more
	again   time.Time     // when it is read anew after a failure
}

// How long a question waits for the ledger to say what was spent, when it is asked anew
// after a failure, and how often that is said.
const (
	purseWaits = 2 * time.Second
	purseAgain = 30 * time.Second
	purseAlarm = time.Minute
)

// bill is what one question has reserved in a purse. A nil bill reserves nothing.
type bill struct {
	all    *purses
	purse  *purse
	from   time.Time
	amount int64
}

// take returns the purse of key, which stays in memory until it is given back.
func (p *purses) take(key purseKey) *purse {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.of[key]
	if one == nil {
		if len(p.of) >= mostPurses {
			for k, old := range p.of {
				if old.users == 0 {
					delete(p.of, k)
				}
			}
		}
		if p.of == nil {
			p.of = make(map[purseKey]*purse)
		}
		one = &purse{}
		p.of[key] = one
	}
	one.users++
	return one
}

// retain keeps one, which is in hand, in memory until it is given back once more.
func (p *purses) retain(one *purse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.users++
}

func (p *purses) giveBack(one *purse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.users--
}

// begin makes sure that w is the purse of the period from from to to, and knows what was
// spent in it. Where the ledger cannot say that now, it counts from zero, with an alarm,
// until it can: whoever keeps no conversation is served without the store, too. w.mu is
// held, but not while it waits. The error is that of ctx.
func (p *purses) begin(ctx context.Context, w *purse, b *budget, key purseKey, from, to, now time.Time) error {
	switch {
	case w.from.IsZero():
		w.from, w.known = from, p.ledger == nil
	case !w.from.Equal(from):
		w.from, w.spent, w.held, w.known = from, 0, 0, true
	}
	if w.known {
		return nil
	}
	if w.reading == nil && !now.Before(w.again) && p.ledger.enter() {
		w.reading = make(chan struct{})
		p.retain(w)
		go p.read(w, b, key, from, to, w.spent)
	}
	if w.reading == nil || w.late {
		return nil
	}
	return p.await(ctx, w, b, key)
}

// await waits until the ledger has been read, or for as long as that may take. w.mu is
// held before and after it.
func (p *purses) await(ctx context.Context, w *purse, b *budget, key purseKey) error {
	reading := w.reading
	w.mu.Unlock()
	defer w.mu.Lock()
	limit := time.NewTimer(purseWaits)
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
func (p *purses) read(w *purse, b *budget, key purseKey, from, to time.Time, before int64) {
	defer func() { _ = recover() }() // what it leaves is a budget that cannot be read
	defer p.ledger.runs.Done()
	defer p.giveBack(w)
	spent, err := int64(0), errors.New("a fault of the gateway")
	defer func() { p.learn(w, b, key, from, spent, before, err) }()
	spent, err = p.ledger.spent(p.ledger.life, store.EntryFilter{Rule: b.name, Caller: key.caller, From: from.UnixMilli(), To: to.UnixMilli()})
}

// learn ends the reading of w, with what was spent or why that is not known.
func (p *purses) learn(w *purse, b *budget, key purseKey, from time.Time, spent, before int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.reading)
	w.reading = nil
	switch {
	case !w.from.Equal(from):
	case err != nil:
		w.again = time.Now().Add(purseAgain)
		p.unread(b, key, err)
	default:
		w.spent = min(min(spent, maxSpent)+w.spent-before, maxSpent)
		w.known, w.late = true, false
	}
}

// unread says that a budget cannot be read.
func (p *purses) unread(b *budget, key purseKey, err error) {
	now, last := time.Now().UnixNano(), p.alarm.Load()
	if p.ledger.life.Err() != nil || last != 0 && now-last < int64(purseAlarm) || !p.alarm.CompareAndSwap(last, now) {
		return
	}
	p.log.Error("a budget cannot be read from the ledger: it counts from zero until it can", "limits", b.name, "caller", key.caller, "why", translate.MaskKeys(err.Error()))
}

// open returns the purse of caller under b in the period of now, locked.
func (p *purses) open(ctx context.Context, b *budget, caller string, now time.Time) (*purse, time.Time, error) {
	key := purseKey{b.name, caller}
	if b.shared {
		key.caller = ""
	}
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

// reserve takes amount out of the purse of caller, or refuses where that is more
// than is left. However many come at once, no more is reserved than there is.
func (p *purses) reserve(ctx context.Context, b *budget, caller string, amount int64) (*bill, *translate.Error) {
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
	return &bill{all: p, purse: w, from: from, amount: amount}, nil
}

// raise makes what one has reserved amount, or refuses where the difference is more
// than is left.
func (b *bill) raise(of *budget, amount int64) *translate.Error {
	b.purse.mu.Lock()
	defer b.purse.mu.Unlock()
	more := amount - b.amount
	if more <= 0 || !b.purse.from.Equal(b.from) {
		return nil
	}
	if left := of.amount - b.purse.spent - b.purse.held; more > left {
		now := time.Now()
		_, to := of.period(now)
		return of.exceeded(amount, left+b.amount, to.Sub(now))
	}
	b.purse.held += more
	b.amount = amount
	return nil
}

// settle pays cost instead of what was reserved. What belongs to a period that has
// passed meanwhile is nobody's business any more.
func (b *bill) settle(cost int64) {
	if b == nil {
		return
	}
	b.purse.mu.Lock()
	if b.purse.from.Equal(b.from) {
		b.purse.held -= b.amount
		b.purse.spent = min(b.purse.spent+cost, maxSpent)
	}
	b.purse.mu.Unlock()
	b.all.giveBack(b.purse)
}

// exceeded is the refusal. It tells numbers of the caller's own purse only.
func (b *budget) exceeded(needs, left int64, wait time.Duration) *translate.Error {
	period := "day"
	if b.month {
		period = "month"
	}
	amount := strconv.FormatFloat(float64(b.amount)/unit, 'f', -1, 64)
	words := "the budget " + b.name + " of " + amount + " per " + period + " is used up"
	if left > 0 {
		words = "this question may cost more than is left of the budget " + b.name + " of " + amount + " per " + period
	}
	return &translate.Error{
		Code: translate.CodeRateLimited, Message: words, Retry: wait,
		Spent: &translate.Spent{Needs: float64(needs) / unit, Left: float64(left) / unit},
	}
}

// afford takes the estimated cost of the question out of the caller's purse, if it
// has one; and, called again, what has become known of its conversation since. A question
// that may have a kept answer, which costs nothing, is not refused here but where there
// turns out to be none.
func (p *Pending) afford() *translate.Error {
	p.x.ticket.cacheOnly = nil
	b := p.x.plan.budgets[p.x.q.Caller.Limits]
	if b == nil {
		return nil
	}
	if err := p.x.complete(); err != nil {
		return err
	}
	input, output := p.x.prompt.expects()
	amount := p.x.plan.priceOf(p.x.prompt.model, "").of(translate.Usage{Input: int64(input), Output: int64(output)})
	var err *translate.Error
	if p.x.ticket.bill != nil {
		err = p.x.ticket.bill.raise(b, amount)
	} else {
		p.x.ticket.bill, err = p.x.g.purses.reserve(p.x.ctx, b, p.x.q.Caller.Name, amount)
	}
	if err != nil && err.Spent != nil && p.x.prompt.mayBeKept() {
		p.x.ticket.cacheOnly, err = err, nil
	}
	return err
}

// Cost is what the answer has cost so far, in the unit of the configured prices. What
// nobody reported is estimated, cheaply: it is asked for with each frame.
func (x *Exchange) Cost() float64 {
	if x.attempt.lease.ch == nil || x.answer.cached {
		return 0
	}
	p := x.plan.priceOf(x.prompt.model, x.attempt.lease.upstream)
	if p == nil {
		return 0
	}
	return float64(p.of(x.Usage())) / unit
}

// Purse returns what is left of the caller's budget in this period, in the unit of
// the configured prices; limited is false for a caller without a budget.
func (g *Gateway) Purse(ctx context.Context, c *Caller) (left float64, limited bool, err error) {
	b := g.plan.Load().budgets[c.Limits]
	if b == nil {
		return 0, false, nil
	}
	w, _, err := g.purses.open(ctx, b, c.Name, time.Now())
	if err != nil {
		return 0, true, err
	}
	left = float64(b.amount-w.spent-w.held) / unit
	w.mu.Unlock()
	g.purses.giveBack(w)
	return max(left, 0), true, nil
}
