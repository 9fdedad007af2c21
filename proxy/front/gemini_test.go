package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const geminiHi = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`

func TestTheGeminiPathsAreAnsweredAsTheirVerbSays(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"gemini", "openai"} {
		w := world.Start(t, callers+"channels:\n"+channel("up", kind, "", "{name: \"vendor/echo:free\", upstream: echo}", "echo", "fail-500"))
		for _, c := range []struct {
			path, body   string
			status       int
			media, holds string
		}{
			{"/v1beta/models/echo:generateContent", geminiHi, 200, "application/json", `you said \"hi\"`},
			{"/v1/models/echo:generateContent", geminiHi, 200, "application/json", `you said \"hi\"`},
			{"/v1beta/models/vendor/echo:free:generateContent", geminiHi, 200, "application/json", `you said \"hi\"`},
			{"/v1beta/models/vendor%2Fecho%3Afree:streamGenerateContent?alt=sse", geminiHi, 200, "text/event-stream", "data: {"},
			{"/v1beta/models/echo:streamGenerateContent", geminiHi, 200, "application/json", `"finishReason":"STOP"`},
			{"/v1beta/models/fail-500:streamGenerateContent", geminiHi, 502, "application/json", `"status":"INTERNAL"`},
			{"/v1beta/models/none:generateContent", geminiHi, 404, "application/json", `"reason":"MODEL_NOT_FOUND"`},
			{"/v1beta/models/echo:embedContent", geminiHi, 404, "application/json", ":countTokens"},
			{"/v1beta/files", geminiHi, 404, "application/json", "use POST /v1beta/models/{model}:generateContent"},
			{"/v1beta/models/echo:generateContent", `{"messages":[]}`, 400, "application/json", "POST /v1/chat/completions"},
			{"/v1beta/models/echo:generateContent", `{`, 400, "application/json", `"status":"INVALID_ARGUMENT"`},
		} {
			status, h, body := w.Do(t, "POST", c.path, c.body, "x-goog-api-key", key, "Content-Type", "application/json")
			if status != c.status || !strings.HasPrefix(h.Get("Content-Type"), c.media) || !strings.Contains(body, c.holds) {
				t.Errorf("%s, %s: %d %s %s", kind, c.path, status, h.Get("Content-Type"), body)
			}
			var list []json.RawMessage
			if isList := strings.HasSuffix(c.path, ":streamGenerateContent") && status == 200; isList != (json.Unmarshal([]byte(body), &list) == nil) || isList && len(list) < 6 {
				t.Errorf("%s, %s: %d values: %s", kind, c.path, len(list), body)
			}
		}
	}
}

// The key in the query is as secret as any other, wherever a request is told of.
func TestAGeminiKeyIsTakenWhereverItStandsAndNeverTold(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "gemini", "", "echo", "fail-500"))
	const wrong = "sk-wrong-key-in-the-query"
	for _, c := range []struct {
		path   string
		head   []string
		status int
	}{
		{"/v1beta/models/echo:generateContent", []string{"x-goog-api-key", key}, 200},
		{"/v1beta/models/echo:generateContent", []string{"Authorization", "Bearer " + key}, 200},
		{"/v1beta/models/echo:generateContent?key=" + key, nil, 200},
		{"/v1beta/models/echo:streamGenerateContent?alt=sse&key=" + key, nil, 200},
		{"/v1beta/models/fail-500:generateContent?key=" + key, nil, 502},
		{"/v1beta/models/echo:generateContent?key=" + wrong, []string{"x-goog-api-key", key}, 200},
		{"/v1beta/models/echo:generateContent?key=" + wrong, nil, 401},
		{"/v1beta/models/echo:nothing?key=" + key, nil, 404},
		{"/v1beta/nothing?key=" + key, nil, 404},
		{"/v1beta/models/echo:generateContent", nil, 401},
	} {
		status, h, body := w.Do(t, "POST", c.path, geminiHi, append(c.head, "Content-Type", "application/json", "X-Request-Id", "r-1")...)
		if status != c.status {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
		for _, secret := range []string{key, wrong, channelKey} {
			if strings.Contains(fmt.Sprint(h)+body, secret) {
				t.Errorf("%s: a key in %v %s", c.path, h, body)
			}
		}
	}
	for _, secret := range []string{key, wrong, channelKey} {
		if strings.Contains(w.Log.String(), secret) {
			t.Errorf("the key %s is in the log", secret)
		}
	}
	for _, seen := range w.Model.Seen() {
		if strings.Contains(seen.Path+seen.Body, key) || seen.Key != channelKey {
			t.Errorf("the channel was shown %+v", seen)
		}
	}
}

