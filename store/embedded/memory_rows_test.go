package embedded

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/store"
)

func entry(i int) *store.Entry {
	return &store.Entry{
		Request: fmt.Sprint("req", i), Attempt: i % 3, At: int64(i), Caller: "alice", Model: strings.Repeat("m", i%200),
		Key: -1, Status: 200 + i, Outcome: "ok", Estimated: i%2 == 0, Cost: int64(i) << 40, Took: -5,
	}
}

func TestPackedRowsComeBackNewestFirst(t *testing.T) {
	t.Parallel()
	var l rowLog
	const n = 3*pageRows + 7
	for i := range n {
		l.add(entry(i))
	}
	i := n
	for e := range l.each {
		i--
		if d := cmp.Diff(entry(i), e); d != "" {
			t.Fatalf("row %d: %s", i, d)
		}
	}
	if i != 0 || l.n != n {
		t.Errorf("%d rows are missing, %d are counted", i, l.n)
	}
}

func TestOldPagesGoAndTheNewestRowsStay(t *testing.T) {
	t.Parallel()
	var l rowLog
	for i := range 10 * pageRows {
		l.add(entry(i))
		l.keep(pageRows + 1)
		if l.n < min(i+1, pageRows+1) || l.n > 2*pageRows+1 {
			t.Fatalf("%d rows are kept after %d", l.n, i+1)
		}
	}
}

func TestWhatIsForgottenIsOldAndCounted(t *testing.T) {
	t.Parallel()
	var l rowLog
	for i := range 4 * pageRows {
		l.add(entry((i * 7) % (4 * pageRows))) // pages of old and new rows
	}
	for _, step := range []struct{ before, most, want int }{{100, 30, 30}, {100, 1000, 70}, {100, 1000, 0}, {4 * pageRows, 1 << 20, 4*pageRows - 100}} {
		if got := l.forget(int64(step.before), step.most); got != step.want {
			t.Errorf("forgot %d, want %d", got, step.want)
		}
	}
	if l.n != 0 || len(l.pages) != 0 {
		t.Errorf("%d rows in %d pages are left", l.n, len(l.pages))
	}
}

func FuzzPackedRows(f *testing.F) {
	f.Add("req", "gpt", 1, int64(5), true)
	f.Fuzz(func(t *testing.T, request, model string, status int, at int64, guess bool) {
		e := store.Entry{Request: request, Model: model, Status: status, At: at, Estimated: guess}
		var got store.Entry
		rest := unpack(append(pack(nil, &e), "rest"...), &got)
		if got != e || string(rest) != "rest" {
			t.Errorf("%+v became %+v, and %q is left", e, got, rest)
		}
	})
}
