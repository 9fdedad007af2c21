package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
)

// vectors is the answer to a question for embeddings, with white space that shows whether it passes as it is.
const vectors = `{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]}],"model":"up-m","usage":{"prompt_tokens":8,"total_tokens":8}}` + "\n"

// shop is a back end of the endpoints beside chat. What it does with a question the first element of
// the path says.
type shop struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*wanted
}

// wanted is a question as it came.
type wanted struct {
	path, kind, body string
	trace            string
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) asked() []*wanted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, &wanted{r.URL.Path, r.Header.Get("Content-Type"), string(body), r.Header.Get("traceparent")})
	s.mu.Unlock()
	mood, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/v1")
	switch mood {
	case "lacks":
		http.NotFound(w, r)
	case "studio":
		_, _ = io.WriteString(w, `{"error":"Unexpected endpoint or method. (POST /v1`+path+`). Returning 200 anyway"}`)
	case "broken":
		w.WriteHeader(500)
	case "page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html>")
	case "refuses":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"error":{"message":"dimensions is too large","type":"invalid_request_error","param":"dimensions","code":"too_large"}}`)
	case "in-band":
		_, _ = io.WriteString(w, `{"error":{"message":"it broke","type":"server_error"}}`)
	case "cut":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, vectors[:40])
	case "half":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, vectors[:40]) // a good end of HTTP, and none of JSON
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><h1>http://10.1.2.3:99/internal nginx</h1></html>")
	case "long-html":
		_, _ = io.WriteString(w, "<html>http://10.1.2.3:99"+strings.Repeat(" ", 2<<20))
	case "prose", "long-prose", "prose-unlabelled", "prose-as-json", "prose-as-events":
		w.Header()["Content-Type"] = map[string][]string{"prose-unlabelled": nil, "prose-as-json": {"application/json"}, "prose-as-events": {asEvents}}[mood]
		if !strings.Contains(mood, "-as-") && mood != "prose-unlabelled" {
			w.Header().Set("Content-Type", "text/plain")
		}
		_, _ = io.WriteString(w, "upstream http://10.1.2.3:99 says it works"+strings.Repeat("!", map[string]int{"long-prose": 2 << 20}[mood]))
	case "no-label":
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "\n<head><title>http://10.1.2.3:99/internal nginx</title></head>")
	case "as-sound":
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "<?xml version=\"1.0\"?><Error>http://10.1.2.3:99/internal</Error>")
	case "fault", "fault-of-events", "fault-of-text":
		kind := map[string]string{"fault": "application/json", "fault-of-events": "text/event-stream", "fault-of-text": "text/plain"}[mood]
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, `{"error":{"message":"x http://10.1.2.3:99 x","type":"server_error"}}`)
	case "cut-unlabelled":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, `{"choices":[{"text":"http://10.1.2.3:99`)
	case "event-error", "event-mislabelled":
		w.Header().Set("Content-Type", map[string]string{"event-error": "text/event-stream", "event-mislabelled": "text/plain"}[mood])
		_, _ = io.WriteString(w, ": hi\n\nevent: error\ndata: {\"message\":\"x http://10.1.2.3:99 x\"}\n\n")
	case "data-error":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"x http://10.1.2.3:99 x\",\"type\":\"server_error\"}}\n\n")
	case "event-nothing":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": hi\n\ndata: [DONE]\n\n")
	case "untitled-events":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, completions)
	case "nothing":
	case "long", "long-cut":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, longVectors()[:len(longVectors())/2])
		if mood == "long-cut" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, longVectors()[len(longVectors())/2:])
	default:
		s.good(w, path, string(body))
	}
}

// longVectors is more than is held of an answer before it goes on.
func longVectors() string {
	return strings.Replace(vectors, "0.1,", strings.Repeat("0.123456789,", 300_000), 1)
}

func (s *shop) good(w http.ResponseWriter, path, body string) {
	h := w.Header()
	switch {
	case path == "/embeddings":
		h.Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, vectors)
	case path == "/audio/transcriptions" && strings.Contains(body, `name="response_format"`):
		h.Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "said\n")
	case path == "/audio/speech":
		h.Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "ID3\x00\xff\xfe")
	case path == "/completions" && strings.Contains(body, `"stream":true`):
		h.Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, completions)
	default:
		h.Set("Content-Type", "application/json; charset=x")
		_, _ = io.WriteString(w, `{"path":"`+path+`","usage":{"input_tokens":3,"output_tokens":4}}`)
	}
}

