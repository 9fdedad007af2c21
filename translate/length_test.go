package translate

import (
	"strings"
	"testing"
)

func TestEverythingThatIsSentCounts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 4000)
	user := func(parts ...Part) []Message {
		return []Message{{Role: RoleUser, Parts: parts}}
	}
	for _, c := range []struct {
		name string
		r    Request
		want int
	}{
		{"a tool", Request{Tools: []Tool{{Name: long, Description: long, Schema: []byte(long)}}}, 3000},
		{"a choice of tools", Request{ToolChoice: ToolChoice{Name: long}}, 1000},
		{"a format", Request{Params: Params{ResponseFormat: []byte(long)}}, 1000},
		{"where to stop", Request{Params: Params{Stop: []string{long, long}}}, 2000},
		{"a speaker", Request{Messages: []Message{{Name: long}}}, 1000},
		{"a call", Request{Messages: user(Part{Kind: PartToolCall, Name: long, Args: long})}, 2000},
		{"a result", Request{Messages: user(Part{Kind: PartToolResult, ID: long, Text: long})}, 2000},
		{"thinking", Request{Messages: user(Part{Kind: PartReasoning, Text: long, Signature: long})}, 2000},
		{"an image", Request{Messages: user(Part{Kind: PartImage, Data: long})}, imageTokens},
		{"an image elsewhere", Request{Messages: user(Part{Kind: PartImage, URL: long})}, imageTokens + 1000},
		{"a picture of iagent", Request{Messages: user(Part{Kind: PartMedia, MediaType: "image", Text: "1234"})}, imageTokens + 1},
		{"a voice", Request{Messages: user(Part{Kind: PartMedia, MediaType: "voice", Text: "1234"})}, audioTokens + 1},
		{"a video", Request{Messages: user(Part{Kind: PartMedia, MediaType: "video", Text: "1234"})}, videoTokens + 1},
		{"nothing, often", Request{Messages: make([]Message, 4000)}, 1000},
	} {
		if got := Tokens(c.r.Length()); got != c.want {
			t.Errorf("%s: %d tokens, want %d", c.name, got, c.want)
		}
	}
}

func TestABodyThatIsPassedOnCountsWhereItHoldsMoreThanIsKnownOfIt(t *testing.T) {
	t.Parallel()
	text := TextMessage(RoleUser, strings.Repeat("a", 400))
	data := strings.Repeat("A", 100_000)
	sound, file := Part{Kind: PartAudio, Data: data}, Part{Kind: PartDocument, Data: data}
	of := func(parts ...Part) Message {
		return Message{Role: RoleUser, Parts: append(parts, text.Parts...)}
	}
	image := Message{Role: RoleUser, Parts: []Part{{Kind: PartImage, Data: strings.Repeat("A", 100_000)}}}
	for _, c := range []struct {
		name string
		raw  int
		m    Message
		want int
	}{
		{"as JSON writes it", 700, text, 100},
		{"with escapes", 1800, text, 100},
		{"with more", 4000, text, 1000},
		{"an image", 100_200, image, imageTokens},
		{"an image and more", 200_000, image, imageTokens + 25_000},
		{"a sound", 100_700, of(sound), audioTokens + 100},
		{"two files", 200_700, of(file, file), 2*documentTokens + 100},
	} {
		r := Request{Raw: make([]byte, c.raw), Messages: []Message{c.m}}
		if got := Tokens(r.PassedLength()); got != c.want {
			t.Errorf("%s: %d tokens, want %d", c.name, got, c.want)
		}
	}
}
