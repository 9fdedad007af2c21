package front_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
)

// mixed is what the scripted model answers, one after the other: well, with failures
// that another attempt mends, never, half of it, and to clients that leave.
var mixed = []struct {
	model  string
	stream bool
	leave  bool
}{
	{"echo", false, false}, {"echo", true, false}, {"both", false, false}, {"both", true, false},
	{"fail-400", true, false}, {"cut", true, false}, {"cut", false, false}, {"long-400-slow-20", true, true},
}

// sums are what the ledger and the model have to agree on.
type sums struct{ ok, answered int64 }

func TestTheLedgerEqualsWhatTheModelCounted(t *testing.T) {
	t.Parallel()
	n := 800
	if more, err := strconv.Atoi(os.Getenv("DRAGOMAN_TEST_LEDGER")); err == nil && more > 0 {
		n = more // make soak-ledger
	}
	// Each model has a breaker of its own, which stays closed as long as it is asked
	// but a few times.
	var cuts, bad, good []string
	for i := range n/2/len(mixed) + 1 {
		cuts = append(cuts, fmt.Sprintf("cut-x%d", i))
		bad = append(bad, fmt.Sprintf("{name: both-x%d, upstream: fail-500-x%d}", i, i))
		good = append(good, fmt.Sprintf("{name: both-x%d, upstream: echo}", i))
	}
	w := world.Start(t, "store: {url: \"sqlite:"+filepath.Join(t.TempDir(), "ledger.db")+"\"}\n"+callers+`
prices: {echo: {call: 1, input: 0.5}, cut-x0: {output: 2}, long-400-slow-20: {output: 0.001}}
channels:
`+channel("a", "openai", "", append(cuts, "echo", "fail-400", "long-400-slow-20")...)+channel("bad", "openai", "", bad...)+channel("good", "openai", "tier: 2", good...))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	work := make(chan int)
	var seen sums
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range work {
				one := putMixed(t, client, w.Addr, i)
				mu.Lock()
				seen.ok += one.ok
				seen.answered += one.answered
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	all.Wait()
	w.Eventually(t, "all requests are in the ledger", func() bool {
		totals, err := w.Gateway.Totals(t.Context(), store.EntryFilter{Caller: "alice"})
		return err == nil && totals.Requests == int64(n)
	})
	w.Eventually(t, "no answer is under way", func() bool { return w.Model.Active() == 0 })
	compare(t, w, n, seen)
}

func putMixed(t *testing.T, client *http.Client, addr string, i int) (got sums) {
	m := mixed[i%len(mixed)]
	if m.model == "both" || m.model == "cut" {
		m.model += fmt.Sprintf("-x%d", i/len(mixed)/2)
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"question %d"}]}`, m.model, m.stream, i)
	if !m.stream {
		body = strings.Replace(body, `"stream_options":{"include_usage":true},`, "", 1)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return got
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return got
	}
	defer func() { _ = resp.Body.Close() }()
	if m.leave {
		_, _ = io.ReadFull(resp.Body, make([]byte, 20))
		return got
	}
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == 200 && !strings.Contains(string(text), `"error"`) {
		got.ok, got.answered = 1, 1
	}
	return got
}

// compare holds the rows against each other and against what the model and the
// clients have seen.
func compare(t *testing.T, w *world.World, n int, seen sums) {
	t.Helper()
	var rows []store.Entry
	for {
		page, err := w.Gateway.Entries(t.Context(), store.EntryFilter{Limit: 5000, Offset: len(rows)})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page...)
		if len(page) < 5000 {
			break
		}
	}
	var requests, attempts, fine, cost, paid int64
	outcomes := map[string]int{}
	for _, e := range rows {
		if e.Attempt > 0 {
			attempts++
			paid += e.Cost
			outcomes["attempt "+e.Outcome]++
			continue
		}
		requests++
		cost += e.Cost
		model, _, _ := strings.Cut(e.Model, "-x")
		outcomes[model+" "+e.Outcome]++
		if e.Outcome == "ok" {
			fine++
			// "question N" is 2 words, and an echo has 5 pieces.
			if e.Input != 2 || e.Output != 5 || e.Estimated {
				t.Fatalf("a row with other tokens than the model reported: %+v", e)
			}
		}
	}
	t.Logf("%d rows: %v", len(rows), outcomes)
	if requests != int64(n) {
		t.Errorf("%d rows of requests, want %d", requests, n)
	}
	if got := w.Model.Requests(); got != attempts {
		t.Errorf("the model was asked %d times, the ledger has %d attempts", got, attempts)
	}
	if fine != seen.ok {
		t.Errorf("clients got %d whole answers, the ledger has %d", seen.ok, fine)
	}
	if cost != paid {
		t.Errorf("requests cost %d, their attempts %d", cost, paid)
	}
	if left := outcomes["long-400-slow-20 CANCELED"]; left != n/len(mixed) {
		t.Errorf("%d rows of clients that left, want %d", left, n/len(mixed))
	}
}

func TestABudgetThatIsUsedUpIsToldInEachDialect(t *testing.T) {
	t.Parallel()
	w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`, limits: tight}], anonymous: {}}
limits: {tight: {budget: {amount: 2, per: day}}}
prices: {echo: {call: 2}}
channels:
`+channel("up", "openai", "", "echo"))
	ask := func(path, body string) (int, http.Header, string) {
		return w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
	}
	quota := func() string {
		_, _, body := w.Do(t, "GET", "/quota", "", "Authorization", key)
		return body
	}
	if got := quota(); !strings.Contains(got, `"quota":2,`) {
		t.Errorf("before: %s", got)
	}
	if status, _, body := ask(posts[0].path, posts[0].body); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if got := quota(); !strings.Contains(got, `"quota":0,`) {
		t.Errorf("after: %s", got)
	}
	for _, p := range posts {
		status, head, body := ask(p.path, p.body)
		if status != 429 || head.Get("Retry-After") == "" || !strings.Contains(body, "the budget tight of 2 per day is used up") {
			t.Errorf("%s: %d %q %s", p.name, status, head.Get("Retry-After"), body)
		}
		if strings.HasPrefix(p.name, "openai") && !strings.Contains(body, `"type":"insufficient_quota"`) {
			t.Errorf("%s: %s", p.name, body)
		}
	}
}