// completions is a streamed answer that nobody counts.
const completions = "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"a\",\"index\":0,\"finish_reason\":null}]}\n\n" +
	"data:  {\"id\":\"c\",\"choices\":[{\"text\":\"b\",\"index\":0,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

// at is a channel of that name in that mood.
func (s *shop) at(mood, more string) string {
	return fmt.Sprintf("  - {id: %s, kind: openai, url: \"%s/%s/v1\", keys: [%s], models: [{name: m, upstream: up-m}, same]%s}\n", mood, s.URL, mood, channelKey, more)
}

var asAlice = []string{"Authorization", "Bearer " + key, "Content-Type", "application/json"}

func TestAnEndpointBesideChatPassesThroughByteForByte(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"channels:\n"+s.at("good", ""))
	for _, c := range []struct{ path, body, sent, kind, answer string }{
		{"/v1/embeddings", `{ "input" : "hi", "model":"m","x":[1, 2]}`, `{ "input" : "hi", "model":"up-m","x":[1, 2]}`, "application/json", vectors},
		{"/v1/embeddings", `{"model":"same","input":[[1,2]]}`, `{"model":"same","input":[[1,2]]}`, "application/json", vectors},
		{"/v1/completions", `{"model":"m","prompt":"hi"}`, `{"model":"up-m","prompt":"hi"}`, "application/json; charset=x", ""},
		{"/v1/completions", `{"model":"m","prompt":"hi","stream":true}`, `{"model":"up-m","prompt":"hi","stream":true}`, "text/event-stream; charset=utf-8", completions},
		{"/v1/rerank", `{"model":"m","query":"q","documents":["a"]}`, `{"model":"up-m","query":"q","documents":["a"]}`, "application/json; charset=x", ""},
		{"/v1/images/generations", `{"model":"m","prompt":"p"}`, `{"model":"up-m","prompt":"p"}`, "application/json; charset=x", ""},
		{"/v1/audio/speech", `{"model":"m","input":"p"}`, `{"model":"up-m","input":"p"}`, "audio/mpeg", "ID3\x00\xff\xfe"},
		{"/v1/moderations", `{"model":"m","input":"p"}`, `{"model":"up-m","input":"p"}`, "application/json; charset=x", ""},
	} {
		status, h, body := w.Do(t, "POST", c.path, c.body, asAlice...)
		if c.answer == "" {
			c.answer = `{"path":"` + strings.TrimPrefix(c.path, "/v1") + `","usage":{"input_tokens":3,"output_tokens":4}}`
		}
		if status != 200 || body != c.answer || h.Get("Content-Type") != c.kind || h.Get("X-Dragoman-Channel") != "good" {
			t.Errorf("%s: %d %v %q", c.path, status, h, body)
		}
		all := s.asked()
		if last := all[len(all)-1]; last.body != c.sent || last.path != "/good"+c.path || last.kind != "application/json" {
			t.Errorf("%s: the channel was sent %+v", c.path, last)
		}
	}
	countedAs(t, w, []string{"8 0 false", "8 0 false", "3 4 false", "11 2 true", "3 4 false", "3 4 false", "7 0 true", "3 4 false"})
}

// countedAs compares what the ledger knows of the requests: tokens of the question and of the answer, and
// whether they are estimated.
func countedAs(t *testing.T, w *world.World, want []string) {
	t.Helper()
	all, err := w.Gateway.Entries(t.Context(), store.EntryFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		if e.Attempt == 0 {
			got = append([]string{fmt.Sprintf("%d %d %v", e.Input, e.Output, e.Estimated)}, got...)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the ledger says %v, want %v", got, want)
	}
}

func TestAModelThatAQuestionDoesNotNameIsTheEndpointsOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	at := func(upstream string) string {
		return fmt.Sprintf("channels: [{id: a, kind: openai, url: \"%s/good/v1\", keys: [%s], models: [{name: omni-moderation-latest, upstream: %s}]}]\n", s.URL, channelKey, upstream)
	}
	for upstream, want := range map[string]string{"omni-moderation-latest": ` {"input":"p"}`, "mine": ` {"model":"mine","input":"p"}`} {
		w := world.Start(t, callers+at(upstream))
		status, _, body := w.Do(t, "POST", "/v1/moderations", ` {"input":"p"}`, asAlice...)
		all := s.asked()
		if got := all[len(all)-1].body; status != 200 || got != want {
			t.Errorf("%d %s: %s", status, body, got)
		}
	}
}

