package main

import (
	"fmt"
	"runtime"
	"time"
)

// seat is a place from which one question at a time can be asked.
type seat struct {
	line
	slot int
}

// startOpen starts one pacer that asks at the fixed times, and a reader for each
// connection. The pacer has a thread of its own, since a Go timer may be a
// millisecond late.
func (r *run) startOpen() error {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	free := make(chan seat, r.Callers*r.Slots)
	for i := range r.Callers {
		l, err := r.connect(i)
		if err != nil {
			return err
		}
		for slot := range r.Slots {
			free <- seat{l, slot}
		}
		r.work.Go(func() {
			defer r.survive()
			r.listen(l, free)
		})
	}
	r.work.Go(func() {
		defer r.survive()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		finer()
		r.pace(free)
		r.awaitAnswers()
		r.closeAll()
	})
	return nil
}

// listen reads the answers of a line until it is closed.
func (r *run) listen(l line, free chan<- seat) {
	for {
		slot, err := l.answer()
		if err != nil {
			r.fail(err)
			return
		}
		l.meter().answered(slot)
		r.open.Add(-1)
		free <- seat{l, slot}
	}
}

// pace asks at each of the fixed times, late rather than never: the latency of a
// late question still counts from its time.
func (r *run) pace(free <-chan seat) {
	start := time.Now()
	for i := 0; !r.stop.Load(); i++ {
		due := start.Add(time.Duration(float64(i) / r.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			sleep(wait)
		}
		if len(free) == 0 {
			r.starved.Add(1)
		}
		var s seat
		select {
		case s = <-free:
		case <-r.done:
			return
		}
		r.open.Add(1)
		err := r.ask(s.line, s.slot, due)
		if err == nil {
			err = s.flush()
		}
		if err != nil {
			r.fail(fmt.Errorf("ask: %w", err))
			return
		}
	}
}

func (r *run) awaitAnswers() {
	for end := time.Now().Add(r.Drain); r.open.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := r.open.Load(); n > 0 {
		r.fail(fmt.Errorf("%d answers never came", n))
	}
}
