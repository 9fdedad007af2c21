package admission

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is told a store of accounts in one call, and of the call.
const (
	tellAtOnce = 64   // accounts
	wantAtOnce = 1000 // questions of one account
	tellMost   = 10 * time.Second
	tellAgain  = time.Second     // after it has failed
	tellLast   = 5 * time.Second // for all calls after the end
)

// settleWaits are the pauses of a question for which there is room but for what other processes have
// reserved: an answer that ended just now, and cost less, may be on its way to the store.
var settleWaits = [...]time.Duration{10 * time.Millisecond, 40 * time.Millisecond, 200 * time.Millisecond}

// joint has the store reserve what several processes spend together. Its goroutine makes one
// call after the other, each for all accounts that have something to tell or to ask; meanwhile
// others gather. A nil joint is for a process that spends alone.
type joint struct {
	all   *accounts
	store store.Budgeter
	log   *slog.Logger
	away  atomic.Bool // the store does not answer in time: each process counts by itself
	wake  chan struct{}
	stop  chan struct{}
	life  context.Context // of its calls, ended by end
	end   func()
	ended chan struct{} // closed when run is over
	runs  sync.WaitGroup

	mu  sync.Mutex
	due []*account // which are retained
}

// Join says that other processes spend from the same budgets, which b keeps. It is called
// before the first question; Close must be called after the last one.
func (d *Desk) Join(b store.Budgeter) {
	p := &d.accounts
	j := &joint{all: p, store: b, log: p.log, wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	j.life, j.end = context.WithCancel(context.Background())
	p.joint = j
	if p.spendings == nil {
		p.spendings = unrecorded{j}
	}
	j.runs.Go(j.run)
}

// Close tells the store what it has not been told, for some seconds at most.
func (d *Desk) Close() {
	if j := d.accounts.joint; j != nil {
		j.close()
	}
}

func (j *joint) close() {
	j.mu.Lock()
	if !j.closing() {
		close(j.stop)
	}
	j.mu.Unlock()
	limit := time.NewTimer(tellLast)
	defer limit.Stop()
	select {
	case <-j.ended:
	case <-limit.C:
	}
	j.end()
	j.runs.Wait()
	j.away.Store(true)
}

func (j *joint) closing() bool {
	select {
	case <-j.stop:
		return true
	default:
		return false
	}
}

// unrecorded are the spendings of a process that keeps no ledger.
type unrecorded struct{ of *joint }

func (u unrecorded) Begin() bool {
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	if u.of.closing() {
		return false
	}
	u.of.runs.Add(1)
	return true
}

func (u unrecorded) End()                                   { u.of.runs.Done() }
func (u unrecorded) Spent(store.EntryFilter) (int64, error) { return 0, nil }
func (u unrecorded) Closing() bool                          { return u.of.closing() }

// answers reports whether it is of use to ask the store.
func (j *joint) answers() bool { return j != nil && !j.away.Load() }

// want is a question that asks for room in an account, or only how it stands: amount is 0.
type want struct {
	budget *Budget
	amount int64
	said   chan verdict // gets one
	gone   bool         // nobody waits for it any more
}

// verdict is what became of a want.
type verdict struct {
	known bool // the store has said so
	lost  bool // not known, since the account must be opened first
	ok    bool // the amount is reserved
	left  int64
	soon  bool // there may be room soon: others have reserved it
}

// tell has the store told how w stands, which is locked.
func (j *joint) tell(w *account) {
	if j == nil || w.listed || !j.all.retain(w) {
		return
	}
	w.listed = true
	j.mu.Lock()
	j.due = append(j.due, w)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// ask asks the store for amount. w is locked before and after it, but not while it waits. Where
// nothing is known in time the verdict says so. The error is that of ctx.
func (j *joint) ask(ctx context.Context, w *account, b *Budget, amount int64) (verdict, error) {
	q := &want{budget: b, amount: amount, said: make(chan verdict, 1)}
	w.wants = append(w.wants, q)
	epoch := w.epoch
	j.tell(w)
	w.mu.Unlock()
	defer w.mu.Lock()
	limit := time.NewTimer(ReadWait)
	defer limit.Stop()
	select {
	case v := <-q.said:
		return v, nil
	case <-ctx.Done():
	case <-limit.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case v := <-q.said: // just now
		if v.ok && ctx.Err() != nil && w.epoch == epoch {
			w.held -= amount
			j.tell(w)
		}
		return v, ctx.Err()
	default:
	}
	q.gone = true
	if ctx.Err() == nil {
		j.miss(errLongRead)
	}
	return verdict{}, ctx.Err()
}

// miss notes that the store does not answer.
func (j *joint) miss(err error) {
	if !j.away.Swap(true) && !j.closing() {
		j.log.Error("the store does not say what other processes spend: budgets count in each process until it does", "why", translate.MaskKeys(err.Error()))
	}
}

// run is the goroutine. A panic ends one turn of it.
func (j *joint) run() {
	defer close(j.ended)
	for !j.closing() {
		j.turn()
	}
	j.turn() // the last
}

// turn waits until there is something to tell, and tells it. After a failure it waits for a while.
func (j *joint) turn() {
	defer func() {
		if bug := recover(); bug != nil {
			j.log.Error("panic", "where", "budgets of several processes", "what", bug)
		}
	}()
	select {
	case <-j.stop:
	case <-j.wake:
	}
	if j.rounds() {
		return
	}
	pause := time.NewTimer(tellAgain)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-j.stop:
	}
}

// rounds makes calls until there is nothing to tell, or one fails: then it reports false.
func (j *joint) rounds() bool {
	for {
		due := j.take(tellAtOnce)
		if len(due) == 0 {
			return true
		}
		if err := j.round(due); err != nil {
			j.miss(err)
			j.giveUp()
			return false
		}
	}
}

func (j *joint) take(n int) []*account {
	j.mu.Lock()
	defer j.mu.Unlock()
	n = min(n, len(j.due))
	due := j.due[:n:n]
	j.due = j.due[n:]
	return due
}

// giveUp answers all who wait that nothing is known. What was to be told stays so.
func (j *joint) giveUp() {
	for _, w := range j.take(math.MaxInt) {
		w.mu.Lock()
		w.listed = false
		w.refuse(w.wants, false)
		w.wants = nil
		j.tell(w)
		w.mu.Unlock()
		j.all.giveBack(w)
	}
}

// call is what one account tells and asks in one call.
type call struct {
	of     *account
	epoch  int
	opened int64
	wants  []*want
	looks  []*want
}

// round makes one call.
func (j *joint) round(due []*account) (err error) {
	calls, told := make([]call, 0, len(due)), make([]store.Reserving, 0, len(due))
	for _, w := range due {
		defer j.all.giveBack(w)
		w.mu.Lock()
		if c, r, ok := w.call(); ok {
			calls, told = append(calls, c), append(told, r)
		}
		w.mu.Unlock()
	}
	if len(calls) == 0 {
		return nil
	}
	answers := make([]store.Reserved, len(calls))
	began := time.Now()
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("panic: %v", bug)
		}
		for i := range calls {
			j.hear(&calls[i], &answers[i], err)
		}
		switch {
		case err != nil || !j.away.Load():
		case time.Since(began) < ReadWait:
			j.away.Store(false)
			j.back()
		default: // until it answers in time
			j.again(calls[0].of)
		}
	}()
	ctx, cancel := context.WithTimeout(j.life, tellMost)
	defer cancel()
	got, err := j.store.Reserve(ctx, told)
	copy(answers, got)
	return err
}

