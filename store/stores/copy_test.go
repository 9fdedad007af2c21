package stores

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func open(t *testing.T, url string) store.Store {
	t.Helper()
	kind, err := Of(url)
	if err != nil {
		t.Fatal(err)
	}
	st, err := kind.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fill puts something of every kind into the store at url.
func fill(t *testing.T, url string) {
	t.Helper()
	ctx, st := t.Context(), open(t, url)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	say := func(role translate.Role, text string, mark store.Mark) store.Message {
		return store.Message{Message: translate.TextMessage(role, text), At: 7, Mark: mark}
	}
	for i := range 2500 {
		owner := fmt.Sprint("owner", i%7)
		if i%500 == 0 {
			owner = "öwner \x00"
		}
		c := &store.Conversation{ID: fmt.Sprintf("conv_%d", i), Owner: owner, Key: fmt.Sprint("k", i), User: "u", Group: "g", Name: "ü\x00"}
		check(st.Append(ctx, c, store.Turn{At: int64(i + 1), Model: "m", Web: i%2 == 0, Messages: []store.Message{
			say(translate.RoleSystem, "be brief", 0), say(translate.RoleUser, "question \x00", 0), say(translate.RoleAssistant, strings.Repeat("word ", i%300), store.Mark(i%5)),
		}}))
		if i%100 == 0 {
			_, err := st.(store.Editor).Insert(ctx, owner, c.ID, c.Version, []store.Message{say(translate.RoleSystem, "first", 0)}, 9)
			check(err)
		}
	}
	check(st.Delete(ctx, "owner3", ""))
	check(st.(store.Sharer).Share(ctx, &store.Share{Hash: "h", Owner: "owner1", Num: 1, Name: "n", At: 3, Messages: []store.Message{say(translate.RoleUser, "shared", 0)}}))
	for i := range 5 {
		check(st.(store.Masker).SaveMask(ctx, "owner1", &store.Mask{Name: fmt.Sprint(i), Context: []byte("[]")}))
	}
	check(st.(store.Masker).DeleteMask(ctx, "owner1", 2))
	check(st.(store.Keyer).AddKey(ctx, &store.Key{ID: "key_1", Hash: sha256.Sum256([]byte("k")), Name: "n", Models: []string{"a"}}))
	check(st.(store.Keyer).AddKey(ctx, &store.Key{ID: "key_2", Hash: sha256.Sum256([]byte("l")), Name: "n", Models: []string{}}))
	var rows []store.Entry
	for i := range 3000 {
		rows = append(rows, store.Entry{Request: fmt.Sprint("r", i), At: int64(i), Caller: "owner1", Cost: int64(i), Estimated: i%2 == 0})
	}
	check(st.(store.Ledger).Record(ctx, rows))
	_, err := st.(store.Ledger).Forget(ctx, 10)
	check(err)
	check(st.Close())
}

// sight is what a server reads of a store.
func sight(t *testing.T, url string) (all []any) {
	t.Helper()
	ctx, st := t.Context(), open(t, url)
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	see := func(what any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		all = append(all, what)
	}
	for _, owner := range []string{"owner1", "owner3", "öwner \x00"} {
		page, total, err := st.List(ctx, store.Filter{Owner: owner, Limit: 50})
		see(page, err)
		see(total, nil)
		for _, one := range page {
			see(st.Load(ctx, owner, store.Ref{ID: one.ID}, store.Window{}))
		}
		see(st.(store.Masker).Masks(ctx, owner))
		see(st.(store.Sharer).Shares(ctx, owner))
		see(st.Number(ctx, owner))
	}
	see(st.(store.Ledger).Entries(ctx, store.EntryFilter{Limit: 50}))
	see(st.(store.Ledger).Totals(ctx, store.EntryFilter{}))
	one := store.Mask{Name: "new"}
	see(nil, st.(store.Masker).SaveMask(ctx, "owner1", &one))
	see(one.ID > 5, nil)
	see(nil, st.(store.Ledger).Record(ctx, []store.Entry{{Request: "new"}}))
	see(nil, st.Append(ctx, &store.Conversation{ID: "conv_new", Owner: "owner1"}, store.Turn{At: 1}))
	return all
}

func TestAStoreIsCopiedToPostgreSQLAndBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	from, there, back := "sqlite:"+filepath.Join(t.TempDir(), "a.db"), server.Database(t), "sqlite:"+filepath.Join(t.TempDir(), "b.db")
	fill(t, from)
	var sums [2][]Sum
	for i, way := range [][2]string{{from, there}, {there, back}} {
		if err := Copy(t.Context(), way[0], way[1], false, func(s Sum) { sums[i] = append(sums[i], s) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(sums[0]) != int(store.Tables) || !cmp.Equal(sums[0], sums[1], cmp.AllowUnexported(Sum{})) {
		t.Errorf("there %v, back %v", sums[0], sums[1])
	}
	if err := Copy(t.Context(), from, there, false, func(Sum) {}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second copy: %v", err)
	}
	want := sight(t, from)
	for _, url := range []string{there, back} {
		if diff := cmp.Diff(want, sight(t, url)); diff != "" {
			t.Errorf("%s (- want, + got):\n%s", url, diff)
		}
	}
}

func TestACopyThatWasStoppedGoesOnAndOneThatDiffersIsTold(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	from, to := "sqlite:"+filepath.Join(t.TempDir(), "a.db"), server.Database(t)
	fill(t, from)
	source, target := open(t, from).(store.Copier), open(t, to).(store.Copier)
	for _, table := range []store.Table{store.Owners, store.Conversations} {
		rows, err := source.CopyOut(t.Context(), table, "")
		if err := errors.Join(err, target.CopyIn(t.Context(), rows)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(source.(store.Store).Close(), target.(store.Store).Close()); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), from, to, true, func(Sum) {}); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, pgtest.NameOf(to), "UPDATE dragoman.conversations SET name = 'other' WHERE id = 'conv_5'")
	if err := Copy(t.Context(), from, to, true, func(Sum) {}); err == nil || !strings.Contains(err.Error(), "conversations: ") {
		t.Errorf("another name: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Copy(ended, from, server.Database(t), false, func(Sum) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy that was stopped: %v", err)
	}
}

func TestWhatIsInMemoryOrInUseIsNotCopied(t *testing.T) {
	t.Parallel()
	from := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	if err := Copy(t.Context(), "memory:", from, false, func(Sum) {}); err == nil || !strings.Contains(err.Error(), "nothing to copy") {
		t.Errorf("memory: %v", err)
	}
	kind, err := Of(from)
	if err != nil {
		t.Fatal(err)
	}
	st, err := kind.Open(from) // makes the file
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	held, err := kind.Hold(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	err = Copy(t.Context(), from, "sqlite:"+filepath.Join(t.TempDir(), "b.db"), false, func(Sum) {})
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store in use: %v", err)
	}
}
