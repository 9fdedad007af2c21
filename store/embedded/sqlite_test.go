package embedded

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestABadPlaceIsSaidInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "text.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"postgres://h":             "must be memory: or sqlite:PATH",
		"sqlite:":                  "needs the path of a file",
		"sqlite:" + dir + "/a?b":   "needs the path of a file",
		"sqlite:" + dir:            "is a folder",
		"sqlite:" + dir + "/no/x":  "folder of " + dir + "/no/x does not exist",
		"sqlite:" + file + "/x":    "not a directory",
		"sqlite:" + file:           "not a database",
		"sqlite:/proc/dragoman.db": "cannot write the database",
		"sqlite:/dev/null":         "is no regular file",
	} {
		s, err := Open(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if s != nil {
			t.Errorf("%s: a store besides the error", url)
		}
	}
}

func TestAnotherProgramsDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CREATE TABLE t (x)":         "another program",
		"PRAGMA user_version = 1000": "newer version",
	} {
		path := filepath.Join(t.TempDir(), "other.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("sqlite:" + path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTheFileIsSafeAndPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	s := must(t, "sqlite:"+path).(*sqlite)
	defer func() { _ = s.Close() }()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	err = s.change(t.Context(), func(w *session) error {
		var mode string
		var sync int
		if err := errors.Join(w.scan([]any{&mode}, "PRAGMA journal_mode"), w.scan([]any{&sync}, "PRAGMA synchronous")); err != nil {
			return err
		}
		if mode != "wal" || sync != 2 {
			t.Errorf("journal_mode %s, synchronous %d; want wal and 2 (FULL)", mode, sync)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := s.reads.Exec("DELETE FROM owners"); err == nil {
		t.Error("a reader may write")
	}
}

func TestAFileThatVanishesIsNoticedBeforeAnythingIsAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "v.db")
	s := must(t, "sqlite:"+path)
	defer func() { _ = s.Close() }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err := s.Append(t.Context(), &store.Conversation{ID: "x", Owner: "o"}, store.Turn{At: 1})
	if err == nil || !strings.Contains(err.Error(), "removed or replaced") {
		t.Errorf("got %v", err)
	}
}

func TestAPanicInAChangeFailsItsBatchOnly(t *testing.T) {
	t.Parallel()
	s := must(t, "sqlite:"+filepath.Join(t.TempDir(), "p.db")).(*sqlite)
	defer func() { _ = s.Close() }()
	if err := s.change(t.Context(), func(*session) error { panic("oops") }); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Number(t.Context(), "o"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestACallerWhoLeavesDoesNotWaitForTheWriter(t *testing.T) {
	t.Parallel()
	s := must(t, "sqlite:"+filepath.Join(t.TempDir(), "l.db")).(*sqlite)
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	err := s.change(ctx, func(*session) error {
		cancel()
		<-hold
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
}

func TestListsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	s := must(t, "sqlite:"+filepath.Join(t.TempDir(), "i.db")).(*sqlite)
	defer func() { _ = s.Close() }()
	for _, query := range []string{
		"owner = 'o' ORDER BY updated DESC, id LIMIT 10",
		"owner = 'o' ORDER BY num DESC LIMIT 10",
		"owner = 'o' AND user = 'u' ORDER BY updated DESC, id LIMIT 10",
		"owner = 'o' AND user = 'u' AND grp = 'g' ORDER BY updated DESC, id LIMIT 10",
		"owner = 'o' AND grp = 'g' ORDER BY updated DESC, id LIMIT 10",
		"owner = 'o' AND key = 'k' AND key <> ''",
		"id = 'i' AND owner = 'o'",
	} {
		rows, err := s.reads.Query("EXPLAIN QUERY PLAN SELECT * FROM conversations WHERE " + query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var a, b, c int
			var detail string
			if err := rows.Scan(&a, &b, &c, &detail); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(detail, "SEARCH") || !strings.Contains(detail, "USING INDEX") {
				t.Errorf("%s: %s", query, detail)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMoreReadersThanConnectionsWaitForEachOther(t *testing.T) {
	t.Parallel()
	s, err := Open("sqlite:" + filepath.Join(t.TempDir(), "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	c := &store.Conversation{ID: "conv_1", Owner: "o", Key: "k"}
	if err := s.Append(t.Context(), c, store.Turn{At: 1}); err != nil {
		t.Fatal(err)
	}
	// Nothing is prepared yet, and all begin at once.
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range 16 * readers {
		all.Go(func() {
			<-begin
			ref := [...]store.Ref{{ID: "conv_1"}, {Num: c.Num}, {Key: "k"}}[i%3]
			if got, err := s.Load(t.Context(), "o", ref, store.Newest(i%2)); err != nil || got.ID != "conv_1" {
				t.Errorf("%+v: %v, %v", ref, got, err)
			}
		})
	}
	close(begin)
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
