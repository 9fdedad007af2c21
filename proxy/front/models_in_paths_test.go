package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// The names that vendors give models hold slashes and colons, which clients write into paths as they
// are or escaped, and into bodies.
func TestAModelWithSlashesAndColonsIsFoundInEveryPath(t *testing.T) {
	t.Parallel()
	const name = "vendor/sub/echo:7b:free"
	w := world.Start(t, callers+"ollama: {listen: \"127.0.0.1:0\"}\nchannels:\n"+channel("up", "mock", "", "{name: \""+name+"\", upstream: echo}", "\"small:7b\""))
	escaped := strings.NewReplacer("/", "%2F", ":", "%3A").Replace
	for _, written := range []string{name, escaped(name), strings.ToLower(escaped(name)), strings.ReplaceAll(name, "/", "%2f")} {
		for _, c := range []struct{ method, path, body, holds string }{
			{"GET", "/v1/models/" + written, "", `"id":"` + name + `"`},
			{"HEAD", "/v1/models/" + written, "", ""},
			{"GET", "/v1beta/models/" + written, "", `"name":"models/` + name + `"`},
			{"POST", "/v1beta/models/" + written + ":generateContent", geminiHi, `you said \"hi\"`},
			{"POST", "/v1/models/" + written + ":generateContent", geminiHi, `you said \"hi\"`},
			{"POST", "/v1/models/" + written + "%3AgenerateContent", geminiHi, `you said \"hi\"`},
			{"POST", "/v1beta/models/" + written + ":countTokens", geminiHi, `"totalTokens"`},
			{"POST", "/v1/models/" + written + ":countTokens", geminiHi, `"totalTokens"`},
			{"POST", "/api/show", fmt.Sprintf(`{"model":%q}`, name), `"general.basename":"`},
			{"POST", "/api/generate", fmt.Sprintf(ollamaPrompt, name+":latest", false), `you said`},
			{"POST", "/ollama/api/chat", fmt.Sprintf(ollamaChat, name, false), `you said`},
			{"GET", "/api/tags", "", `"model":"` + name + `"`},
		} {
			status, _, body := w.Do(t, c.method, c.path, c.body, "Authorization", "Bearer "+key, "Content-Type", "application/json")
			if status != 200 || !strings.Contains(body, c.holds) {
				t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
			}
		}
		status, _, body := w.Do(t, "GET", "/v1/models/"+written, "", "x-api-key", key, "anthropic-version", "2023-06-01")
		if status != 200 || !strings.Contains(body, `"type":"model","id":"`+name+`"`) && !strings.Contains(body, `"id":"`+name+`"`) {
			t.Errorf("%s of the anthropic front: %d %s", written, status, body)
		}
	}
	// None of these is another name for one that is there.
	for path, status := range map[string]int{
		"/v1/models/vendor/sub":                      404,
		"/v1/models/vendor%252Fsub%252Fecho:7b:free": 404,
		"/v1/models/echo:7b:free":                    404,
		"/v1beta/models/vendor/sub/echo:7b":          404,
		"/v1beta/models/small":                       404,
		"/v1/models/..%2Fmodels":                     404,
		"/v1/models/small:7b:generateContent":        404,
	} {
		if got, _, body := w.Do(t, "GET", path, "", "Authorization", "Bearer "+key); got != status {
			t.Errorf("%s: %d %s", path, got, body)
		}
	}
	for path, holds := range map[string]string{
		"/v1/models/small:7b":         "not", // a question without a verb
		"/v1beta/models/small:7b":     ":countTokens",
		"/v1/models/small:7b:nothing": ":countTokens",
		"/v1/models/:generateContent": "not",
	} {
		if got, _, body := w.Do(t, "POST", path, geminiHi, "Authorization", "Bearer "+key); got != 404 && got != 405 || !strings.Contains(body, holds) {
			t.Errorf("%s: %d %s", path, got, body)
		}
	}
}
