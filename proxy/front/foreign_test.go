package front_test

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// foreignBodies are bodies as their dialects have them, and where each is told to belong.
var foreignBodies = []struct{ member, body, to string }{
	{"messages", `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`, "POST /v1/chat/completions or POST /v1/messages"},
	{"input", `{"model":"echo","input":"hi"}`, "POST /v1/responses"},
	{"contents", geminiHi, "POST /v1beta/models/{model}:generateContent"},
	{"prompt", `{"model":"echo","prompt":"hi"}`, "POST /v1/completions"},
	{"message", `{"message":"hi","userId":"u"}`, "POST /api/chat"},
	{"message", `{"type":"chat","model":"echo","message":"hi"}`, "POST /api/chat"},
	{"query", `{"model":"echo","query":"q","documents":["a"]}`, "POST /v1/rerank"},
	{"chat_type", good("m"), "the WebSocket GET /ws/v1/chat"},
}

// takenAt are the members by which each path knows the bodies that it takes.
var takenAt = map[string]string{
	"/v1/chat/completions":                "messages",
	"/v1/messages":                        "messages",
	"/v1/messages/count_tokens":           "messages",
	"/v1/responses":                       "input prompt",
	"/v1beta/models/echo:generateContent": "contents",
	"/v1beta/models/echo:countTokens":     "contents",
	"/ollama/api/chat":                    "messages",
	"/ollama/api/generate":                "prompt",
	"/api/generate":                       "prompt",
	"/api/chat":                           "message messages", // those of Ollama
	"/api/chat/stream":                    "message",
	"/v1/embeddings":                      "input prompt query", // what a channel takes there, it knows
	"/v1/moderations":                     "input prompt query",
	"/v1/completions":                     "input prompt query",
	"/v1/images/generations":              "input prompt query",
	"/v1/rerank":                          "input prompt query",
	"/v1/audio/speech":                    "input prompt query",
}

func TestABodyOfAnotherDialectIsToldItsFront(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "mock", "", "echo"))
	for path, own := range takenAt {
		for _, f := range foreignBodies {
			if strings.Contains(" "+own+" ", " "+f.member+" ") {
				continue
			}
			want := "a body with " + f.member + " is for " + f.to
			switch ollamas := strings.HasPrefix(path, "/ollama") || path == "/api/generate"; {
			case ollamas && f.member == "messages":
				want = "is for POST /api/chat"
			case ollamas && f.member == "prompt":
				want = "is for POST /api/generate"
			case ollamas && f.member == "message":
				want = "is for the rest front's POST /api/chat"
			}
			status, _, body := w.Do(t, "POST", path, f.body, "Authorization", "Bearer "+key, "Content-Type", "application/json")
			if status != 400 || !strings.Contains(body, want) {
				t.Errorf("%s %s: %d %s", path, f.body, status, body)
			}
		}
	}
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	defer func() { _ = ws.Close() }()
	for _, f := range foreignBodies {
		if f.member == "chat_type" {
			continue
		}
		if answer := exchange(t, ws, f.body); !strings.Contains(answer, `"resp_code":40`) || !strings.Contains(answer, "is for "+f.to) {
			t.Errorf("iagent, %s: %s", f.body, answer)
		}
		if f.member == "message" {
			continue
		}
		c := world.NewChatnio(w, key, 0)
		c.SendText(t, `{"type":"ping"}`) // opens and signs in
		c.SendText(t, f.body)
		if r := c.Read().All(t); !r.Failed || !strings.Contains(r.Message+r.Text, "is for "+f.to) {
			t.Errorf("chatnio, %s: %s %s", f.body, r.Outcome(), r.Message)
		}
		c.Close(t)
	}
}

// A form may have its model behind all of its file.
func TestALongFormIsReadUpToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"openai: {max_upload: 64MiB}\nchannels:\n"+s.at("good", ""))
	sound := strings.Repeat("RIFF\x00\xff\r\n--", 4<<20) // 40 MiB
	for name, c := range map[string]struct {
		fields []string
		status int
		holds  string
	}{
		"the model behind it":        {[]string{"@file", sound, "model", "m"}, 200, "/audio/transcriptions"},
		"no model":                   {[]string{"@file", sound}, 400, "you must provide a model parameter"},
		"a model before and another": {[]string{"model", "m", "@file", sound, "model", "same"}, 400, "several fields model"},
		"a model of 3 KB":            {[]string{"@file", sound, "model", strings.Repeat("m", 3<<10)}, 400, "model must have at most 256 characters"},
		"a model that is not read":   {[]string{"model", strings.Repeat("m", 300<<10), "@file", sound}, 400, "model must have at most 256 characters"},
		"an empty model":             {[]string{"@file", sound, "model", ""}, 400, "you must provide a model parameter"},
	} {
		form, kind := formBody(c.fields...)
		status, _, body := w.Do(t, "POST", "/v1/audio/transcriptions", form, "Authorization", "Bearer "+key, "Content-Type", kind)
		if status != c.status || !strings.Contains(body, c.holds) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	want, _ := formBody("@file", sound, "model", "up-m")
	if all := s.asked(); len(all) != 1 || all[0].body != want {
		t.Errorf("the channel was asked %d times", len(all))
	}
	w.Eventually(t, "nothing is left on the disk", func() bool { return w.Front().UploadsHeld() == 0 && w.BodiesHeld() == 0 })
}
