package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
)

// liar answers every question and says that it took so many tokens.
func liar(t *testing.T, tokens string) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		usage := `{"prompt_tokens":5,"completion_tokens":` + tokens + `,"total_tokens":9}`
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"12345678\"},\"finish_reason\":null}]}\n\n"+
				"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":%s}\n\ndata: [DONE]\n\n", usage)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"12345678"},"finish_reason":"stop"}],"usage":%s}`, usage)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestABackEndThatLiesAboutItsTokensNeitherLiftsABudgetNorSpoilsTheLedger(t *testing.T) {
	t.Parallel()
	for _, tokens := range []string{"-5", "-1e300", "2.5", `"many"`, "null", "[]", "true"} {
		t.Run(tokens, func(t *testing.T) {
			t.Parallel()
			conf := `
store: {url: "sqlite:` + filepath.Join(t.TempDir(), "lies.db") + `"}
callers: {keys: [{name: alice, key: ` + key + `, limits: tight}]}
limits: {tight: {budget: {amount: 100, per: month}}}
prices: {m: {output: 10000}}
channels: [{id: liar, kind: openai, url: "` + liar(t, tokens) + `", models: [m]}]
`
			t.Run("at first", func(t *testing.T) {
				w := world.Start(t, conf)
				var all sync.WaitGroup
				for i := range 8 {
					p := posts[i%len(posts)]
					all.Go(func() {
						body := strings.NewReplacer(`"echo"`, `"m"`, `"preset":`, `"model":`).Replace(p.body)
						if status, _, answer := w.Do(t, "POST", strings.Replace(p.path, "/echo:", "/m:", 1), body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01"); status != 200 {
							t.Errorf("%s: %d %s", p.name, status, answer)
						}
					})
				}
				all.Wait()
				sane(t, w, 8)
			})
			t.Run("after a restart", func(t *testing.T) {
				w := world.Start(t, conf)
				sane(t, w, 8)
				if status, _, answer := w.Do(t, "POST", posts[0].path, strings.Replace(posts[0].body, "echo", "m", 1), "Authorization", "Bearer "+key); status != 200 {
					t.Errorf("%d %s", status, answer)
				}
			})
		})
	}
}

func TestABackEndThatClaimsMoreThanAnyModelHoldsSpendsABudgetAndNoMore(t *testing.T) {
	t.Parallel()
	for _, tokens := range []string{"9007199254740991", "9007199254740992", "1e300", "1000000001"} {
		t.Run(tokens, func(t *testing.T) {
			t.Parallel()
			conf := `
store: {url: "sqlite:` + filepath.Join(t.TempDir(), "lies.db") + `"}
callers: {keys: [{name: alice, key: ` + key + `, limits: tight}]}
limits: {tight: {budget: {amount: 1, per: month}, tokens: 100000/m}}
prices: {m: {input: 10, output: 10}}
channels: [{id: liar, kind: openai, url: "` + liar(t, tokens) + `", models: [m]}]
`
			ask := func(t *testing.T, w *world.World) int {
				status, _, _ := w.Do(t, "POST", posts[0].path, strings.Replace(posts[0].body, "echo", "m", 1), "Authorization", "Bearer "+key)
				return status
			}
			spent := func(t *testing.T, w *world.World) {
				t.Helper()
				alice, refused := w.Gateway.Identify(key, "")
				if refused != nil {
					t.Fatal(refused)
				}
				if left, _, err := w.Gateway.Purse(t.Context(), alice); left > 0 || left < -5*10 || err != nil {
					t.Errorf("%v left, %v", left, err)
				}
				totals, err := w.Gateway.Totals(t.Context(), store.EntryFilter{})
				if err != nil || totals.Cost <= 0 || totals.Output > 100 {
					t.Errorf("sums %+v, %v", totals, err)
				}
				if status := ask(t, w); status != 429 {
					t.Errorf("a question beyond the budget got %d", status)
				}
				_, _, body := w.Do(t, "GET", "/quota", "", "Authorization", key)
				var quota struct{ Quota float64 }
				if err := json.Unmarshal([]byte(body), &quota); err != nil || quota.Quota < -50 || quota.Quota > 0 {
					t.Errorf("the quota is %s", body)
				}
			}
			t.Run("at first", func(t *testing.T) {
				w := world.Start(t, conf)
				var all sync.WaitGroup
				for range 5 {
					all.Go(func() {
						if status := ask(t, w); status != 200 && status != 429 {
							t.Errorf("status %d", status)
						}
					})
				}
				all.Wait()
				spent(t, w)
			})
			t.Run("after a restart", func(t *testing.T) { spent(t, world.Start(t, conf)) })
		})
	}
}

