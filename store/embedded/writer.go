package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dragoman-gateway/dragoman/store"
)

// op is one change on its way to the writer.
type op struct {
	ctx  context.Context
	do   func(*session) error // touches nothing of its caller but what it read before
	err  error                // what do returned
	done chan error           // one result, after the commit
}

// session is the writer's connection with its statements.
type session struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	erased   bool // something was deleted that the log may still hold
	locked   bool // another program had the file for all of the last batch's patience
}

func (w *session) prepare(query string) (*sql.Stmt, error) {
	if st, ok := w.prepared[query]; ok {
		return st, nil
	}
	st, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	w.prepared[query] = st
	return st, nil
}

// exec runs a statement and returns how many rows it changed.
func (w *session) exec(query string, args ...any) (int64, error) {
	st, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	w.erased = w.erased || erases(query)
	r, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// scan reads one row into to; no row is store.ErrNotFound.
func (w *session) scan(to []any, query string, args ...any) error {
	st, err := w.prepare(query)
	if err != nil {
		return err
	}
	err = st.QueryRowContext(context.Background(), args...).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// change hands do to the writer and waits until it is committed.
func (s *sqlite) change(ctx context.Context, do func(*session) error) error {
	o := &op{ctx: ctx, do: do, done: make(chan error, 1)}
	if err := s.ops.Put(ctx, o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the writer's goroutine: it ends when ops is closed and empty.
func (s *sqlite) write(w *session) {
	defer func() {
		for _, st := range w.prepared {
			_ = st.Close()
		}
		_ = w.conn.Close()
	}()
	keep := newUpkeep(s, w)
	defer keep.stop()
	for {
		select {
		case first, ok := <-s.ops.Out():
			if !ok {
				return
			}
			ops := s.ops.Gather(first)
			err := s.commit(w, ops)
			for _, o := range ops {
				o.done <- result(o.err, err)
			}
			keep.wrote()
		case <-keep.due():
			keep.step()
		}
	}
}

// result is what one caller is told: its own failure or that of the whole batch.
func result(own, whole error) error {
	switch {
	case own != nil && (errors.Is(own, store.ErrNotFound) || errors.Is(own, store.ErrExists) || errors.Is(own, store.ErrConflict) || errors.Is(own, context.Canceled) || errors.Is(own, context.DeadlineExceeded)):
		return own
	case own != nil:
		return fmt.Errorf("store: %w", own)
	case whole != nil:
		return fmt.Errorf("store: %w", whole)
	}
	return nil
}

// commit makes all changes of ops in one transaction. What it returns befell
// all of them; the failure of one is in its op and undoes only that one.
func (s *sqlite) commit(w *session, ops []*op) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in the writer: %v", r)
		}
		if err != nil {
			_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK") // none open: its error says just that
		}
	}()
	if err := s.present(); err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	for _, o := range ops {
		if o.err = o.ctx.Err(); o.err != nil {
			continue
		}
		if err := w.alone(o); err != nil {
			return err
		}
	}
	if _, err := w.exec("COMMIT"); err != nil {
		return err
	}
	return s.present()
}

// begin waits for another program that has the file: the first batch for ten seconds, each
// further one for a second until one gets through. Otherwise a question that changes
// several things, behind others that do, would wait ten seconds for each.
func (w *session) begin() error {
	_, err := w.exec("BEGIN IMMEDIATE")
	if locked := err != nil && busy(err); locked != w.locked {
		w.locked = locked
		_, patient := w.conn.ExecContext(context.Background(), w.patience())
		return errors.Join(err, patient)
	}
	return err
}

// patience is how long the writer waits for other programs now.
func (w *session) patience() string {
	if w.locked {
		return lockedBusy
	}
	return writerBusy
}

// alone makes one change that can be undone without the others.
func (w *session) alone(o *op) error {
	if _, err := w.exec("SAVEPOINT one"); err != nil {
		return err
	}
	if o.err = o.do(w); o.err != nil {
		if _, err := w.exec("ROLLBACK TO one"); err != nil {
			return err
		}
	}
	_, err := w.exec("RELEASE one")
	return err
}
