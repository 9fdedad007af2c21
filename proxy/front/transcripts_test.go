package front_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

var update = flag.Bool("update", false, "rewrite transcripts and the generated parts of the documents")

// failureScenario is one failure as the clients of all fronts see it. The model
// is "m" for the callers; what the channels call it is the script of what they do.
type failureScenario struct {
	name     string
	about    string
	channels string
	asks     int      // before the one that is shown
	whole    bool     // the HTTP fronts are asked for an answer in one piece
	leave    bool     // the client goes away after the first piece
	headers  []string // shown besides the usual ones
}

func failureScenarios() []failureScenario {
	ch := func(id, upstream, more string) string {
		return channel(id, "openai", more, "{name: m, upstream: "+upstream+"}")
	}
	return []failureScenario{
		{name: "second-channel-answers", about: "The first channel fails before any content; the second answers, and the client notices nothing.",
			channels: ch("a", "fail-500", "") + ch("b", "echo", "tier: 2")},
		{name: "breaker-opens", about: "The only channel has failed so often that it is not asked any more.",
			channels: ch("a", "fail-500", ""), asks: 3, whole: true},
		{name: "all-throttled", about: "Every channel says that it is throttled: the client is told the shortest wait.",
			channels: ch("a", "fail-429-retry-9", "") + ch("b", "fail-429-retry-7", "tier: 2"), whole: true},
		{name: "key-refused", about: "The channel's key is refused. That is no fault of the client's, whose own key is good.",
			channels: ch("a", "fail-401", ""), whole: true},
		{name: "question-refused", about: "The question is too long. No other channel is tried; openai, anthropic and gemini clients get the refusal as it came.",
			channels: ch("a", "context", "") + ch("b", "echo", "tier: 2"), whole: true},
		{name: "cut-after-content", about: "The channel breaks off in the middle: what was sent cannot be taken back, so nobody else is asked. An iagent client has got nothing yet, so others are.",
			channels: ch("a", "cut", "") + ch("b", "echo", "tier: 2")},
		{name: "empty-answer", about: "The channel ends well and says nothing.",
			channels: ch("a", "empty", "")},
		{name: "too-slow", about: "The channel says nothing within its time-out.",
			channels: ch("a", "hang", "timeouts: {first: 500ms, headers: 500ms}"), whole: true},
		{name: "client-leaves", about: "The client leaves after the first piece (iagent: before the answer): the channel is left too, and nothing counts against it.",
			channels: ch("a", "long-400-slow-20", ""), leave: true},
	}
}

// Each front of a transcript has a gateway of its own, so that breakers and
// conversations are fresh.
func TestEveryFailureLooksAsItsTranscriptShows(t *testing.T) {
	t.Parallel()
	for _, s := range failureScenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var sections []wiretest.Section
			for _, front := range frontNames() {
				sections = append(sections, s.play(t, front)...)
			}
			comment := s.about + "\n\"client >\" is what the client says, \"upstream <\" the model that each attempt asked for, \"client <\" what the client\ngets, and \"log\" the gateway's line about it. Ids and times are masked.\n\n-- channels --\n" + channelsOf(s.channels)
			compareFile(t, filepath.Join("testdata", "failures", s.name+".txtar"), wiretest.Format(comment, sections))
		})
	}
}

// channelsOf is the configuration without addresses and keys.
func channelsOf(text string) string {
	return regexp.MustCompile(`url: "[^"]*", keys: \[[^]]*\], `).ReplaceAllString(text, "")
}

func (s *failureScenario) play(t *testing.T, front string) []wiretest.Section {
	t.Helper()
	w := world.Start(t, callers+"channels:\n"+s.channels)
	for n := range s.asks {
		s.ask(t, w, front, n)
	}
	before := len(w.Model.Seen())
	asked, status, got := s.ask(t, w, front, s.asks)
	w.Eventually(t, "the exchange is logged", func() bool { return len(logged(w)) == s.asks+1 })
	if s.asks == 0 {
		w.Eventually(t, "the model has seen the question", func() bool { return len(w.Model.Seen()) > before })
	}
	var models []string
	for _, seen := range w.Model.Seen()[before:] {
		models = append(models, seen.Model)
	}
	if models == nil {
		models = []string{"(nothing is asked)"}
	}
	return []wiretest.Section{
		{Name: front + ": client >", Data: s.masked(asked)},
		{Name: front + ": upstream <", Data: strings.Join(models, "\n")},
		{Name: strings.TrimSpace(front + ": client < " + status), Data: strings.TrimSuffix(s.masked(got), "\n")},
		{Name: front + ": log", Data: logged(w)[s.asks]},
	}
}