func TestAnEndpointGoesToTheNextChannelWhereNothingOfAnAnswerIsOut(t *testing.T) {
	t.Parallel()
	for _, mood := range []string{"lacks", "studio", "broken", "page", "in-band", "cut", "half", "nothing"} {
		t.Run(mood, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			w := world.Start(t, callers+"channels:\n"+s.at(mood, ", tier: 1")+s.at("good", ", tier: 2"))
			for range 12 {
				status, h, body := w.Do(t, "POST", "/v1/embeddings", `{"model":"m","input":"hi"}`, asAlice...)
				if status != 200 || body != vectors || h.Get("X-Dragoman-Channel") != "good" {
					t.Fatalf("%d %v %q", status, h, body)
				}
			}
			state := w.Gateway.Channels()[0].Keys[0].Models[0].State
			if lacks := mood == "lacks" || mood == "studio"; lacks != (state == "ready") {
				t.Errorf("the channel is %s", state)
			}
		})
	}
}

func TestWhatNoChannelCanDoAtAnEndpointIsSaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"presets: {p: {model: m}}\nchannels:\n"+s.at("lacks", "")+"  - {id: mock, kind: mock, models: [echo]}\n"+
		strings.ReplaceAll(s.at("refuses", ""), "same", "r")+strings.ReplaceAll(strings.ReplaceAll(s.at("long-cut", ""), "name: m,", "name: n,"), "same", "c"))
	for _, c := range []struct {
		path, body string
		status     int
		holds      string
	}{
		{"/v1/embeddings", `{"model":"same","input":"hi"}`, 404, `"no channel of this model has the endpoint","type":"invalid_request_error","param":null,"code":"not_found"`},
		{"/v1/embeddings", `{"model":"echo","input":"hi"}`, 404, `"message":"/v1/embeddings takes a channel of kind openai, and this model has none"`},
		{"/v1/embeddings", `{"model":"r","input":"hi"}`, 400, `{"error":{"message":"dimensions is too large","type":"invalid_request_error","param":"dimensions","code":"too_large"}}`},
		{"/v1/embeddings", `{"model":"p","input":"hi"}`, 400, `a preset is for chats`},
		{"/v1/embeddings", `{"model":"none","input":"hi"}`, 404, `"code":"model_not_found"`},
		{"/v1/embeddings", `{"input":"hi"}`, 400, `"param":"model"`},
		{"/v1/embeddings", `{"model":"","input":"hi"}`, 400, `"param":"model"`},
		{"/v1/embeddings", `{"model":7,"input":"hi"}`, 400, `model has the wrong type`},
		{"/v1/embeddings", `{"model":"m","Model":"n","input":"hi"}`, 400, `must be there once`},
		{"/v1/embeddings", `{"model":"m","model":"n","input":"hi"}`, 400, `must be there once`},
		{"/v1/embeddings", `{"MODEL":"m","input":"hi"}`, 400, `must be there once`},
		{"/v1/embeddings", `{"model":"m","messages":[]}`, 400, `POST /v1/chat/completions`},
		{"/v1/embeddings", `{"model":"m"`, 400, `not valid JSON`},
		{"/v1/embeddings", ``, 400, `not valid JSON`},
		{"/v1/moderations", `{}`, 400, `"param":"model"`},
		{"/v1/files", `{}`, 404, `POST /v1/files is not served here; there are POST /v1/chat/completions, POST /v1/embeddings`},
		{"/v1/messages/batches", `{}`, 404, `POST /v1/messages/batches is not served here`},
	} {
		status, _, body := w.Do(t, "POST", c.path, c.body, asAlice...)
		if status != c.status || !strings.Contains(body, c.holds) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
	if status, _, body := w.Do(t, "POST", "/v1/embeddings", `{"model":"m","input":"hi"}`, "Authorization", "Bearer "+key, "Content-Type", "text/plain"); status != 415 {
		t.Errorf("text is answered %d %s", status, body)
	}
	if status, _, body := w.Do(t, "POST", "/v1/embeddings", `{"model":"m","input":"hi"}`); status != 401 {
		t.Errorf("nobody is answered %d %s", status, body)
	}
}

func TestALongAnswerOfAnEndpointGoesOnAsItComes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"channels:\n"+s.at("long", "")+strings.ReplaceAll(strings.ReplaceAll(s.at("long-cut", ""), "name: m,", "name: n,"), "same", "c"))
	status, h, body := w.Do(t, "POST", "/v1/embeddings", `{"model":"m","input":"hi"}`, asAlice...)
	if status != 200 || body != longVectors() || h.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v, %d bytes", status, h, len(body))
	}
	c := w.Dial(t)
	defer c.Close()
	const question = `{"model":"n","input":"hi"}`
	if _, err := fmt.Fprintf(c, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(question), question); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err == nil || len(got) == 0 || !strings.HasPrefix(longVectors(), string(got)) {
		t.Errorf("an answer that was cut ended with %v behind %d bytes", err, len(got))
	}
	countedAs(t, w, []string{"8 0 false", "7 0 true"})
}

