package rest

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/internal/sse"
)

// framings writes events in every way that docs/rules/rest.md 4.3 knows:
// apart, with each end of a line, with comments between, and as the documentation's
// sample has them, without blank lines.
var framings = map[string]func(events []string) string{
	"apart":           func(e []string) string { return "data: " + strings.Join(e, "\n\ndata: ") + "\n\n" },
	"CR LF, BOM":      func(e []string) string { return "\ufeffdata: " + strings.Join(e, "\r\n\r\ndata: ") + "\r\n\r\n" },
	"CR":              func(e []string) string { return "data: " + strings.Join(e, "\r\rdata: ") + "\r\r" },
	"no space":        func(e []string) string { return "data:" + strings.Join(e, "\n\ndata:") + "\n\n" },
	"joined":          func(e []string) string { return "data: " + strings.Join(e, "\ndata: ") + "\n\n" },
	"joined, cut off": func(e []string) string { return "data: " + strings.Join(e, "\ndata: ") },
	"no last blank":   func(e []string) string { return "data: " + strings.Join(e, "\n\ndata: ") + "\n" },
	"comments, names, ids": func(e []string) string {
		return ": hi\n\nevent: ping\ndata: {}\n\nid: 7\nretry: 5\ndata: " + strings.Join(e, "\n\n: keep-alive\n\nid: 8\ndata: ") + "\n\n"
	},
}

// vocabularies are those of docs/rules/rest.md 4.2, all of which say the same.
var vocabularies = map[string][]string{
	"English":  {`{"type":"start","conversationId":"c"}`, `{"type":"content","text":"ключ 😀"}`, `{"type":"content","text":"\n\ud83d\ude00"}`, `{"type":"end","usage":{}}`},
	"Chinese":  {`{"type":"content","data":"ключ 😀"}`, `{"type":"tool_call","data":{}}`, `{"type":"content","data":"\n\ud83d\ude00"}`, `{"type":"done","data":{"usage":{}}}`},
	"November": {`{"content":"ключ 😀"}`, `{"content":"\n\ud83d\ude00"}`, `[DONE]`},
}

// heard is what a decoder makes of stream that arrives in two reads.
func heard(t *testing.T, stream string, cut int) string {
	t.Helper()
	var s sse.Scanner
	var frames [][]byte
	drain := func() {
		for {
			ev, ok, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			if ev.Data != nil {
				frames = append(frames, append([]byte(nil), ev.Data...))
			}
		}
	}
	for _, read := range []string{stream[:cut], stream[cut:]} {
		s.Wrote(copy(s.Room(max(len(read), 1)), read))
		drain()
	}
	s.End()
	drain()
	return codectest.Replay(Dialect.NewDecoder(nil), frames...)
}

func TestEveryVocabularyInEveryFramingIsReadAlikeCutAtEveryByte(t *testing.T) {
	t.Parallel()
	for said, events := range vocabularies {
		for framed, frame := range framings {
			t.Run(said+" "+framed, func(t *testing.T) {
				t.Parallel()
				stream := frame(events)
				for cut := range len(stream) + 1 {
					got := heard(t, stream, cut)
					if !strings.Contains(got, `text "ключ 😀"`) || !strings.Contains(got, `text "\n😀"`) || !strings.HasSuffix(got, "finish stop\ndone\n") && !strings.Contains(got, "\nfinish stop") {
						t.Fatalf("cut at %d of %q:\n%s", cut, stream, got)
					}
				}
			})
		}
	}
}