func TestTheGeminiModelsAreListedAndFoundOneByOne(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "mock", "", "echo", "\"vendor/large:7b\""))
	for path, want := range map[string]string{
		"/v1beta/models": `{"models":[{"name":"models/echo","displayName":"echo","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]},` +
			`{"name":"models/vendor/large:7b","displayName":"vendor/large:7b","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}]}`,
		"/v1beta/models?pageSize=1000":    `"models/echo"`,
		"/v1beta/models/echo":             `{"name":"models/echo"`,
		"/v1beta/models/vendor/large:7b":  `{"name":"models/vendor/large:7b"`,
		"/v1beta/models/nothing":          `"status":"NOT_FOUND"`,
		"/v1beta/models?key=sk-other-key": `"status":"UNAUTHENTICATED"`,
	} {
		more := []string{"x-goog-api-key", key}
		if strings.Contains(path, "key=") {
			more = nil
		}
		if _, _, body := w.Do(t, "GET", path, "", more...); !strings.HasPrefix(body, want) && !strings.Contains(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestGeminiTokensAreCountedByItsChannelsOrEstimated(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"gemini": `{"totalTokens":3}`, "mock": `{"totalTokens":`} {
		w := world.Start(t, callers+"channels:\n"+channel("up", kind, "", "echo"))
		for _, body := range []string{
			`{"contents":[{"parts":[{"text":"one two three"}]}]}`,
			`{"generateContentRequest":{"model":"models/echo","contents":[{"parts":[{"text":"two three"}]}],"systemInstruction":{"parts":[{"text":"one"}]}}}`,
		} {
			status, _, got := w.Do(t, "POST", "/v1beta/models/echo:countTokens", body, "x-goog-api-key", key, "Content-Type", "application/json")
			if status != 200 || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %d %s", kind, status, got)
			}
		}
		if status, _, got := w.Do(t, "POST", "/v1beta/models/echo:countTokens", `{}`, "x-goog-api-key", key); status != 400 {
			t.Errorf("%d %s", status, got)
		}
		if n := w.Model.Requests(); n != 0 {
			t.Errorf("%d questions were answered", n)
		}
	}
}

// A Gemini 3 model refuses a call that comes back without its signature.
func TestASignatureOfACallGoesBackForClientsOfEveryDialect(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked = append(asked, r.URL.Path+" "+string(body))
		mu.Unlock()
		answer := `{"candidates":[{"content":{"parts":[{"functionCall":{"id":"fc_1","name":"look","args":{"at":"it"}},"thoughtSignature":"c2ln"}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"gemini-3-pro","responseId":"r-1"}`
		if strings.Contains(string(body), "functionResponse") {
			answer = `{"candidates":[{"content":{"parts":[{"text":"a cat"}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"gemini-3-pro","responseId":"r-2"}`
		}
		if strings.Contains(r.URL.RawQuery, "alt=sse") {
			_, _ = fmt.Fprintf(w, "data: %s\r\n\r\n", answer)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer up.Close()
	w := world.Start(t, callers+"channels:\n- {id: a, kind: gemini, url: "+up.URL+"/v1beta, keys: ["+channelKey+"], models: [{name: m, upstream: gemini-3-pro}]}\n")
	tools := map[string]string{
		"/v1/chat/completions": `"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}]`,
		"/v1/messages":         `"max_tokens":99,"tools":[{"name":"look","input_schema":{"type":"object"}}]`,
	}
	turns := map[string]string{
		"/v1/chat/completions": `,{"role":"assistant","tool_calls":[{"id":"fc_1","type":"function","function":{"name":"look","arguments":"{\"at\":\"it\"}"}}]},{"role":"tool","tool_call_id":"fc_1","content":"a cat"}`,
		"/v1/messages":         `,{"role":"assistant","content":[{"type":"tool_use","id":"fc_1","name":"look","input":{"at":"it"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"fc_1","content":"a cat"}]}`,
	}
	for path, tool := range tools {
		for _, stream := range []bool{false, true} {
			for _, more := range []string{"", turns[path]} {
				body := fmt.Sprintf(`{"model":"m","stream":%v,%s,"messages":[{"role":"user","content":"hi"}%s]}`, stream, tool, more)
				if status, _, text := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "Content-Type", "application/json"); status != 200 || (more == "") != strings.Contains(text, "fc_1") {
					t.Errorf("%s: %d %s", path, status, text)
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	signed := slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return !strings.Contains(s, `"thoughtSignature":"c2ln"`) })
	if len(asked) != 8 || len(signed) != 4 || !strings.Contains(asked[0], "/v1beta/models/gemini-3-pro:") {
		t.Errorf("%d of %d questions have the signature:\n%s", len(signed), len(asked), strings.Join(asked, "\n"))
	}
}
