package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What the writer does for the file while nobody writes.
const (
	idleAfter  = time.Second           // nobody has written for so long
	idleAtMost = 5 * time.Second       // the log does not wait for longer until nobody writes
	idleAgain  = 10 * time.Second      // the longest wait for somebody who reads an old state
	idleStep   = 10 * time.Millisecond // between two steps
	idleBusy   = "PRAGMA busy_timeout = 20"
	writerBusy = "PRAGMA busy_timeout = 10000"
	lockedBusy = "PRAGMA busy_timeout = 1000"
	logLimit   = 8 << 20 // bytes of the log that may stay, see journal_size_limit
	stepPages  = 64      // that one step gives back to the file system
	keepPages  = 256     // free ones that stay in the file for what is written next
)

// upkeep is what the writer does besides changes. It empties the log when that still
// holds what was deleted, or has become long because somebody read an old state for long;
// and it gives free pages back, a few at a time. Only the writer's goroutine uses it.
type upkeep struct {
	s     *sqlite
	w     *session
	log   string      // path of the log
	timer *time.Timer // nil: there is nothing to do
	since time.Time   // when the timer was set first for what is to be done
	last  time.Time   // when somebody wrote last
	again time.Duration
	empty bool // the log is to be emptied
	pages bool // there may be pages to give back
	gave  bool // some were, and the file is shorter when the log is emptied
}

func newUpkeep(s *sqlite, w *session) *upkeep {
	k := &upkeep{s: s, w: w, log: s.path + "-wal", again: idleAfter, pages: true}
	if real, err := filepath.EvalSymlinks(s.path); err == nil {
		k.log = real + "-wal"
	}
	k.wrote()
	return k
}

// due brings the moment of the next step.
func (k *upkeep) due() <-chan time.Time {
	if k.timer == nil {
		return nil
	}
	return k.timer.C
}

func (k *upkeep) stop() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}

// wrote is called after each batch. It puts the next step off, but not for ever.
func (k *upkeep) wrote() {
	if k.w.erased {
		k.w.erased, k.empty, k.pages = false, true, true
	}
	if info, err := os.Stat(k.log); err == nil && info.Size() > logLimit {
		k.empty = true
	}
	if !k.empty && !k.pages {
		return
	}
	k.last = time.Now()
	switch {
	case k.timer == nil:
		k.timer, k.since = time.NewTimer(idleAfter), k.last
	case k.again == idleAfter && k.last.Sub(k.since) < idleAtMost:
		k.timer.Reset(idleAfter)
	}
}

// step does a part of what is to be done. It waits for nobody for longer than a moment.
func (k *upkeep) step() {
	idle := time.Since(k.last) >= idleAfter
	k.since = time.Now()
	err := k.try(func() error {
		if k.empty {
			if err := k.emptyLog(); err != nil {
				return err
			}
		}
		if k.pages && idle {
			return k.givePages()
		}
		return nil
	})
	switch {
	case err != nil: // somebody reads, or the disk is full: it has time
		k.again = min(2*k.again, idleAgain)
		k.timer.Reset(k.again)
	case !k.empty && !k.pages:
		k.again = idleAfter
		k.stop()
	case !idle:
		k.again = idleAfter
		k.timer.Reset(idleAfter)
	default:
		k.again = idleAfter
		k.timer.Reset(idleStep)
	}
}

// try runs do with next to no patience for other connections.
func (k *upkeep) try(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		_, patient := k.w.conn.ExecContext(context.Background(), k.w.patience())
		err = errors.Join(err, patient)
	}()
	if err := k.s.present(); err != nil {
		return err
	}
	if _, err := k.w.conn.ExecContext(context.Background(), idleBusy); err != nil {
		return err
	}
	return do()
}

// emptyLog writes all of the log into the file and makes it empty.
func (k *upkeep) emptyLog() error {
	err := emptyTheLog(context.Background(), k.w.conn)
	if err == nil {
		k.empty = false
	}
	return err
}

// givePages gives a few free pages back. Files of older versions keep theirs, see
// [Compact].
func (k *upkeep) givePages() error {
	ctx := context.Background()
	var free, kind int
	err := k.w.conn.QueryRowContext(ctx, "SELECT freelist_count, auto_vacuum FROM pragma_freelist_count, pragma_auto_vacuum").Scan(&free, &kind)
	if err != nil {
		return err
	}
	if kind != 2 || free <= keepPages {
		k.empty, k.pages, k.gave = k.empty || k.gave, false, false
		return nil
	}
	// Each row is a page: a statement that is not read to its end gives one.
	rows, err := k.w.conn.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(stepPages, free-keepPages)))
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	k.gave = true
	return errors.Join(rows.Err(), rows.Close())
}

// erases reports whether a statement takes away what somebody said.
func erases(query string) bool {
	for _, begin := range [...]string{"DELETE ", "UPDATE messages ", "UPDATE conversations SET name ", "UPDATE masks "} {
		if strings.HasPrefix(query, begin) {
			return true
		}
	}
	return false
}

// emptyTheLog writes all of the log into the file.
func emptyTheLog(ctx context.Context, conn *sql.Conn) error {
	var busy, frames, done int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	if err == nil && busy != 0 {
		err = errors.New("another program reads or writes it")
	}
	return err
}
