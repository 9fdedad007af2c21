package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/internal/handover"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/store"
)

// beginLine takes what the process before has handed over, if there is one.
func beginLine(conf *config.Config) (*handover.Process, error) {
	line, err := handover.Begin(handover.Options{On: conf.Handover, Lookup: os.LookupEnv, Environ: os.Environ})
	if err == nil && line.Before() {
		// It names the process before, and this one is to give signs of life now.
		_ = os.Unsetenv("WATCHDOG_PID")
	}
	return line, err
}

// places are the addresses at which a process is reached, and the line of processes in which they
// are handed on.
type places struct {
	line              *handover.Process
	fronts, operators net.Listener
	ollama            net.Listener // nil: Ollama's paths have no port of their own
}

// takePlaces takes the addresses of the fronts and of the operator's side, which quick may be
// another one: a second instance must fail before it touches the store of the first.
func takePlaces(conf *config.Config, quick bool) (p places, err error) {
	if p.line, err = beginLine(conf); err != nil {
		return p, err
	}
	if p.fronts, err = p.line.Listen(handover.Fronts, conf.Listen); err != nil {
		return p, errors.Join(fmt.Errorf("cannot listen: %w", err), p.leave())
	}
	if p.operators, err = listenForOperator(p.line, conf, quick); err != nil {
		return p, errors.Join(err, p.leave())
	}
	if conf.Ollama.Listen == "" {
		return p, nil
	}
	if p.ollama, err = p.line.Listen(handover.Ollama, conf.Ollama.Listen); err != nil {
		return p, errors.Join(fmt.Errorf("cannot listen for Ollama's clients (ollama.listen): %w", err), p.leave())
	}
	return p, nil
}

// leave gives up what was taken.
func (p *places) leave() error {
	var all []error
	for _, ln := range []net.Listener{p.fronts, p.operators, p.ollama} {
		if ln != nil {
			all = append(all, ln.Close())
		}
	}
	return errors.Join(append(all, p.line.Close())...)
}

// service is a gateway that takes questions.
type service struct {
	line   *handover.Process
	lock   store.Lock // nil: others may work on the store
	g      *proxy.Gateway
	server *front.Server
	op     *operator
	book   *revision.Book
	super  *notifier
	log    *slog.Logger
	served <-chan error
}

// succeed waits beside the others for the end of the process before. gone brings what is odd
// about it, or nil; a nil gone: there is no such process. stop must be called.
func (v *service) succeed() (gone <-chan error, stop func()) {
	if !v.line.Before() {
		return nil, func() {}
	}
	v.log.Info("this process has taken over, the one before ends its answers")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer v.recover("the wait for the process before")
		ended <- v.line.Gone(ctx)
	})
	return ended, func() {
		cancel()
		wait.Wait()
	}
}

// inherit makes the store this process's alone, since the one before has ended.
func (v *service) inherit(odd error) {
	if v.lock != nil {
		v.lock.Sign()
	}
	v.g.Share(false)
	if odd != nil {
		v.log.Warn("the process before has ended in an odd way", "why", odd)
		return
	}
	v.log.Info("the process before has ended")
}

func (v *service) recover(where string) {
	if bug := recover(); bug != nil {
		v.log.Error("panic", "where", where, "what", bug, "stack", string(debug.Stack()))
	}
}

// handed is what came of a handover: the process that serves now, or why there is none.
type handed struct {
	pid int
	err error
}

// untilEnd serves until ctx ends, another process has taken over, or nothing is accepted any
// more, and ends what runs.
func (v *service) untilEnd(ctx context.Context, s environment) error {
	next, broken := v.await(ctx, s)
	wait := v.book.Config().Drain
	drain, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if next != nil {
		v.log.Info("another process has taken over, this one ends its answers", "process", next.pid, "drain", wait)
		v.leave(ctx, next.pid, wait)
	} else {
		v.log.Info("stopping", "drain", wait)
		v.super.stopping(wait)
		v.retire(drain, v.book.Config().Grace)
	}
	_ = v.line.Close()
	v.server.Shutdown(drain)
	if broken == nil {
		broken = <-v.served
	}
	return broken
}

// leave answers what comes on connections that are open, until none is, or for wait, or until
// ctx ends. All else is the process pid's.
func (v *service) leave(ctx context.Context, pid int, wait time.Duration) {
	v.super.mainIs(pid)
	v.book.Close()
	v.op.leave()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	v.server.HandOver(ctx)
}

// retire answers what comes on connections that are open, for grace, or until ctx ends. A balancer
// learns meanwhile that this process stops.
func (v *service) retire(ctx context.Context, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	v.server.Retire(ctx)
}

// heed has the signals brought that serve acts on, until stop is called.
func (s environment) heed() (stop func()) {
	if s.hangups != nil {
		signal.Notify(s.hangups, syscall.SIGHUP)
	}
	if s.handovers != nil && len(handoverSignals) > 0 {
		signal.Notify(s.handovers, handoverSignals...)
	}
	return func() {
		signal.Stop(s.hangups)
		signal.Stop(s.handovers)
	}
}

// await returns when ctx ends, with next when another process has taken over, or with what
// served brings. Until then it has the configuration read again at each hangup.
func (v *service) await(ctx context.Context, s environment) (next *handed, broken error) {
	gone, stop := v.succeed()
	defer stop()
	var done chan handed
	for {
		select {
		case err := <-v.served:
			v.log.Error("the fronts accept no more connections", "why", err)
			return nil, err
		case <-s.hangups:
			_, _ = v.book.Reload(revision.Author{Name: "SIGHUP"}) // it says in the log what came of it
		case odd := <-gone:
			gone = nil
			v.inherit(odd)
		case <-s.handovers:
			if done == nil {
				done = v.handOver(gone != nil)
			}
		case h := <-done:
			if h.err == nil {
				return &h, nil
			}
			done = nil
			v.g.Share(gone != nil)
			v.log.Error("no other process has taken over, this one goes on", "why", h.err)
		case <-ctx.Done():
			_ = v.line.Close()
			if done != nil {
				if h := <-done; h.err == nil {
					return &h, nil
				}
			}
			return nil, nil
		}
	}
}

// errTwo: three processes would be at work at once.
var errTwo = errors.New("the process that handed over to this one has not ended yet: try again after drain")

// handOver starts the program anew in another process. done brings what came of it.
func (v *service) handOver(two bool) (done chan handed) {
	done = make(chan handed, 1)
	if two {
		done <- handed{err: errTwo}
		return done
	}
	v.log.Info("handing over")
	v.g.Share(true) // the other one works on the store from its first question on
	go func() {
		defer v.recover("handing over")
		h := handed{err: errors.New("a panic")}
		defer func() { done <- h }()
		h.pid, h.err = v.line.HandOver()
	}()
	return done
}
