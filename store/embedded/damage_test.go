package embedded

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// damaged is a store with one row of each kind, into which a fuzzer writes.
type damaged struct {
	*sqlite
	t    testing.TB
	hash [32]byte
}

func newDamaged(t testing.TB) *damaged {
	t.Helper()
	s, err := Open("sqlite:" + filepath.Join(t.TempDir(), "damaged.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &damaged{sqlite: s.(*sqlite), t: t, hash: sha256.Sum256([]byte("key"))}
}

// anew puts the rows there as they should be.
func (d *damaged) anew() {
	d.t.Helper()
	ctx := context.Background()
	d.write(func(w *session) error {
		for _, of := range damageable {
			if _, err := w.exec(`DELETE FROM ` + of[0]); err != nil {
				return err
			}
		}
		_, err := w.exec(`INSERT INTO masks (owner, avatar, name, description, context) VALUES ('o', '', 'mask', '', '[]')`)
		return err
	})
	c := store.Conversation{ID: "conv_1", Owner: "o", User: "u"}
	for _, err := range []error{
		d.AddKey(ctx, &store.Key{ID: "key_1", Hash: d.hash, Name: "alice", Models: []string{"m"}, Created: 1}),
		d.Record(ctx, []store.Entry{{Request: "req_1", Caller: "alice", Cost: 5, At: 1}}),
		d.Append(ctx, &c, crashTurn(c.ID)),
	} {
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// write changes the file behind the store's back; what SQLite itself refuses is not
// written.
func (d *damaged) write(do func(w *session) error) {
	d.t.Helper()
	err := d.change(context.Background(), do)
	if err != nil && !strings.Contains(err.Error(), "constraint") && !strings.Contains(err.Error(), "mismatch") {
		d.t.Fatal(err)
	}
}

// damageable are the columns that rows are read from, but not cid: rows that have lost
// what joins them are for PRAGMA integrity_check.
var damageable = [][2]string{
	{"keys", keyColumns}, {"ledger", entryColumns},
	{"conversations", "id, num, key, user, grp, name, model, web, created, updated, count, last, tail"},
	{"messages", "seq, role, name, parts, at, incomplete"}, {"owners", "next, live"}, {"masks", "avatar, name, description, context"},
}

// value is what is written: each kind of value that SQLite has, whatever the column is
// declared as.
func value(kind byte, number int64, text string) any {
	switch kind % 4 {
	case 0:
		return number
	case 1:
		return float64(number) * 1e10
	case 2:
		return text
	}
	return []byte(text)
}

// checkKey holds a key to what its users rely on.
func (d *damaged) checkKey(k *store.Key, err error) {
	d.t.Helper()
	if err != nil {
		return
	}
	if err := k.Check(); err != nil {
		d.t.Errorf("%+v was read back: %v", k, err)
	}
}

func FuzzDamagedRowsAreReadOrRefused(f *testing.F) {
	d := newDamaged(f)
	for table, of := range damageable {
		for column := range strings.Split(of[1], ", ") {
			if column%4 == 0 {
				f.Add(byte(table), byte(column), byte(column/4), int64(-1<<63), `{"a":`)
			}
		}
	}
	for _, kind := range []byte{0, 1, 2, 3} {
		f.Add(byte(0), byte(1), kind, int64(1<<62), "short") // the hash of a key
		f.Add(byte(0), byte(6), kind, int64(1<<62), "\xff\x00")
		f.Add(byte(0), byte(7), kind, int64(1<<62), "0")
	}
	f.Fuzz(func(t *testing.T, table, column, kind byte, number int64, text string) {
		d.t = t
		d.anew()
		of := damageable[int(table)%len(damageable)]
		columns := strings.Split(of[1], ", ")
		d.write(func(w *session) error {
			_, err := w.exec(fmt.Sprintf(`UPDATE %s SET "%s" = ?`, of[0], columns[int(column)%len(columns)]), value(kind, number, text))
			return err
		})
		ctx := context.Background()
		key, err := d.KeyByHash(ctx, d.hash)
		d.checkKey(key, err)
		key, err = d.KeyByID(ctx, "key_1")
		d.checkKey(key, err)
		keys, err := d.Keys(ctx)
		for i := range keys {
			d.checkKey(&keys[i], err)
		}
		_, of1 := d.Entries(ctx, store.EntryFilter{})
		_, of2 := d.Totals(ctx, store.EntryFilter{Caller: "alice"})
		c, of3 := d.Load(ctx, "o", store.Ref{ID: "conv_1"}, store.Window{})
		if of3 == nil && len(c.Messages) != len(crashTurn("").Messages) && of[0] != "conversations" {
			t.Errorf("half a conversation was read: %+v", c)
		}
		_, _, of4 := d.List(ctx, store.Filter{Owner: "o"})
		_, of5 := d.Masks(ctx, "o")
		for _, err := range []error{err, of1, of2, of3, of4, of5} {
			if errors.Is(err, context.Canceled) || errors.Is(err, backend.ErrClosed) {
				t.Errorf("a damaged row is told as %v", err)
			}
		}
		// What is damaged does not keep others from writing.
		other := store.Conversation{ID: "conv_2", Owner: "p", User: "u"}
		if err := d.Append(ctx, &other, crashTurn(other.ID)); err != nil {
			t.Errorf("nobody can write any more: %v", err)
		}
	})
}
