package main

import (
	"context"
	"io"
	"os"
	"sync"
)

// environment is what commands may touch of the process.
type environment struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	// interrupts brings Ctrl-C. It ends the context of every command but chat,
	// which decides what else it means.
	interrupts <-chan os.Signal
	// hangups brings SIGHUP to serve, which reads its configuration again; other
	// commands end by it.
	hangups chan os.Signal
	// handovers brings the signal at which serve hands over, see handoverSignals.
	handovers chan os.Signal
}

// untilInterrupt returns a context that the first of interrupts ends. stop must
// be called.
func untilInterrupt(ctx context.Context, interrupts <-chan os.Signal) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		select {
		case <-interrupts:
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watch.Wait()
	}
}
