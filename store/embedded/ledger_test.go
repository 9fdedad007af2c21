package embedded

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestAnOldLedgerWithLiesAndDamagedRowsIsReadAndSummed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	st, err := Open("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	good := store.Entry{Request: "good", At: 5, Caller: "alice", Rule: "tight", Outcome: "ok", Status: 200, Input: 3, Output: 4, Cost: 9}
	if err := st.(store.Ledger).Record(t.Context(), []store.Entry{good}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		// As a version before counts wrote it.
		`INSERT INTO ledger SELECT NULL, 'lie', 0, 6, 'alice', '', 'tight', '', '', '', '', 0, '', 'ok', 200, 1, 9007199254740991, 0, 0, 2305843009213693951, 0, 0, 0, 0, 1, '', 0, 0 FROM (VALUES (1), (2), (3), (4), (5))`,
		`INSERT INTO ledger SELECT NULL, 'torn', 0, 7, 'alice', '', 'tight', '', '', '', '', 0, '', 'ok', 200, 'x', x'00ff', 'y', 7, 'z', 1e300, 0, 0, 0, 'w', 'v', 'u', x'00'`,
		`INSERT INTO ledger SELECT NULL, 'dear', 0, 8, 'alice', '', 'tight', '', '', '', '', 0, '', 'ok', 200, 1, 1, 0, 0, 9e18, 0, 0, 0, 0, -3, '', 0, 0`,
	} {
		if _, err := db.Exec(change); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = Open("sqlite:" + path); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	l := st.(store.Ledger)
	rows, err := l.Entries(t.Context(), store.EntryFilter{})
	if err != nil || len(rows) != 8 || rows[7].Request != "good" || rows[1].Request != "torn" || rows[2].Cost != 2305843009213693951 {
		t.Errorf("%d rows, %v: %+v", len(rows), err, rows)
	}
	got, err := l.Totals(t.Context(), store.EntryFilter{Caller: "alice", Rule: "tight"})
	if want := (store.Totals{Requests: 8, Input: 4, Output: 5, Cost: 9 + store.MaxCost}); err != nil || got != want {
		t.Errorf("sums %+v, %v, want %+v", got, err, want)
	}
}