// formBody is a body of multipart/form-data: names and values; a name that begins with @ is that of a file.
func formBody(fields ...string) (body, kind string) {
	var b strings.Builder
	const mark = "a-mark"
	for i := 0; i < len(fields); i += 2 {
		name, file := strings.CutPrefix(fields[i], "@")
		b.WriteString("--" + mark + "\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if file {
			b.WriteString("; filename=\"a.wav\"\r\nContent-Type: audio/wav")
		}
		b.WriteString("\r\n\r\n" + fields[i+1] + "\r\n")
	}
	return b.String() + "--" + mark + "--\r\n", "multipart/form-data; boundary=" + mark
}

func TestAFormPassesThroughWithTheModelWhereverItStands(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"channels:\n"+s.at("broken", ", tier: 1")+s.at("good", ", tier: 2"))
	for _, size := range []int{10, 100_000, 3 << 20} {
		sound := strings.Repeat("RIFF\x00\xff\r\n--", size/10)
		for _, path := range []string{"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"} {
			body, kind := formBody("prompt", "hi", "@file", sound, "model", "m")
			status, h, got := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "Content-Type", kind)
			if status != 200 || h.Get("Content-Type") != "application/json; charset=x" || !strings.Contains(got, strings.TrimPrefix(path, "/v1")) {
				t.Fatalf("%s of %d bytes: %d %v %s", path, size, status, h, got)
			}
			want, _ := formBody("prompt", "hi", "@file", sound, "model", "up-m")
			all := s.asked()
			if last := all[len(all)-1]; last.body != want || last.kind != kind || last.path != "/good"+path {
				t.Errorf("%s: the channel was sent %d bytes of %s to %s, want %d", path, len(last.body), last.kind, last.path, len(want))
			}
		}
	}
	body, kind := formBody("model", "m", "@file", "RIFF", "response_format", "text")
	if status, h, got := w.Do(t, "POST", "/v1/audio/transcriptions", body, "Authorization", "Bearer "+key, "Content-Type", kind); status != 200 || got != "said\n" || h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v %q", status, h, got)
	}
	w.Eventually(t, "nothing is left on the disk", func() bool { return w.Front().UploadsHeld() == 0 && w.BodiesHeld() == 0 })
}

func TestABadFormIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"openai: {max_upload: 2MiB}\nchannels:\n"+s.at("good", ""))
	const path = "/v1/audio/transcriptions"
	none, kind := formBody("@file", strings.Repeat("x", 1500<<10))
	twice, _ := formBody("model", "m", "@file", "x", "model", "m")
	unknown, _ := formBody("model", "none", "@file", "x")
	long, _ := formBody("model", "m", "@file", strings.Repeat("x", 3<<20))
	good, _ := formBody("model", "m", "@file", strings.Repeat("x", 1500<<10))
	for name, c := range map[string]struct {
		path, body, kind string
		status           int
		holds            string
	}{
		"no model":             {path, none, kind, 400, `"param":"model"`},
		"two models":           {path, twice, kind, 400, `several fields model`},
		"an unknown model":     {path, unknown, kind, 404, `model_not_found`},
		"too long":             {path, long, kind, 413, `request_too_large`},
		"half":                 {path, good[:len(good)-100], kind, 400, `no whole multipart/form-data`},
		"no boundary":          {path, good, "multipart/form-data", 400, `must name its boundary`},
		"JSON":                 {path, `{"model":"m"}`, "application/json", 415, `multipart/form-data`},
		"text":                 {path, `hi`, "text/plain", 415, `unsupported_media_type`},
		"nothing":              {path, ``, "", 415, `multipart/form-data`},
		"a form where none is": {"/v1/embeddings", good[:1000], kind, 415, `application/json`},
	} {
		status, _, body := w.Do(t, "POST", c.path, c.body, "Authorization", "Bearer "+key, "Content-Type", c.kind)
		if status != c.status || !strings.Contains(body, c.holds) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if n := len(s.asked()); n != 0 {
		t.Errorf("a channel was asked %d times", n)
	}
	// One whose client leaves in the middle.
	c := w.Dial(t)
	_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, key, kind, len(good), good[:1200<<10])
	_ = c.Close()
	w.Eventually(t, "nothing is left on the disk", func() bool { return w.Front().UploadsHeld() == 0 && w.BodiesHeld() == 0 })
}
