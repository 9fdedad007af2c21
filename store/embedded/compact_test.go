package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

// leaky makes a file of an older version with a conversation in it, of which nine tenths
// were deleted: the pages stay, with what was said.
func leaky(t testing.TB, path string) {
	t.Helper()
	older(t, path, len(schemaFiles(t)))
	foreign(t, path, `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
		INSERT INTO messages (conv, seq, role, name, parts, at, incomplete)
		SELECT 1, i, 'user', '', '[{"k":"text","t":"' || replace(hex(zeroblob(3000)), '00', 'secretword ') || '"}]', 1, 0 FROM n`)
	foreign(t, path, `INSERT INTO conversations (cid, id, owner, num, key, user, grp, name, model, created, updated, count, last, tail)
		VALUES (1, 'conv_1', 'o', 1, '', '', '', '', '', 1, 1, 10, '', 500)`)
	foreign(t, path, `PRAGMA secure_delete = 0; DELETE FROM messages WHERE seq >= 10; UPDATE messages SET parts = replace(parts, 'secretword', 'kept')`)
}

func TestAnOldFileIsCompactedAndGivesPagesBackFromThenOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "it's")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "old.db")
	leaky(t, path)
	before := size(path)
	if !holds(t, "secretword", path) {
		t.Fatal("the file has nothing to get rid of")
	}
	var room store.Room
	after, err := Compact(t.Context(), "sqlite:"+path, func(r store.Room) { room = r })
	if err != nil {
		t.Fatal(err)
	}
	if room.Before != before || room.Used >= before/4 || room.Needs < 2*room.Used || after != size(path) || after > room.Used+room.Used/10 || room.Path != path {
		t.Errorf("%d bytes before, %d after; it said %+v", before, after, room)
	}
	if holds(t, "secretword", path, path+"-wal") {
		t.Error("what was deleted is still there")
	}
	foreignCheck(t, path)
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(left) != 2 {
		t.Errorf("it leaves %q, %v; want the file and its lock", left, err)
	}
	s := must(t, "sqlite:"+path).(*sqlite)
	if c, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, store.Window{}); err != nil || len(c.Messages) != 10 {
		t.Errorf("what is kept: %v", err)
	}
	for i := range 20 {
		told(t, s, fmt.Sprint("conv_more", i), strings.Repeat("x", 200_000))
	}
	if err := s.Delete(t.Context(), "o", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file is short", func() bool { return size(path) < (keepPages+100)*4096 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes before, %d after", before, after)
}

func TestAFileThatCannotBeCompactedStaysAsItIs(t *testing.T) {
	t.Parallel()
	compact := func(name string, ctx context.Context, path, want string) {
		t.Helper()
		before := around(t, path)
		_, err := Compact(ctx, "sqlite:"+path, func(store.Room) {})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		for end, b := range before {
			if after, err := os.ReadFile(path + end); err != nil || !bytes.Equal(after, b) {
				t.Errorf("%s: PATH%s was changed, %v", name, end, err)
			}
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "old.db")
	leaky(t, path)
	hold, err := Hold("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	compact("a server runs", t.Context(), path, "is used by another process")
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	compact("it was given up", ended, path, context.Canceled.Error())
	alien := filepath.Join(dir, "alien.db")
	foreign(t, alien, "CREATE TABLE t (x)")
	compact("another program's", t.Context(), alien, "another program")
	missing := filepath.Join(dir, "missing.db")
	compact("there is none", t.Context(), missing, "there is no")
	if _, err := os.Stat(missing); err == nil {
		t.Error("it made the file that it was to compact")
	}
	if _, err := Compact(t.Context(), "memory:", func(store.Room) {}); err == nil || !strings.Contains(err.Error(), "has no file") {
		t.Errorf("memory: %v", err)
	}
}

func TestWhereTheDiskHasNoRoomNothingIsCompacted(t *testing.T) {
	t.Parallel()
	r := store.Room{Path: "/data/d.db", Needs: 100, Free: 99}
	if err := enough(&r); err == nil || !strings.Contains(err.Error(), "100 bytes on the disk of /data, where 99 are free") {
		t.Errorf("got %v", err)
	}
	for _, free := range []int64{100, -1} {
		r.Free = free
		if err := enough(&r); err != nil {
			t.Errorf("%d free: %v", free, err)
		}
	}
}
