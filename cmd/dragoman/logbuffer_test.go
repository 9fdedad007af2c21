package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written keeps what is written, also by the goroutine of a timer.
type written struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *written) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Reset()
}

func TestLinesAreWrittenSoonOrWhenTheyAreMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out written
		b := newLogBuffer(&out)
		for range 3 {
			_, _ = b.Write([]byte("a\n"))
			_, _ = b.Write([]byte("b\n"))
			if len(out.String()) != 0 {
				t.Fatal("it was written at once")
			}
			time.Sleep(logDelay)
			synctest.Wait()
			if got := out.String(); got != "a\nb\n" {
				t.Fatalf("%q", got)
			}
			out.reset()
		}
		_, _ = b.Write([]byte(strings.Repeat("c", logBytes)))
		if len(out.String()) != logBytes {
			t.Errorf("%d bytes of many", len(out.String()))
		}
		_, _ = b.Write([]byte("end"))
		b.flush()
		if !strings.HasSuffix(out.String(), "cend") {
			t.Error("a flush wrote nothing")
		}
		time.Sleep(time.Second)
	})
}
