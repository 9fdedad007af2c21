package embedded

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// eventually waits for what the writer does while nobody writes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

func said(text string) store.Turn {
	m := store.Message{Message: translate.TextMessage(translate.RoleUser, text), At: 1}
	return store.Turn{Messages: []store.Message{m, m}, Model: "m", At: 1}
}

// told stores a new conversation in which text was said.
func told(t testing.TB, s store.Store, id, text string) *store.Conversation {
	t.Helper()
	c := &store.Conversation{ID: id, Owner: "o", Name: text[:min(20, len(text))]}
	if err := s.Append(t.Context(), c, said(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// holds reports whether one of the files has text.
func holds(t testing.TB, text string, paths ...string) bool {
	t.Helper()
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	return false
}

func TestWhatWasDeletedIsInNoFileAnyMore(t *testing.T) {
	t.Parallel()
	for name, erase := range map[string]func(ctx context.Context, s *sqlite, c *store.Conversation) error{
		"a conversation": func(ctx context.Context, s *sqlite, c *store.Conversation) error { return s.Delete(ctx, "o", c.ID) },
		"all of them":    func(ctx context.Context, s *sqlite, c *store.Conversation) error { return s.Delete(ctx, "o", "") },
		"a share and what it shows": func(ctx context.Context, s *sqlite, c *store.Conversation) error {
			if err := s.Share(ctx, &store.Share{Hash: "h", Owner: "o", Messages: said(strings.Repeat("secretword ", 2000)).Messages}); err != nil {
				return err
			}
			if err := s.Delete(ctx, "o", c.ID); err != nil {
				return err
			}
			return s.Unshare(ctx, "o", "h")
		},
		"each message": func(ctx context.Context, s *sqlite, c *store.Conversation) error {
			version, err := s.Remove(ctx, "o", c.ID, c.Version, 0, 2)
			if err != nil {
				return err
			}
			if _, err := s.SetText(ctx, "o", c.ID, version, 0, "harmless", 3); err != nil {
				return err
			}
			return s.Rename(ctx, "o", c.ID, "harmless", 3)
		},
	} {
		for _, words := range []int{3, 5000} {
			t.Run(fmt.Sprint(name, " of words ", words), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "d.db")
				s := must(t, "sqlite:"+path).(*sqlite)
				for i := range 20 {
					told(t, s, fmt.Sprint("conv_before", i), "others say this")
				}
				c := told(t, s, "conv_1", strings.Repeat("secretword ", words))
				for i := range 20 {
					told(t, s, fmt.Sprint("conv_after", i), "others say this")
				}
				if !holds(t, "secretword", path, path+"-wal") {
					t.Fatal("nothing can be seen in these files")
				}
				if err := erase(t.Context(), s, c); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the words are gone while it runs", func() bool { return !holds(t, "secretword", path, path+"-wal") })
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if holds(t, "secretword", path, path+"-wal") {
					t.Error("they are there again")
				}
			})
		}
	}
}

// reader is a program that looks at one state of the file for long, as a backup does.
func reader(t *testing.T, path string) (stop func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM conversations").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = tx.Rollback()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestALogThatGrewWhileSomebodyReadIsShortAgainAfterIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	s := must(t, "sqlite:"+path).(*sqlite)
	defer func() { _ = s.Close() }()
	told(t, s, "conv_0", "hi")
	stop := reader(t, path)
	for i := range 40 {
		told(t, s, fmt.Sprint("conv_", i+1), strings.Repeat("x", 200_000))
	}
	grown := size(path + "-wal")
	if grown < 2*logLimit {
		t.Errorf("the log has %d bytes: nothing kept it", grown)
	}
	stop()
	eventually(t, "the log is short", func() bool { return size(path+"-wal") <= logLimit })
	t.Logf("the log had %d bytes, now %d", grown, size(path+"-wal"))
}

func TestFreePagesAreGivenBackWhileNobodyWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s := must(t, "sqlite:"+path).(*sqlite)
	for i := range 40 {
		told(t, s, fmt.Sprint("conv_", i), strings.Repeat("x", 200_000))
	}
	if err := s.Delete(t.Context(), "o", ""); err != nil {
		t.Fatal(err)
	}
	told(t, s, "conv_kept", "kept")
	eventually(t, "the file is short", func() bool { return size(path) > 0 && size(path) < (keepPages+100)*4096 })
	if c, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_kept"}, store.Window{}); err != nil || len(c.Messages) != 2 {
		t.Errorf("what is kept: %+v, %v", c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	foreignCheck(t, path)
}

// foreignCheck has SQLite look for damage.
func foreignCheck(t testing.TB, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the database is %s, %v", verdict, err)
	}
}

// A writer that has waited in vain waits less, until the database is free again.
func TestALockedDatabaseIsWaitedForAtLengthOnlyOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "locked.db")
	conns := make([]*sql.Conn, 2)
	for i := range conns {
		db, err := sql.Open("sqlite", path+common)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if conns[i], err = db.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	other, w := conns[0], newSession(conns[1])
	exec := func(c *sql.Conn, query string) {
		t.Helper()
		if _, err := c.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, want int) {
		t.Helper()
		var ms int
		if err := w.conn.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&ms); err != nil || ms != want {
			t.Errorf("%s: the writer waits %d ms, want %d (%v)", when, ms, want, err)
		}
	}
	exec(other, "BEGIN IMMEDIATE")
	check("at first", 10_000)
	exec(w.conn, "PRAGMA busy_timeout = 1") // the wait itself is SQLite's
	for range 2 {
		if err := w.batch(w.begin); !busy(err) {
			t.Fatalf("a locked database: %v", err)
		}
		check("after a wait in vain", 1000)
	}
	exec(other, "ROLLBACK")
	if err := w.batch(w.begin); err != nil {
		t.Fatal(err)
	}
	check("when it is free", 10_000)
}