// sane checks that n answers of "12345678" cost 2 estimated tokens each.
func sane(t *testing.T, w *world.World, n int64) {
	t.Helper()
	w.Eventually(t, "all answers are in the ledger", func() bool {
		totals, err := w.Gateway.Totals(t.Context(), store.EntryFilter{})
		return err != nil || totals.Requests == n
	})
	totals, err := w.Gateway.Totals(t.Context(), store.EntryFilter{})
	if err != nil || totals.Output != 2*n || totals.Cost != 2*n*10_000_000 {
		t.Errorf("sums %+v, %v", totals, err)
	}
	rows, err := w.Gateway.Entries(t.Context(), store.EntryFilter{Requests: true})
	if err != nil || int64(len(rows)) != n || !rows[0].Estimated {
		t.Errorf("%+v, %v", rows, err)
	}
	alice, refused := w.Gateway.Identify(key, "")
	if refused != nil {
		t.Fatal(refused)
	}
	if left, limited, err := w.Gateway.Purse(t.Context(), alice); left != 100-0.02*float64(n) || !limited || err != nil {
		t.Errorf("%v left, %v", left, err)
	}
	_, _, body := w.Do(t, "GET", "/quota", "", "Authorization", key)
	var quota struct{ Quota float64 }
	if err := json.Unmarshal([]byte(body), &quota); err != nil || quota.Quota < 99 || quota.Quota > 100 {
		t.Errorf("the quota is %s", body)
	}
}

func TestRefusalsNeitherFillTheDiskNorTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refused.db")
	w := world.Start(t, `
store: {url: "sqlite:`+path+`"}
callers: {anonymous: {limits: once}}
limits: {once: {requests: 1/d}}
channels:
`+channel("up", "openai", "", "echo"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	ask := func(user string) int {
		resp, err := client.Post("http://"+w.Addr+"/api/chat", "application/json", strings.NewReader(`{"message":"hi","userId":"`+user+`","model":"echo"}`))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if status := ask("u"); status != 200 {
		t.Fatal(status)
	}
	before, lines := diskOf(t, path), strings.Count(w.Log.String(), "\n")
	const n = 1000
	began := time.Now()
	for i := range n {
		if status := ask(fmt.Sprint("user", i)); status != 429 {
			t.Fatal(status)
		}
	}
	refused := int64(0)
	rows, err := w.Gateway.Entries(t.Context(), store.EntryFilter{Requests: true})
	for _, e := range rows {
		if e.Status == 429 {
			refused += e.Count
		}
	}
	// Each minute has a row and two lines: on a slow machine this takes some.
	minutes := int(time.Since(began)/time.Minute) + 1
	if err != nil || refused != n || len(rows) > 10+minutes {
		t.Errorf("%d rows for %d refusals, %v", len(rows), refused, err)
	}
	if grown := diskOf(t, path) - before; grown > int64(64<<10+minutes*16<<10) {
		t.Errorf("the files have grown by %d bytes", grown)
	}
	if more := strings.Count(w.Log.String(), "\n") - lines; more > 10+2*minutes {
		t.Errorf("%d lines in the log", more)
	}
}

// diskOf is what a database and its log take.
func diskOf(t *testing.T, path string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			continue
		}
		n += info.Size()
	}
	return n
}