func (s *failureScenario) ask(t *testing.T, w *world.World, front string, n int) (asked, status, got string) {
	t.Helper()
	switch front {
	case "openai":
		return s.http(t, w, front, "/v1/chat/completions", fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":%v}`, !s.whole))
	case "anthropic":
		return s.http(t, w, front, "/v1/messages", fmt.Sprintf(`{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}],"stream":%v}`, !s.whole))
	case "responses":
		return s.http(t, w, front, "/v1/responses", fmt.Sprintf(`{"model":"m","input":"hi","stream":%v,"store":false}`, !s.whole))
	case "gemini":
		path := "/v1beta/models/m:streamGenerateContent?alt=sse"
		if s.whole {
			path = "/v1beta/models/m:generateContent"
		}
		return s.http(t, w, front, path, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`)
	case "ollama":
		return s.http(t, w, front, "/ollama/api/chat", fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":%v}`, !s.whole))
	case "rest":
		path := "/api/chat/stream"
		if s.whole {
			path = "/api/chat"
		}
		return s.http(t, w, front, path, `{"message":"hi","userId":"u1","preset":"m"}`)
	case "chatnio":
		return s.socket(t, w, "/chat", `{"token":"`+key+`","id":-1}`, `{"type":"chat","message":"hi","model":"m"}`)
	case "iagent":
		return s.socket(t, w, "/ws/v1/chat?app_token="+key, `{"chat_type":1,"msg_id":"m-`+strconv.Itoa(n)+`","timestamp":1767225600000,"sender_type":1,"sender_id":"u1","receiver_id":"m","content_type":1,"content":"hi"}`)
	}
	t.Fatalf("nobody knows how a client of %s asks", front)
	return "", "", ""
}

func (s *failureScenario) http(t *testing.T, w *world.World, front, path, body string) (asked, status, got string) {
	t.Helper()
	asked = "POST " + path + "\n" + body
	if s.leave {
		return asked, "200", s.leaves(t, w, front)
	}
	code, head, text := w.Do(t, "POST", path, body, "Content-Type", "application/json", "Authorization", "Bearer "+key)
	return asked, strconv.Itoa(code), headOf(head, s.headers) + text
}

// leaves asks as a client that goes away after the first piece, which it returns.
func (s *failureScenario) leaves(t *testing.T, w *world.World, front string) string {
	t.Helper()
	at := slices.Index(frontNames(), front)
	turn := world.Fronts[at](w, key).Begin(t, world.Ask{Model: "m", Text: "hi", Stream: true})
	if !turn.Next(t) {
		t.Fatalf("no piece: %s", turn.Reply().Outcome())
	}
	turn.Leave()
	gone(t, w)
	return turn.Reply().Text + "(and the client closes the connection)"
}

func gone(t *testing.T, w *world.World) {
	t.Helper()
	w.Eventually(t, "the model was left", func() bool { return w.Model.Active() == 0 && w.Model.Left() == 1 })
}

func (s *failureScenario) socket(t *testing.T, w *world.World, path string, frames ...string) (asked, status, got string) {
	t.Helper()
	ws := w.Socket(t, path)
	defer func() { _ = ws.Close() }()
	for _, f := range frames {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
	asked = "GET " + path + "\n" + strings.Join(frames, "\n")
	if s.leave && path != "/chat" {
		w.Eventually(t, "the model is asked", func() bool { return w.Model.Requests() == 1 })
		_ = ws.Close()
		gone(t, w)
		return asked, "", "(the client closes the connection)"
	}
	for {
		_, msg, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got += strings.TrimSuffix(string(msg), "\n") + "\n"
		if s.leave && strings.Contains(got, "w0 ") {
			_ = ws.Close()
			gone(t, w)
			return asked, "", got + "(and the client closes the connection)"
		}
		if path != "/chat" || strings.Contains(string(msg), `"end":true`) {
			return asked, "", got
		}
	}
}

var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(chatcmpl-|msg_|conv_|req_|dg_|resp_|rs_|fc_)[0-9a-z]{26}`), "${1}ID"},
	{regexp.MustCompile(`"request_id":"[^"]*"`), `"request_id":"ID"`},
	{regexp.MustCompile(`"responseId":"[0-9a-z]{26}"`), `"responseId":"ID"`},
	{regexp.MustCompile(`"msg_id":"r-[0-9a-z]{26}"`), `"msg_id":"r-ID"`},
	{regexp.MustCompile(`"(created|created_at|timestamp)":\d+`), `"$1":TIME`},
	{regexp.MustCompile(`"created_at":"[^"]*Z"`), `"created_at":"TIME"`},
	{regexp.MustCompile(`"(total|prompt_eval|eval)_duration":\d+`), `"${1}_duration":NANOS`},
	{regexp.MustCompile(`the first is back in \d+ s`), "the first is back in N s"},
	{regexp.MustCompile(key), "sk-..."},
}

// waits are masked too where they depend on the clock.
var waits = regexp.MustCompile(`(Retry-After: |retry after |retryDelay":"|"retry_after":)\d+`)

func (s *failureScenario) masked(text string) string {
	if s.asks > 0 {
		text = waits.ReplaceAllString(text, "${1}N")
	}
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.with)
	}
	return text
}

var logWords = regexp.MustCompile(`(?:^| )((?:level|front|model|code|attempts|channel|failed_\w+\.code)=\S+)`)

// logged returns the lines of the exchanges, without what differs each time.
func logged(w *world.World) []string {
	var out []string
	for line := range strings.Lines(w.Log.String()) {
		if !strings.Contains(line, "msg=exchange") {
			continue
		}
		var words []string
		for _, m := range logWords.FindAllStringSubmatch(strings.TrimSpace(line), -1) {
			words = append(words, m[1])
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

// compareFile compares a generated file with what it should be, or rewrites it.
func compareFile(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs from line %d on:\ngot  %q\nwant %q", file, i+1, g[min(i, len(g)):min(i+1, len(g))], w[min(i, len(w)):min(i+1, len(w))])
		}
	}
}
