package front_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// processes are gateways that have a Redis in common.
func processes(t *testing.T, text string, shared *redistest.Server) (all [2]*world.World) {
	t.Helper()
	for i := range all {
		server, err := redis.New(shared.URL(0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		all[i] = world.Among(t, text, nil, server)
	}
	return all
}

// signing answers a question about a result of a tool with a text, and any other with a call that is signed.
func signing(t *testing.T, kind string) *backEnd {
	return newBackEnd(t, func(w http.ResponseWriter, asked string) {
		stream := strings.Contains(asked, `"stream":true`)
		part, reason := `{"tool_calls":[{"index":0,"id":"a","type":"function","extra_content":{"google":{"thought_signature":"c2lnbmVk"}},"function":{"name":"f","arguments":"{}"}}]}`, "tool_calls"
		candidate := `{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"c2lnbmVk"}`
		if strings.Contains(asked, `"role":"tool"`) || strings.Contains(asked, `"functionResponse"`) {
			part, reason, candidate = `{"content":"fine"}`, "stop", `{"text":"fine"}`
		}
		candidate = `{"candidates":[{"content":{"role":"model","parts":[` + candidate + `]},"finishReason":"STOP"}]}`
		w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
		switch {
		case kind == "gemini" && strings.Contains(w.Header().Get("Content-Type"), "json"):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: "+candidate+"\n\n")
		case stream:
			_, _ = io.WriteString(w, chunks(part, "{} ~ "+reason))
		default:
			_, _ = io.WriteString(w, completion(part, reason))
		}
	})
}

// A server wants a signature back with a call, which its client does not send. The client's
// questions go to another process each.
func TestWhatAServerWantsBackWithACallIsKnownToOtherProcesses(t *testing.T) {
	t.Parallel()
	shared := redistest.Start(t)
	for _, kind := range []string{"openai", "gemini"} {
		for _, stream := range []bool{false, true} {
			name := fmt.Sprintf("%s, stream %v", kind, stream)
			first := fmt.Sprintf(`{"model":"m","max_tokens":99,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)
			one, two := signing(t, kind), signing(t, kind)
			all := processes(t, callers+"channels:\n"+channelAt("one", kind, one.url, "")+strings.Replace(channelAt("two", kind, two.url, ""), "name: m,", "name: n,", 1), shared)
			ask := func(w *world.World, key, body string) {
				t.Helper()
				if status, _, text := w.Do(t, "POST", "/v1/messages", body, "X-Api-Key", key); status != 200 || strings.Contains(text, "c2lnbmVk") {
					t.Fatalf("%s: %d %s", name, status, text)
				}
			}
			ask(all[0], key, first)
			for _, c := range []struct {
				up         *backEnd
				key, model string
				back       bool
			}{{one, "sk-bob-caller-key", "m", false}, {two, key, "n", false}, {one, key, "m", true}} {
				c.up.questions()
				ask(all[1], c.key, strings.Replace(fmt.Sprintf(loop, ""), `"model":"m"`, `"model":"`+c.model+`"`, 1))
				if got := c.up.questions(); len(got) != 1 || strings.Contains(got[0], "c2lnbmVk") != c.back {
					t.Errorf("%s, %s for %s: %q", name, c.model, c.key, got)
				}
			}
		}
	}
}

// Without the server each process goes on with what it knows itself.
func TestProofsOfOtherProcessesAreDoneWithoutWhereTheServerIsAway(t *testing.T) {
	t.Parallel()
	shared := redistest.Start(t)
	up := signing(t, "openai")
	all := processes(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""), shared)
	shared.Kill()
	for i, body := range []string{`{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}`, fmt.Sprintf(loop, ""), fmt.Sprintf(loop, "")} {
		up.questions()
		if status, _, text := all[i/2].Do(t, "POST", "/v1/messages", body, "X-Api-Key", key); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		if got := up.questions(); len(got) != 1 || strings.Contains(got[0], "c2lnbmVk") != (i == 1) {
			t.Errorf("question %d: %q", i, got)
		}
	}
}
