package revision

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// lookEvery is how often the file is looked at and the failures are counted.
const lookEvery = time.Second

// seen is what was last seen of the file.
type seen struct {
	size int64
	at   time.Time
	read bool   // and was read since
	text string // sum of what was read, or of what runs
}

// sample is how many questions there were at a time.
type sample struct {
	at          time.Time
	failed, all uint64
}

// share is the part of the questions since before that failed.
func (s sample) share(before sample) (share float64, questions uint64) {
	if s.all <= before.all {
		return 0, 0
	}
	questions = s.all - before.all
	return float64(s.failed-before.failed) / float64(questions), questions
}

// trial is a configuration that may yet be taken back.
type trial struct {
	began  sample
	until  time.Time
	good   []byte  // that is taken back
	before float64 // share of failures before
	rule   config.Revert
}

// Start looks after the file and the failures until Close, as far as the configuration asks
// for that.
func (b *Book) Start() {
	b.stop = make(chan struct{})
	if b.o.Failures != nil {
		b.samples = []sample{b.count()}
	}
	b.done.Go(func() {
		defer b.recovered()
		clock := time.NewTicker(lookEvery)
		defer clock.Stop()
		for {
			select {
			case <-clock.C:
				b.look()
			case <-b.stop:
				return
			}
		}
	})
}

// Close ends what Start began, and waits for it. Nothing is changed any more. It may be called
// again.
func (b *Book) Close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.stop)
	}
	b.mu.Unlock()
	b.done.Wait()
}

func (b *Book) recovered() {
	if bug := recover(); bug != nil {
		b.o.Log.Error("panic", "where", "configuration", "what", bug, "stack", string(debug.Stack()))
	}
}

func (b *Book) look() {
	defer b.recovered()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judge()
	b.watch()
}

// watch reads the file again when it has changed and rests since the last look, so that one
// that is being written is let alone; b.mu is held.
func (b *Book) watch() {
	if b.o.File == "" || !b.conf.Reload.Watch {
		return
	}
	is, err := os.Stat(b.o.File)
	if err != nil {
		return // an editor may be about to put another one there
	}
	rests := is.Size() == b.seen.size && is.ModTime().Equal(b.seen.at)
	b.seen.size, b.seen.at, b.seen.read = is.Size(), is.ModTime(), rests && b.seen.read
	if !rests || b.seen.read {
		return
	}
	b.seen.read = true
	text, err := os.ReadFile(b.o.File)
	if err != nil || sumOf(text) == b.seen.text {
		return
	}
	b.seen.text = sumOf(text) // one that is refused is refused once
	_, _ = b.reload(Author{Name: "watch"})
}

// count is the number of questions now.
func (b *Book) count() sample {
	failed, all := b.o.Failures()
	return sample{time.Now(), failed, all}
}

// tryOut puts what runs now on trial, if it asks for that; good is what ran before. Where a
// trial has not ended, what ran before that one alone is known to be good. b.mu is held.
func (b *Book) tryOut(how string, good []byte) *trial {
	rule, last := b.conf.Reload.Revert, b.trial
	if how == "revert" || rule == nil || b.o.Failures == nil {
		return nil
	}
	if err := replaceable(b.o.File); err != nil {
		b.o.Log.Warn("a configuration cannot be taken back by itself", "why", err)
		return nil
	}
	now := b.count()
	next := &trial{began: now, until: now.at.Add(rule.Within), good: good, rule: *rule}
	if last != nil {
		next.good, next.before = last.good, last.before
	} else if len(b.samples) > 0 {
		next.before, _ = now.share(b.samples[0])
	}
	return next
}

// judge counts, and takes back what is on trial if more questions fail than did before;
// b.mu is held.
func (b *Book) judge() {
	rule := b.conf.Reload.Revert
	if rule == nil || b.o.Failures == nil {
		b.samples, b.trial = nil, nil
		return
	}
	now := b.count()
	b.samples = append(b.samples, now)
	for len(b.samples) > 1 && now.at.Sub(b.samples[1].at) >= rule.Within {
		b.samples = b.samples[1:]
	}
	t := b.trial
	if t == nil {
		return
	}
	share, questions := now.share(t.began)
	switch {
	case questions >= uint64(t.rule.Questions) && share-t.before >= t.rule.Jump:
		b.trial = nil
		b.revert(t, fmt.Sprintf("%.0f %% of %d questions failed, %.0f %% did before", 100*share, questions, 100*t.before))
	case now.at.After(t.until):
		b.trial = nil
		b.o.Log.Info("the configuration has stood its trial", "revision", b.n, "questions", questions)
	}
}

// revert takes the configuration back that ran before; b.mu is held.
func (b *Book) revert(t *trial, why string) {
	by := Author{Name: "revert"}
	disk, err := b.unchanged("")
	if err == nil {
		_, err = b.change(disk, t.good, "revert", by, why)
	}
	if err != nil {
		b.o.Log.Error("the configuration cannot be taken back", "because", why, "why", err)
		return
	}
	b.o.Log.Error("the configuration was taken back by itself", "because", why, "revision", b.n)
}
