package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

// How often a store is looked at, and how long it may take to answer.
const (
	storeEvery  = 5 * time.Second
	storeAnswer = 3 * time.Second
)

// storeWatch knows whether the store takes changes. A look goes the way of a change, and
// changes nothing.
type storeWatch struct {
	st   store.Store
	log  *slog.Logger
	lost atomic.Bool
	done sync.WaitGroup
	stop context.CancelFunc
}

// watchStore looks at st until close.
func watchStore(st store.Store, log *slog.Logger) *storeWatch {
	ctx, stop := context.WithCancel(context.Background())
	w := &storeWatch{st: st, log: log, stop: stop}
	w.done.Go(func() {
		defer func() {
			if bug := recover(); bug != nil {
				log.Error("panic", "where", "the watch on the store", "what", bug, "stack", string(debug.Stack()))
			}
		}()
		every := time.NewTicker(storeEvery)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				w.look(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return w
}

// look asks the store once, and says in the log what has changed.
func (w *storeWatch) look(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, storeAnswer)
	defer cancel()
	err := w.st.Delete(bounded, "the watch on the store", "no conversation")
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	switch was := w.lost.Swap(err != nil); {
	case err != nil && !was:
		w.log.Error("the store takes no changes: conversations cannot be kept, questions that keep none are answered", "why", err)
	case err == nil && was:
		w.log.Info("the store takes changes again")
	}
}

// up reports whether the store took changes when it was last looked at.
func (w *storeWatch) up() bool { return !w.lost.Load() }

func (w *storeWatch) close() {
	w.stop()
	w.done.Wait()
}
