package embedded

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/dragoman-gateway/dragoman/store"
)

// op is one change on its way to the writer.
type op struct {
	ctx  context.Context
	do   func(*session) error // touches nothing of its caller but what it read before
	err  error                // what do returned
	done chan error           // one result, after the commit
}

// session is the writer's connection with its statements. A batch asks the driver itself:
// database/sql would copy the arguments of each statement, a sixth of the memory of a turn.
type session struct {
	conn     *sql.Conn
	driver   driver.ConnPrepareContext // of conn, while a batch is written
	prepared map[string]statement
	args     []driver.NamedValue // room
	row      []driver.Value      // room
	erased   bool                // something was deleted that the log may still hold
	locked   bool                // another program had the file for all of the last batch's patience
}

// statement is what the driver prepares.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newSession(conn *sql.Conn) *session {
	return &session{conn: conn, prepared: map[string]statement{}}
}

// batch has do, which alone uses w meanwhile, ask the driver.
func (w *session) batch(do func() error) error {
	return w.conn.Raw(func(conn any) error {
		w.driver = conn.(driver.ConnPrepareContext)
		defer func() { w.driver = nil }()
		return do()
	})
}

func (w *session) close() {
	_ = w.conn.Raw(func(any) error {
		for _, st := range w.prepared {
			_ = st.Close()
		}
		return nil
	})
	_ = w.conn.Close()
}

func (w *session) prepare(query string) (statement, error) {
	if st, ok := w.prepared[query]; ok {
		return st, nil
	}
	made, err := w.driver.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	st := made.(statement)
	w.prepared[query] = st
	return st, nil
}

// values are args for the driver, until the next call.
func (w *session) values(args []any) (all []driver.NamedValue, err error) {
	w.args = w.args[:0]
	for i, arg := range args {
		v := driver.NamedValue{Ordinal: i + 1, Value: arg}
		switch arg := arg.(type) {
		case int64, string, bool:
		case int:
			v.Value = int64(arg)
		default:
			if v.Value, err = driver.DefaultParameterConverter.ConvertValue(arg); err != nil {
				return nil, err
			}
		}
		w.args = append(w.args, v)
	}
	return w.args, nil
}

// exec runs a statement and returns how many rows it changed.
func (w *session) exec(query string, args ...any) (int64, error) {
	st, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	values, err := w.values(args)
	if err != nil {
		return 0, err
	}
	w.erased = w.erased || erases(query)
	r, err := st.ExecContext(context.Background(), values)
	clear(values)
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
	values, err := w.values(args)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(context.Background(), values)
	clear(values)
	if err != nil {
		return err
	}
	w.row = append(w.row[:0], make([]driver.Value, len(to))...)
	if err = rows.Next(w.row); err == io.EOF {
		err = store.ErrNotFound
	}
	for i := 0; err == nil && i < len(to); i++ {
		err = assign(to[i], w.row[i])
	}
	clear(w.row)
	return errors.Join(err, rows.Close())
}

// assign gives v, which is of the driver, to the variable that to points to.
func assign(to any, v driver.Value) error {
	switch to := to.(type) {
	case *int64:
		return convert(to, v)
	case *int:
		return convert(to, v)
	case *bool:
		return convert(to, v)
	case *string:
		return convert(to, v)
	case *[]byte:
		return convert(to, v)
	case *store.Mark:
		return convert(to, v)
	}
	return fmt.Errorf("a column is read into a %T", to)
}

func convert[T any](to *T, v driver.Value) error {
	if same, ok := v.(T); ok {
		*to = same
		return nil
	}
	var value sql.Null[T]
	if err := value.Scan(v); err != nil {
		return err
	}
	if !value.Valid {
		return errors.New("a column has no value")
	}
	*to = value.V
	return nil
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
	defer w.close()
	keep := newUpkeep(s, w)
	defer keep.stop()
	for {
		select {
		case first, ok := <-s.ops.Out():
			if !ok {
				return
			}
			ops := s.ops.Gather(first)
			err := w.batch(func() error { return s.commit(w, ops) })
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
			_, _ = w.exec("ROLLBACK") // none open: its error says just that
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
		_, patient := w.exec(w.patience())
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
