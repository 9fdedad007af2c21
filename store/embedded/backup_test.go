package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// docs/operations.md: a backup is made with VACUUM INTO from another process while
// the gateway writes, and restored by putting it in the place of the file.
func TestABackupMadeWhileItIsWrittenToHasWholeTurnsAndEverythingOlder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "live.db"), filepath.Join(dir, "backup.db")
	s := must(t, "sqlite:"+path)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var acked atomic.Int64
	written := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c := store.Conversation{ID: fmt.Sprintf("conv_%d_%d", i, n), Owner: "o"}
				if err := s.Append(context.Background(), &c, crashTurn(c.ID)); err != nil {
					t.Error(err)
					return
				}
				if acked.Add(1) == 100 {
					close(written)
				}
			}
		})
	}
	<-written
	before := acked.Load()
	other, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = other.Exec("VACUUM INTO ?", backup)
	}
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	// The restore: the old file and its journals go away, the backup takes its place.
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	s = must(t, "sqlite:"+path)
	defer func() { _ = s.Close() }()
	page, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || int64(total) < before || total != len(page) {
		t.Errorf("%d turns are in the backup, %d were acknowledged before it: %v", total, before, err)
	}
	for _, one := range page {
		if one.Messages != 3 || one.LastMessage != one.ID+"2" {
			t.Errorf("half a turn: %+v", one)
		}
	}
	c := store.Conversation{ID: "conv_new", Owner: "o"}
	if err := s.Append(t.Context(), &c, crashTurn(c.ID)); err != nil || c.Num != int64(total)+1 {
		t.Errorf("after the restore: number %d of %d, %v", c.Num, total, err)
	}
	t.Logf("%d acknowledged before, %d in the backup, %d in all", before, total, acked.Load())
}

// A full disk as SQLite sees one: what did not fit is refused, what was
// acknowledged stays, and writing goes on when there is room again.
func TestAFullFileRefusesAndTakesMoreWhenThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	s := must(t, "sqlite:"+filepath.Join(t.TempDir(), "full.db")).(*sqlite)
	defer func() { _ = s.Close() }()
	pages := func(n int) {
		t.Helper()
		err := s.change(t.Context(), func(w *session) error {
			var now int
			return w.scan([]any{&now}, fmt.Sprint("PRAGMA max_page_count = ", n))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(60)
	acked := 0
	var refused error
	for refused == nil && acked < 5000 {
		c := store.Conversation{ID: fmt.Sprint("conv_", acked), Owner: "o"}
		if refused = s.Append(t.Context(), &c, crashTurn(c.ID)); refused == nil {
			acked++
		}
	}
	if refused == nil || acked < 100 {
		t.Fatalf("%v after %d", refused, acked)
	}
	if _, total, err := s.List(t.Context(), store.Filter{Owner: "o"}); err != nil || total != acked {
		t.Errorf("while it is full: %d of %d, %v", total, acked, err)
	}
	pages(1 << 20)
	c := store.Conversation{ID: "conv_more", Owner: "o"}
	if err := s.Append(t.Context(), &c, crashTurn(c.ID)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	t.Logf("%d turns, then: %v", acked, refused)
}

func FuzzStoredRowsAreReadOrRefused(f *testing.F) {
	whole, err := backend.EncodeMessages(crashTurn("c").Messages)
	if err != nil {
		f.Fatal(err)
	}
	parts, err := backend.EncodeParts(crashTurn("c").Messages[0].Parts)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{whole, parts, ``, `null`, `[]`, `[{}]`, `[{"kind":"image","data":"%"}]`, `[{"role":"user","parts":[null]}]`, `{}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if parts, err := backend.DecodeParts(text); err == nil {
			again, err := backend.EncodeParts(parts)
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			if second, err := backend.DecodeParts(again); err != nil || len(second) != len(parts) {
				t.Fatalf("%q was read as %d parts and then as %d, %v", text, len(parts), len(second), err)
			}
		}
		messages, err := backend.DecodeMessages(text)
		if err != nil {
			return
		}
		again, err := backend.EncodeMessages(messages)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if second, err := backend.DecodeMessages(again); err != nil || len(second) != len(messages) {
			t.Fatalf("%q was read as %d messages and then as %d, %v", text, len(messages), len(second), err)
		}
	})
}
