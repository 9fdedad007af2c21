package main

import (
	"io"
	"sync"
	"time"
)

// How much of the log is held back, and for how long.
const (
	logBytes = 16 << 10
	logDelay = 200 * time.Millisecond
)

// logBuffer writes what comes close together at once: a line for each question is
// a system call each. It is safe for concurrent use.
type logBuffer struct {
	mu    sync.Mutex
	w     io.Writer
	held  []byte
	due   bool // timer will write what is held
	timer *time.Timer
	err   error // of the last write
}

func newLogBuffer(w io.Writer) *logBuffer { return &logBuffer{w: w} }

// Write implements io.Writer: p has been written when logDelay has passed. The error
// is that of an earlier write.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = append(b.held, p...)
	switch {
	case len(b.held) >= logBytes:
		b.write()
	case !b.due:
		b.due = true
		if b.timer == nil {
			b.timer = time.AfterFunc(logDelay, b.late)
		} else {
			b.timer.Reset(logDelay)
		}
	}
	return len(p), b.err
}

func (b *logBuffer) late() {
	defer func() { _ = recover() }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = false
	b.write()
}

// flush writes what is held.
func (b *logBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

func (b *logBuffer) write() {
	if len(b.held) == 0 {
		return
	}
	_, b.err = b.w.Write(b.held)
	b.held = b.held[:0]
}
