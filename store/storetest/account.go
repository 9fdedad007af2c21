package storetest

import (
	"crypto/sha256"
	"math"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func keys(t *testing.T, s Full) {
	ctx := t.Context()
	one := store.Key{
		ID: "key_1", Hash: sha256.Sum256([]byte("one")), Name: "alice", Group: "gold",
		Models: []string{"a", "b,c"}, Limits: "standard", Created: 5, Expires: 99,
	}
	two := store.Key{ID: "key_2", Hash: sha256.Sum256([]byte("two")), Name: "bob", Created: 4}
	given := one
	must(t, s.AddKey(ctx, &given))
	must(t, s.AddKey(ctx, &two))
	is(t, "the same id", s.AddKey(ctx, &store.Key{ID: "key_1", Name: "n", Hash: [32]byte{1}}), store.ErrExists)
	is(t, "the same key", s.AddKey(ctx, &store.Key{ID: "key_3", Name: "n", Hash: one.Hash}), store.ErrExists)
	for _, bad := range []store.Key{
		{Name: "n", Hash: [32]byte{1}}, {ID: "key_4", Hash: [32]byte{1}}, {ID: "key_4", Name: "n"},
		{ID: "key_4", Name: "n", Hash: [32]byte{1}, Expires: store.LastTime + 1}, {ID: "key_4", Name: "n", Hash: [32]byte{1}, Created: -1},
	} {
		if err := s.AddKey(ctx, &bad); err == nil {
			t.Errorf("a key is taken that nobody could use, revoke or write down: %+v", bad)
		}
	}
	got, err := s.KeyByHash(ctx, one.Hash)
	must(t, err)
	same(t, "by hash", &one, got)
	got.Models[0] = "changed"
	got, err = s.KeyByID(ctx, "key_1")
	must(t, err)
	same(t, "by id", &one, got)
	all, err := s.Keys(ctx)
	must(t, err)
	same(t, "all, the oldest first", []store.Key{two, one}, all)
	must(t, s.RevokeKey(ctx, "key_1"))
	is(t, "revoked again", s.RevokeKey(ctx, "key_1"), store.ErrNotFound)
	_, err = s.KeyByHash(ctx, one.Hash)
	is(t, "a revoked key", err, store.ErrNotFound)
	_, err = s.KeyByID(ctx, "key_1")
	is(t, "a revoked id", err, store.ErrNotFound)
	all, err = s.Keys(ctx)
	must(t, err)
	same(t, "what is left", []store.Key{two}, all)
}

// full rows, so that a column in the wrong place is seen.
func row(request string, attempt int, at int64) store.Entry {
	return store.Entry{
		Request: request, Attempt: attempt, At: at, Caller: "alice", Group: "gold", Rule: "standard", User: "u", Front: "openai",
		Model: "large", Channel: "a", Key: 2, Upstream: "up", Outcome: "ok", Status: 200, Input: 10, Output: 20, Cached: 3,
		Estimated: true, Cost: 1000, Queue: 1, Open: 2, First: 3, Took: 4, Count: 1,
		Endpoint: "/v1/images/edits", Sound: 1500, Images: 2,
	}
}

func ledger(t *testing.T, s Full) {
	ctx := t.Context()
	first := []store.Entry{row("r1", 1, 10), row("r1", 0, 10)}
	must(t, s.Record(ctx, first))
	if batches, ok := s.(store.Batcher); ok {
		must(t, batches.RecordBatch(ctx, 1, nil))
	}
	other := row("r2", 0, 20)
	other.Caller, other.Rule = "bob", ""
	must(t, s.Record(ctx, []store.Entry{other}))
	must(t, s.Record(ctx, nil))
	for name, c := range map[string]struct {
		f    store.EntryFilter
		want []store.Entry
	}{
		"all":            {store.EntryFilter{}, []store.Entry{other, first[1], first[0]}},
		"of a request":   {store.EntryFilter{Request: "r1"}, []store.Entry{first[1], first[0]}},
		"of a caller":    {store.EntryFilter{Caller: "bob"}, []store.Entry{other}},
		"under a rule":   {store.EntryFilter{Rule: "standard", Requests: true}, []store.Entry{first[1]}},
		"from":           {store.EntryFilter{From: 11}, []store.Entry{other}},
		"up to":          {store.EntryFilter{From: 1, To: 20, Requests: true}, []store.Entry{first[1]}},
		"one page":       {store.EntryFilter{Limit: 1, Offset: 1}, []store.Entry{first[1]}},
		"behind the end": {store.EntryFilter{Offset: 9}, nil},
		"nobody's":       {store.EntryFilter{Caller: "carol"}, nil},
	} {
		got, err := s.Entries(ctx, c.f)
		must(t, err)
		if len(got) != 0 || len(c.want) != 0 {
			same(t, name, c.want, got)
		}
	}
}

// ledgerNetworks wants a shown name to choose the callers of its network, whose names are whole in the rows.
func ledgerNetworks(t *testing.T, s Full) {
	ctx := t.Context()
	names := []string{"anonymous@192.0.2.1", "anonymous@192.0.2.77", "anonymous@192.0.20.1", "anonymous@2001:db8::/64", "anonymous@2001:db8:0:1::/64", "anonymous@2001:db8:1::/64", "alice"}
	rows := make([]store.Entry, len(names))
	for i, name := range names {
		rows[i] = row("r", 0, 10)
		rows[i].Caller = name
	}
	must(t, s.Record(ctx, rows))
	for asked, want := range map[string]int64{
		"anonymous@192.0.2.0/24": 2, "anonymous@2001:db8::/48": 2, "anonymous@2001:db8:1::/48": 1, "anonymous@192.0.2.1": 1, "anonymous@192.0.3.0/24": 0, "": 7,
	} {
		f := store.EntryFilter{Caller: asked, Rule: "standard", To: 11, Requests: true}
		list, err := s.Entries(ctx, f)
		must(t, err)
		sums, err := s.Totals(ctx, f)
		if must(t, err); int64(len(list)) != want || sums.Requests != want {
			t.Errorf("%q: %d rows, sums over %d, want %d", asked, len(list), sums.Requests, want)
		}
	}
}

func ledgerSums(t *testing.T, s Full) {
	ctx := t.Context()
	must(t, s.Record(ctx, []store.Entry{row("r1", 1, 10), row("r1", 2, 11), row("r1", 0, 10), row("r2", 0, 20)}))
	got, err := s.Totals(ctx, store.EntryFilter{Caller: "alice"})
	must(t, err)
	same(t, "all", store.Totals{Requests: 2, Input: 20, Output: 40, Cached: 6, Cost: 2000}, got)
	got, err = s.Totals(ctx, store.EntryFilter{From: 15, Limit: 1, Offset: 7})
	must(t, err)
	same(t, "the later one", store.Totals{Requests: 1, Input: 10, Output: 20, Cached: 3, Cost: 1000}, got)
	got, err = s.Totals(ctx, store.EntryFilter{Caller: "nobody"})
	must(t, err)
	same(t, "none", store.Totals{}, got)
	n, err := s.Forget(ctx, 20)
	if must(t, err); n != 3 {
		t.Errorf("forgot %d rows, want 3", n)
	}
	n, err = s.Forget(ctx, 20)
	if must(t, err); n != 0 {
		t.Errorf("forgot %d rows more", n)
	}
	left, err := s.Entries(ctx, store.EntryFilter{})
	must(t, err)
	same(t, "what is left", []store.Entry{row("r2", 0, 20)}, left)
}

func ledgerCounts(t *testing.T, s Full) {
	ctx := t.Context()
	many, none := row("r1", 0, 10), row("r2", 0, 20)
	many.Count, none.Count = 7, 0
	must(t, s.Record(ctx, []store.Entry{many, none}))
	none.Count = 1
	rows, err := s.Entries(ctx, store.EntryFilter{})
	must(t, err)
	same(t, "the rows", []store.Entry{none, many}, rows)
	got, err := s.Totals(ctx, store.EntryFilter{})
	must(t, err)
	same(t, "the sums", store.Totals{Requests: 8, Input: 20, Output: 40, Cached: 6, Cost: 2000}, got)
}

// ledgerLies has rows that earlier versions wrote of back ends that lied.
func ledgerLies(t *testing.T, s Full) {
	ctx := t.Context()
	var rows []store.Entry
	for range 9 {
		lie := row("r1", 0, 10)
		lie.Output, lie.Cost = 9007199254740991, math.MaxInt64/4
		rows = append(rows, lie)
	}
	must(t, s.Record(ctx, append(rows, row("r2", 0, 20))))
	got, err := s.Entries(ctx, store.EntryFilter{Limit: 20})
	must(t, err)
	if len(got) != 10 || got[9].Cost != math.MaxInt64/4 {
		t.Errorf("%d rows are read back: %+v", len(got), got)
	}
	sums, err := s.Totals(ctx, store.EntryFilter{})
	must(t, err)
	same(t, "a lie is no sum", store.Totals{Requests: 10, Input: 10, Output: 20, Cached: 3, Cost: 1000}, sums)
	dear := row("r3", 0, 30)
	dear.Input, dear.Output, dear.Cost = translate.MaxTokens, translate.MaxTokens, math.MaxInt64
	rows = rows[:0]
	for range 1030 {
		rows = append(rows, dear)
	}
	must(t, s.Record(ctx, rows))
	sums, err = s.Totals(ctx, store.EntryFilter{From: 25})
	must(t, err)
	same(t, "the largest sum", store.Totals{Requests: 1030, Input: 1030 * translate.MaxTokens, Output: 1030 * translate.MaxTokens, Cached: 3090, Cost: math.MaxInt64}, sums)
}

func ledgerTrims(t *testing.T, s Full) {
	ctx := t.Context()
	var rows []store.Entry
	for i := range 6000 {
		rows = append(rows, row("r", 0, int64(10_000-i)))
	}
	must(t, s.Record(ctx, rows))
	for range 100 {
		n, err := s.Trim(ctx, 2000)
		must(t, err)
		if n == 0 {
			break
		}
	}
	left, err := s.Entries(ctx, store.EntryFilter{Limit: 6000})
	must(t, err)
	if len(left) < 2000 || len(left) > 2600 || left[0].At != rows[5999].At {
		t.Errorf("%d rows are left", len(left))
	}
}
