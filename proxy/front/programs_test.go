package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// What popular client programs send, from end to end.

func TestASystemMessageAmidTheConversationReachesEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	const claude = `{"model":"%s","max_tokens":50,"stream":%v,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}]}`
	const chat = `{"model":"%s","stream":%v,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}]}`
	for _, kind := range kinds {
		stays := kind.name == "openai" || kind.name == "anthropic" || kind.name == "mock"
		want := "user: hi | system: Answer in French."
		switch {
		case kind.name == "rest" || kind.name == "iagent":
			want = "Answer in French." // folded into the message
		case !stays:
			want = "system: Answer in French. | user: hi"
		}
		w := world.Start(t, callers+"presets: {pre: {model: recall, system: Be brief.}}\nchannels:\n"+channel("up", kind.name, "", "recall"))
		for _, model := range []string{"recall", "pre"} {
			for _, stream := range []bool{false, true} {
				for path, body := range map[string]string{"/v1/messages": claude, "/v1/chat/completions": chat} {
					status, _, said := w.Do(t, "POST", path, fmt.Sprintf(body, model, stream), "Authorization", "Bearer "+key, "Content-Type", "application/json")
					if stream {
						said = pieces(said)
					}
					ordered := want
					if model == "pre" && stays {
						ordered = "system: Be brief. | " + want
					}
					if status != 200 || !strings.Contains(said, want) && !strings.Contains(said, ordered) || model == "pre" && !strings.Contains(said, "Be brief.") {
						t.Errorf("%s for %s on %s, stream %v: %d %s, want %s", path, model, kind.name, stream, status, said, want)
					}
				}
			}
		}
	}
}

// pieces are the texts of a stream, joined.
func pieces(stream string) string {
	var b strings.Builder
	for line := range strings.Lines(stream) {
		for _, name := range []string{`"text":"`, `"content":"`} {
			if _, rest, ok := strings.Cut(line, name); ok && strings.HasPrefix(line, "data: ") {
				text, _, _ := strings.Cut(rest, `"`)
				b.WriteString(text)
			}
		}
	}
	return b.String()
}
