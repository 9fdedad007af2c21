package admission

import (
	"context"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// How long a question waits for the ledger to say what was spent, when it is asked anew
// after a failure, and how often that is said.
const (
	ReadWait   = 2 * time.Second
	ReadAgain  = 30 * time.Second
	joinAgain  = 2 * time.Second // where others spend as well
	alarmEvery = time.Minute
)

// clockBack is how far behind the beginning of the present period the clock may say that it is: by
// then it has been set back, or a question took long to come to its account.
const clockBack = 10 * time.Minute

// begin makes sure that w is the account of the period from from to to, and knows what was
// spent in it. Where the ledger cannot say that now, it counts from zero, with an alarm,
// until it can: whoever keeps no conversation is served without the store, too. w.mu is
// held, but not while it waits. The error is that of ctx.
func (p *accounts) begin(ctx context.Context, w *account, b *Budget, key accountKey, from, to, now time.Time) error {
	of := store.Account{Rule: key.rule, Caller: key.caller, From: from.UnixMilli(), To: to.UnixMilli()}
	early := of.To <= w.account.From && w.from.Sub(now) < clockBack
	switch {
	case w.from.IsZero():
		w.from, w.account, w.until, w.known = from, of, of.To, p.spendings == nil
	case w.account != of && !early:
		w.next(from, of)
		// In a period after all others nothing was spent yet, but by other processes.
		w.known = p.spendings == nil || p.joint == nil && of.From >= w.until
		w.until = max(w.until, of.To)
	}
	for range 2 { // the period may pass while the last one is read
		if w.known {
			return nil
		}
		if w.reading == nil && !now.Before(w.again) && p.spendings.Begin() {
			w.reading = make(chan struct{})
			p.retain(w)
			go p.read(w, b, key, w.account, w.spent)
		}
		if w.reading == nil || w.late {
			return nil
		}
		if err := p.await(ctx, w, b, key); err != nil {
			return err
		}
	}
	return nil
}

// reopen is begin, for the period of now, of an account that was opened before.
func (p *accounts) reopen(ctx context.Context, w *account, b *Budget) error {
	now := time.Now()
	from, to := b.period(now)
	return p.begin(ctx, w, b, accountKey{w.account.Rule, w.account.Caller}, from, to, now)
}

// next makes w, which is locked, the account of another period, in which nothing is spent yet.
func (w *account) next(from time.Time, of store.Account) {
	w.refuse(w.wants, false) // their questions belong to the period before
	w.wants = nil
	w.from, w.account, w.spent, w.held, w.others, w.theirs, w.again = from, of, 0, 0, 0, 0, time.Time{}
	w.epoch++
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
func (p *accounts) read(w *account, b *Budget, key accountKey, of store.Account, before int64) {
	defer func() { _ = recover() }() // what it leaves is a budget that cannot be read
	defer p.spendings.End()
	defer p.giveBack(w)
	r := reading{of: of, before: before, err: errors.New("a fault of the gateway")}
	defer func() { p.learn(w, b, key, r) }()
	spent, err := p.spendings.Spent(store.EntryFilter{Rule: b.name, Caller: key.caller, From: of.From, To: of.To})
	spent = min(spent, MaxSpent)
	if err != nil || p.joint == nil {
		r.spent, r.err = spent, err
		return
	}
	ctx, cancel := context.WithTimeout(p.joint.life, tellMost)
	defer cancel()
	r.opened, r.spent, r.err = p.joint.store.OpenAccount(ctx, of, spent)
	r.others = max(spent-r.spent, 0)
	if _, none := p.spendings.(unrecorded); none {
		r.before = 0 // nobody but w knows of it
	}
}

// reading is one of what was spent in a period.
type reading struct {
	of     store.Account
	before int64 // what was known when it began
	spent  int64 // where others spend as well: by this process
	others int64
	opened int64
	err    error
}

// learn ends the reading r of w.
func (p *accounts) learn(w *account, b *Budget, key accountKey, r reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.reading)
	w.reading = nil
	switch {
	case w.account != r.of:
	case r.err != nil:
		w.again = time.Now().Add(ReadAgain)
		if p.joint != nil {
			w.again = time.Now().Add(joinAgain)
		}
		p.unread(b, key, r.err)
	default:
		w.spent = min(r.spent+max(w.spent-r.before, 0), MaxSpent)
		w.known, w.late, w.others, w.opened = true, false, r.others, r.opened
		p.joint.tell(w)
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
