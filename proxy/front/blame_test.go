package front_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// refusalRow is a row of translate/testdata/refusals.txt.
type refusalRow struct {
	fault, by, body string
	status          int
}

func refusalRows(t *testing.T) (all []refusalRow) {
	t.Helper()
	file, err := os.ReadFile("../../translate/testdata/refusals.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if f := strings.SplitN(strings.TrimSuffix(line, "\n"), " |", 5); len(f) == 5 && !strings.HasPrefix(line, "#") {
			status, err := strconv.Atoi(strings.TrimSpace(f[3]))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, refusalRow{strings.TrimSpace(f[0]), strings.TrimSpace(f[2]), strings.TrimSpace(f[4]), status})
		}
	}
	return all
}

// refusing is a server that refuses everything with what r says.
func refusing(t *testing.T, r *refusalRow) (url string) {
	kind := "application/json"
	if strings.HasPrefix(r.body, "<") {
		kind = "text/html"
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// wellServer is a server of the openai dialect that is well.
func wellServer(t *testing.T, asked *atomic.Int32) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(q.Body)
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"from the other\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"from the other"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Of all that back ends refuse with, only what is about the question goes to its client;
// for all else the other channel is asked, and no page is ever shown.
func TestOnlyARefusalOfTheQuestionEndsTheSearch(t *testing.T) {
	t.Parallel()
	for i, r := range refusalRows(t) {
		if r.status == 204 {
			continue
		}
		t.Run(fmt.Sprintf("%d %s %s %d", i, r.fault, r.by, r.status), func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			kind := []string{"openai", "anthropic"}[i%2]
			text := callers + "channels:\n" + channelAt("bad", kind, refusing(t, &r), ", tier: 1") + channelAt("well", "openai", wellServer(t, &asked), ", tier: 2")
			w := world.Start(t, text)
			for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
				stream := strconv.FormatBool((i/2)%2 == 0)
				status, _, got := w.Do(t, "POST", path, `{"model":"m","max_tokens":9,"stream":`+stream+`,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
				if strings.Contains(strings.ToLower(got), "<html") || strings.Contains(strings.ToLower(got), "<!doctype") {
					t.Errorf("a page is shown: %s", got)
				}
				if r.fault == "rejected" {
					if status < 400 || status > 499 || asked.Load() > 0 {
						t.Errorf("%s: status %d, the other was asked %d times: %s", path, status, asked.Load(), got)
					}
					continue
				}
				if status != 200 || !strings.Contains(got, "from the other") {
					t.Errorf("%s: status %d: %s", path, status, got)
				}
			}
		})
	}
}

// Alone, a channel's own trouble is told without a word of what it said.
func TestAChannelsOwnTroubleIsToldInWordsOfOurs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range refusalRows(t) {
		if r.fault == "rejected" || r.status == 200 || seen[r.fault] {
			continue
		}
		seen[r.fault] = true
		t.Run(r.fault, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+"channels:\n"+channelAt("vendor-x", "openai", refusing(t, &r), ""))
			want := map[string][2]int{
				"denied": {503, 529}, "purse": {503, 529}, "cost": {503, 529}, "place": {503, 529}, "no_model": {404, 404}, "astray": {503, 529},
				"size": {413, 413}, "unclear": {502, 502}, "busy": {429, 429}, "broken": {502, 502}, "slow": {504, 504},
			}[r.fault]
			for n, path := range []string{"/v1/chat/completions", "/v1/messages"} {
				status, h, got := w.Do(t, "POST", path, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
				if status != want[n] || strings.Contains(got, "vendor-x") || r.body != "" && strings.Contains(got, r.body[:min(len(r.body), 30)]) {
					t.Errorf("%s: status %d, want %d: %s", path, status, want[n], got)
				}
				if known := h.Get("Retry-After") != ""; known != (r.fault == "denied" || r.fault == "purse" || r.fault == "place" || r.fault == "busy") {
					t.Errorf("%s: Retry-After %q: %s", path, h.Get("Retry-After"), got)
				}
			}
		})
	}
}

// Names of channels are for those who have keys.
func TestAnonymousCallersAreToldOfNoChannel(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {anonymous: {}, keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("vendor-x", "mock", "", "echo", "fail-500"))
	for _, model := range []string{"echo", "fail-500"} {
		for who, want := range map[string]string{"": "", key: "vendor-x"} {
			var auth []string
			if who != "" {
				auth = []string{"Authorization", "Bearer " + who}
			}
			_, h, got := w.Do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`, append(auth, "Content-Type", "application/json")...)
			if h.Get("X-Dragoman-Channel") != want || h.Get("X-Dragoman-Attempts") == "" || strings.Contains(got, "vendor-x") {
				t.Errorf("%s, key %q: %q: %s", model, who, h.Get("X-Dragoman-Channel"), got)
			}
		}
	}
}