// again has w told again, unless j is to end.
func (j *joint) again(w *account) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known && !j.closing() {
		j.tell(w)
	}
}

// back has all accounts told again: a server that was away may have forgotten the latest.
func (j *joint) back() {
	j.log.Info("the store says again what other processes spend: budgets count in all of them together")
	for _, w := range j.all.list() {
		j.again(w)
	}
}

// call is what w, which is locked, has to tell and to ask. Wants of one call are under one
// amount: a budget may have been changed since the first ones came. ok is false where the
// account is not open; then its wants are answered.
func (w *account) call() (c call, r store.Reserving, ok bool) {
	w.listed = false
	if !w.known {
		w.refuse(w.wants, true)
		w.wants = nil
		return c, r, false
	}
	c.of, c.epoch, c.opened = w, w.epoch, w.opened
	r = store.Reserving{Account: w.account, Opened: w.opened, Spent: w.spent, Held: w.held}
	rest := w.wants[:0]
	for _, q := range w.wants {
		switch {
		case q.gone:
		case q.amount == 0:
			c.looks = append(c.looks, q)
		case len(c.wants) == wantAtOnce || len(c.wants) > 0 && q.budget.amount != r.Amount:
			rest = append(rest, q)
		default:
			r.Amount, r.Wants, c.wants = q.budget.amount, append(r.Wants, q.amount), append(c.wants, q)
		}
	}
	clear(w.wants[len(rest):])
	w.wants = rest
	return c, r, true
}

// hear takes the answer to c.
func (j *joint) hear(c *call, answer *store.Reserved, err error) {
	w := c.of
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wants) > 0 {
		j.tell(w)
	}
	if err != nil || !answer.Open || w.epoch != c.epoch {
		w.refuse(c.wants, err == nil)
		w.refuse(c.looks, err == nil)
		switch {
		case err != nil:
			j.tell(w)
		case w.epoch == c.epoch && w.opened == c.opened: // else it was opened since
			w.known, w.again = false, time.Time{} // the next question opens it
		}
		return
	}
	w.others, w.theirs = min(answer.Spent, MaxSpent), min(answer.Held, MaxSpent)
	for i, q := range c.wants {
		switch left := q.budget.left(w); {
		case q.gone:
			j.tell(w) // the store may hold it
		case i < answer.Taken:
			w.held += q.amount
			q.said <- verdict{known: true, ok: true}
		case q.amount > left:
			q.said <- verdict{known: true, left: left, soon: q.amount <= left+w.theirs}
		default: // something was given back since
			w.wants = append(w.wants, q)
			j.tell(w)
		}
	}
	for _, q := range c.looks {
		q.said <- verdict{known: true}
	}
}

// refuse answers wants that nothing is known, since the account is lost or the store does not answer.
func (w *account) refuse(wants []*want, lost bool) {
	for _, q := range wants {
		if !q.gone {
			q.said <- verdict{lost: lost}
		}
	}
}
