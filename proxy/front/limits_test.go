package front_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// limitedTo is a gateway whose callers are all under limit: alice and whoever has no
// key. bob has no limits.
func limitedTo(t testing.TB, limit, more string) *world.World {
	t.Helper()
	return world.Start(t, `
callers:
  anonymous: {limits: small}
  keys: [{name: alice, key: `+key+`, limits: small}, {name: bob, key: sk-bob-caller-key}]
limits: {small: `+limit+`}
channels:
`+channel("up", "openai", "", "echo", "long-400-slow-20", "echo-first-60000")+channel("bad", "openai", "", "fail-400")+more)
}

var limitHeaders = []string{"Retry-After", "Ratelimit-Policy", "Ratelimit", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"}

// said puts the limit's headers into one line. What the clock changes is checked to
// be at most what the window allows and then named.
func said(t *testing.T, h http.Header) string {
	t.Helper()
	var all []string
	for _, name := range limitHeaders {
		values := h.Values(name)
		if len(values) > 1 {
			t.Errorf("%s stands %d times", name, len(values))
		}
		if len(values) == 0 {
			continue
		}
		v := values[0]
		switch name {
		case "X-Ratelimit-Reset":
			at, err := strconv.ParseInt(v, 10, 64)
			off := int64(0) // the process says it by its own clock
			if os.Getenv(world.Clocks) != "" {
				off = 61
			}
			if left := at - time.Now().Unix(); err != nil || left < 3500-off || left > 3601+off {
				t.Errorf("%s: %s, in %d s", name, v, left)
			}
			v = "soon"
		case "Retry-After":
			v = about(t, v)
		case "Ratelimit":
			at := strings.LastIndex(v, "t=") + 2
			v = v[:at] + about(t, v[at:])
		}
		all = append(all, name+": "+v)
	}
	return strings.Join(all, "\n")
}

// about checks that text is nearly an hour in seconds.
func about(t *testing.T, text string) string {
	t.Helper()
	if n, err := strconv.Atoi(text); err != nil || n < 3500 || n > 3600 {
		t.Errorf("%q is not the wait", text)
	}
	return "WAIT"
}

// posts are the questions of the HTTP fronts.
var posts = []struct{ name, path, body string }{
	{"openai", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`},
	{"openai streamed", "/v1/chat/completions", `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`},
	{"anthropic", "/v1/messages", `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`},
	{"anthropic streamed", "/v1/messages", `{"model":"echo","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`},
	{"gemini", "/v1beta/models/echo:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
	{"gemini streamed", "/v1beta/models/echo:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
	{"gemini listed", "/v1beta/models/echo:streamGenerateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`},
	{"rest", "/api/chat", `{"message":"hi","userId":"u","preset":"echo"}`},
	{"rest streamed", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"echo"}`},
}

var seconds = regexp.MustCompile(`(after |retryDelay":")\d+s`)

func TestHTTPFrontsSayHowTheLimitStandsAndWhenToComeBack(t *testing.T) {
	t.Parallel()
	const policy = "Ratelimit-Policy: \"small\";q=1;w=3600\n"
	const state = policy + "Ratelimit: \"small\";r=0;t=WAIT\nX-Ratelimit-Limit: 1\nX-Ratelimit-Remaining: 0\nX-Ratelimit-Reset: soon"
	const text = "the limit small of 1 question per hour is reached; retry after Ns"
	bodies := map[string]string{
		"openai":    `{"error":{"message":"` + text + `","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`,
		"anthropic": `{"type":"error","error":{"type":"rate_limit_error","message":"` + text + `"},"request_id":"r-1"}`,
		"gemini": `{"error":{"code":429,"message":"` + text + `","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"dragoman"},` +
			`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"Ns"},{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-1"}]}}`,
		"rest": `{"success":false,"error":"` + text + `","code":"RATE_LIMITED"}`,
	}
	for _, p := range posts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			w := limitedTo(t, "{requests: 1/h}", "")
			ask := func(k string) (int, http.Header, string) {
				return w.Do(t, "POST", p.path, p.body, "Content-Type", "application/json", "Authorization", "Bearer "+k, "X-Request-Id", "r-1")
			}
			status, h, body := ask(key)
			if got := said(t, h); status != 200 || got != state {
				t.Errorf("admitted: %d\n%s\n%s", status, got, body)
			}
			status, h, body = ask(key)
			if got := said(t, h); status != 429 || got != "Retry-After: WAIT\n"+state {
				t.Errorf("refused: %d\n%s", status, got)
			}
			dialect, _, _ := strings.Cut(p.name, " ")
			if got := strings.TrimSpace(seconds.ReplaceAllString(body, "${1}Ns")); got != bodies[dialect] {
				t.Errorf("refused:\n%s\nwant\n%s", got, bodies[dialect])
			}
			if status, h, _ = ask("sk-bob-caller-key"); status != 200 || said(t, h) != "" {
				t.Errorf("without limits: %d %s", status, said(t, h))
			}
		})
	}
}

func TestAnAdmittedQuestionThatFailsSaysHowTheLimitStands(t *testing.T) {
	t.Parallel()
	w := limitedTo(t, "{requests: 5/h}", "")
	status, h, _ := w.Do(t, "POST", "/v1/chat/completions", `{"model":"fail-400","messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key)
	if status == 200 || h.Get("X-RateLimit-Remaining") != "4" || h.Get("RateLimit") == "" {
		t.Errorf("%d %v", status, h)
	}
}

// Lists, handshakes and what cannot be read cost nothing.
func TestOnlyQuestionsAreCounted(t *testing.T) {
	t.Parallel()
	w := limitedTo(t, "{requests: 1/h}", "")
	bearer := []string{"Authorization", "Bearer " + key}
	for range 3 {
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "/v1/models", "", 200},
			{"GET", "/api/conversations", "", 200},
			{"POST", "/api/chat", `{"message":`, 400},
			{"POST", "/v1/chat/completions", `{"model":"nobody","messages":[{"role":"user","content":"hi"}]}`, 404},
		} {
			status, h, body := w.Do(t, c.method, c.path, c.body, bearer...)
			if status != c.status || said(t, h) != "" {
				t.Errorf("%s: %d %s %s", c.path, status, said(t, h), body)
			}
		}
		ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
		_ = ws.WriteMessage(1, []byte(`{"msg_id":"bad"}`))
		if _, frame, err := ws.ReadMessage(); err != nil || !strings.Contains(string(frame), `"resp_code":40`) {
			t.Errorf("%s %v", frame, err)
		}
		_ = ws.Close()
	}
	if r := world.Put(t, world.NewIAgent(w, key), world.Ask{Model: "echo", Text: "hi"}); r.Text != hello {
		t.Errorf("the first question: %s", r.Outcome())
	}
}

var wait = regexp.MustCompile(`retry \d+`)

func TestEveryFrontRefusesInItsOwnForm(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := limitedTo(t, "{requests: 2/h}", "")
			c := newClient(w, key)
			defer c.Close(t)
			a, want := world.Ask{Model: "echo", Text: "hi", Stream: true}, form(c.Front(), "limited")
			for range 2 {
				if r := world.Put(t, c, a); r.Failed || !r.Ended {
					t.Errorf("within the limit: %s", r.Outcome())
				}
			}
			for range 2 { // the connection lives on
				r := world.Put(t, c, a)
				if got := wait.ReplaceAllString(r.Outcome(), "retry N"); got != want {
					t.Errorf("beyond it: %s, want %s", got, want)
				}
			}
			if n := w.Model.Requests(); n != 2 {
				t.Errorf("the model was asked %d times", n)
			}
		})
	}
}

// A place that is given back only after the end was told would refuse some of them.
func TestQuestionsOneAfterTheOtherNeedOnePlace(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := limitedTo(t, "{concurrent: 1}", channel("same", "anthropic", "", "unicode"))
			c := newClient(w, key)
			defer c.Close(t)
			for n := range 30 {
				a := world.Ask{Model: "echo", Text: "hi", Stream: n%3 > 0, User: fmt.Sprint(n)}
				if n%2 > 0 {
					a.Model = "unicode"
				}
				if r := world.Put(t, c, a); r.Failed || !r.Ended {
					t.Fatalf("question %d: %s", n, r.Outcome())
				}
			}
		})
	}
}

func TestThePlaceOfAClientThatLeavesIsFree(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		for _, model := range []string{"echo-first-60000", "long-400-slow-20"} {
			t.Run(newClient(nil, "").Front()+" "+model, func(t *testing.T) {
				t.Parallel()
				w := limitedTo(t, "{concurrent: 1}", "")
				first := newClient(w, key)
				turn := first.Begin(t, world.Ask{Model: model, Text: "hi", Stream: true})
				asked(t, w, "openai", 1)
				second := newClient(w, key)
				a := world.Ask{Model: "echo", Text: "hi", Stream: true, User: "another"}
				if r := world.Put(t, second, a); !r.Failed || !strings.Contains(r.Outcome(), "imit") && !strings.Contains(r.Outcome(), "RATE") {
					t.Errorf("beside it: %s", r.Outcome())
				}
				turn.Leave()
				w.Eventually(t, "the place is free", func() bool { return !world.Put(t, second, a).Failed })
				second.Close(t)
			})
		}
	}
}

func TestAClientThatWaitsAsLongAsItIsToldIsAdmitted(t *testing.T) {
	t.Parallel()
	w := limitedTo(t, "{requests: 1/s}", "")
	ask := func() (int, http.Header) {
		status, h, _ := w.Do(t, "POST", posts[0].path, posts[0].body, "Authorization", "Bearer "+key)
		return status, h
	}
	var h http.Header
	for status := 200; status == 200; { // a slow machine may refill it meanwhile
		status, h = ask()
	}
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n != 1 {
		t.Fatalf("Retry-After: %v", h)
	}
	<-time.After(time.Duration(n) * time.Second)
	if status, h := ask(); status != 200 {
		t.Errorf("%d %v", status, h)
	}
}

func TestARepeatedIagentMessageIsAskedOnceItIsAdmitted(t *testing.T) {
	t.Parallel()
	w := limitedTo(t, "{concurrent: 1}", "")
	turn := world.NewIAgent(w, key).Begin(t, world.Ask{Model: "echo-first-60000", Text: "hi"})
	asked(t, w, "openai", 1)
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	defer func() { _ = ws.Close() }()
	put := func() string {
		_ = ws.WriteMessage(1, []byte(`{"chat_type":1,"msg_id":"again","timestamp":1767225600000,"sender_type":1,"sender_id":"u9","receiver_id":"echo","resp_code":0,"content_type":1,"content":"hi"}`))
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		return string(frame)
	}
	if got := put(); !strings.Contains(got, `"resp_code":50`) || !strings.Contains(got, `"content":"RATE_LIMITED: `) {
		t.Fatal(got)
	}
	turn.Leave()
	w.Eventually(t, "it is answered", func() bool { return strings.Contains(put(), `"resp_code":0`) })
}

// It runs alone: a thousand connections would keep the other tests from their clocks.
func TestOfAThousandClientsExactlyAsManyAreAdmittedAsTheLimitSays(t *testing.T) {
	w := limitedTo(t, "{requests: 100/d}", "")
	var admitted, refused atomic.Int32
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			switch status, _, body := w.Do(t, "POST", posts[0].path, posts[0].body, "Authorization", "Bearer "+key); status {
			case 200:
				admitted.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	all.Wait()
	if admitted.Load() != 100 || refused.Load() != 900 || w.Model.Requests() != 100 {
		t.Errorf("%d admitted, %d refused, %d at the model", admitted.Load(), refused.Load(), w.Model.Requests())
	}
}

func TestAnonymousCallersAreCountedByTheAddressThatCanBeBelieved(t *testing.T) {
	t.Parallel()
	ask := func(w *world.World, from string) bool {
		status, _, body := w.Do(t, "POST", posts[0].path, posts[0].body, "X-Forwarded-For", from)
		if status != 200 && status != 429 {
			t.Errorf("%d %s", status, body)
		}
		return status == 200
	}
	t.Run("no proxy is trusted", func(t *testing.T) {
		t.Parallel()
		w := limitedTo(t, "{requests: 1/h}", "trusted_proxies: [10.0.0.0/8]\n")
		if !ask(w, "192.0.2.1") || ask(w, "192.0.2.2") || ask(w, "") {
			t.Error("the header was believed")
		}
	})
	t.Run("the peer is trusted", func(t *testing.T) {
		t.Parallel()
		w := limitedTo(t, "{requests: 1/h}", "trusted_proxies: [10.0.0.0/8, 127.0.0.1]\n")
		for _, c := range []struct {
			from string
			want bool
		}{
			{"192.0.2.1", true},
			{"192.0.2.1", false},
			{"192.0.2.99, 192.0.2.1", false}, // anybody may have written the first
			{"192.0.2.1, 10.1.2.3", false},   // another proxy of ours
			{"192.0.2.1:4711", false},
			{"::ffff:192.0.2.1", false},
			{"192.0.2.2,10.1.2.3", true},
			{"2001:db8::1", true},
			{"2001:db8::ffff:2", false}, // the same /64
			{"[2001:db8::3]:4711", false},
			{"2001:db8:0:1::1", true},
			{"10.9.9.9", true}, // all of them proxies: the farthest
			{"10.9.9.9, 10.1.2.3", false},
			{"unknown", true}, // the proxy itself
			{"", false},
			{"192.0.2.3, nonsense", false},
		} {
			if got := ask(w, c.from); got != c.want {
				t.Errorf("from %q: admitted %v", c.from, got)
			}
		}
	})
}
