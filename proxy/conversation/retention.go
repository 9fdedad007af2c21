package conversation

import (
	"context"
	"iter"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// How conversations are removed by their age.
const (
	retentionPage  = 256                   // that are looked for at once
	retentionAtOne = 64                    // of one owner that are removed at once
	retentionPause = 20 * time.Millisecond // before the next ones
	retentionMost  = time.Hour             // from one look to the next
	retentionLeast = time.Second
	retentionWait  = 30 * time.Second // for the store
)

// Retention removes conversations that nobody has changed for as long as keep says. The
// nil one keeps all.
type Retention struct {
	st       store.Expirer
	registry *Registry
	keep     time.Duration
	log      *slog.Logger
	stop     context.CancelFunc
	run      sync.WaitGroup
}

// Retain begins to remove conversations that nobody has changed for keep; 0: it removes
// none. Whoever calls it calls Close.
func (r *Registry) Retain(keep time.Duration) *Retention {
	expirer, ok := r.store.(store.Expirer)
	if !ok || keep <= 0 {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &Retention{st: expirer, registry: r, keep: keep, log: r.log, stop: stop}
	a.run.Go(func() {
		defer func() { _ = recover() }() // pass recovers
		a.work(ctx)
	})
	return a
}

// Close ends the removal.
func (r *Retention) Close() {
	if r == nil {
		return
	}
	r.stop()
	r.run.Wait()
}

// work removes what is too old now and, from then on, what has become too old.
func (r *Retention) work(ctx context.Context) {
	every := min(max(r.keep/10, retentionLeast), retentionMost)
	for {
		n, err := 0, error(nil)
		if !r.registry.shared.Load() { // whose process may use what this one does not
			n, err = r.pass(ctx)
		}
		if n > 0 {
			r.log.Info("conversations were removed by their age (store.keep)", "conversations", n)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("old conversations could not be removed, it is tried again", "why", translate.MaskKeys(err.Error()))
		}
		if !pause(ctx, every) {
			return
		}
	}
}

// pause reports whether ctx still goes on after so long.
func pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pass removes all that is too old at its beginning, but what is in use, and returns how
// many conversations it removed.
func (r *Retention) pass(ctx context.Context) (removed int, err error) {
	defer func() {
		if bug := recover(); bug != nil {
			r.log.Error("panic", "where", "retention", "what", bug, "stack", string(debug.Stack()))
		}
	}()
	before := time.Now().Add(-r.keep).UnixMilli()
	after := ""
	for {
		page, err := r.stale(ctx, before, after)
		if err != nil || len(page) == 0 {
			return removed, err
		}
		for owner, ids := range byOwner(page) {
			n, err := r.removeOf(ctx, owner, ids, before)
			if removed += n; err != nil {
				return removed, err
			}
			// Of the last one there may be more, unless all of it is in use.
			if n == 0 || owner != page[len(page)-1].Owner {
				after = owner
			}
		}
	}
}

// byOwner are the ids of each owner in page, which is in the order of owners.
func byOwner(page []store.Owned) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		var ids []string
		for i, one := range page {
			ids = append(ids, one.ID)
			if i+1 < len(page) && page[i+1].Owner == one.Owner {
				continue
			}
			if !yield(one.Owner, ids) {
				return
			}
			ids = nil
		}
	}
}

func (r *Retention) stale(ctx context.Context, before int64, after string) ([]store.Owned, error) {
	ctx, cancel := context.WithTimeout(ctx, retentionWait)
	defer cancel()
	return r.st.Stale(ctx, before, after, retentionPage)
}

// removeOf removes the conversations ids of owner but for those in use, a few at a time.
func (r *Retention) removeOf(ctx context.Context, owner string, ids []string, before int64) (removed int, err error) {
	for len(ids) > 0 {
		some := ids[:min(retentionAtOne, len(ids))]
		gone, err := r.remove(ctx, owner, some, before)
		removed += len(gone)
		if err != nil {
			return removed, err
		}
		if len(gone) == 0 {
			ids = ids[len(some):] // they are in use, or were changed
			continue
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(gone, id) })
		if !pause(ctx, retentionPause) {
			return removed, ctx.Err()
		}
	}
	return removed, nil
}

// remove removes some of the conversations ids, none of which is in use meanwhile: who
// would take a place in one of them, or store a turn, is before or after it as a whole.
func (r *Retention) remove(ctx context.Context, owner string, ids []string, before int64) ([]string, error) {
	gate := r.registry.gate(owner)
	gate.Lock()
	defer gate.Unlock()
	idle := r.registry.unused(owner, ids)
	if len(idle) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, retentionWait)
	defer cancel()
	gone, err := r.st.Expire(ctx, owner, idle, before)
	forget := gone
	if err != nil {
		forget = idle // some may be gone all the same: they are read again
	}
	for _, id := range forget {
		for _, t := range r.registry.of(owner, id) {
			r.registry.drop(t)
		}
	}
	return gone, err
}
