package proxy

import (
	"math"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTheEstimateIsThePromptAndTheLongestAnswer(t *testing.T) {
	t.Parallel()
	ten, huge, negative := 10, math.MaxInt, -5
	preset := &config.Preset{System: "12345678", MaxTokens: &ten}
	for _, c := range []struct {
		name   string
		text   string
		most   *int
		preset *config.Preset
		want   int
	}{
		{"nothing said", "12345", nil, nil, 2 + 1000},
		{"by the client", "12345", &ten, nil, 2 + 10},
		{"by the preset", "1234", nil, preset, 3 + 10},
		{"too large to count", "1234", &huge, nil, 1 + math.MaxInt32},
		{"nonsense", "1234", &negative, preset, 3},
	} {
		q := &Question{Model: &Model{preset: c.preset}, Request: &translate.Request{Messages: []translate.Message{translate.TextMessage(translate.RoleUser, c.text)}}}
		q.Request.Params.MaxTokens = c.most
		if got := q.needs(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTheEstimateCountsEachChoiceThatCanBeAnswered(t *testing.T) {
	t.Parallel()
	ten, huge := 10, math.MaxInt
	for _, c := range []struct {
		name    string
		choices int
		most    *int
		raw     []byte
		preset  *config.Preset
		kinds   []string
		want    int
	}{
		{"not said", 0, &ten, []byte("{}"), nil, []string{"openai"}, 1 + 10},
		{"one", 1, &ten, []byte("{}"), nil, []string{"openai"}, 1 + 10},
		{"passed on", 3, &ten, []byte("{}"), nil, []string{"anthropic", "openai"}, 1 + 30},
		{"as long as it may be", 3, nil, []byte("{}"), nil, []string{"openai"}, 1 + 3000},
		{"too many to count", 128, &huge, []byte("{}"), nil, []string{"openai"}, 1 + math.MaxInt32},
		{"no channel of the dialect", 3, &ten, []byte("{}"), nil, []string{"anthropic"}, 1 + 10},
		{"a preset", 3, &ten, []byte("{}"), &config.Preset{}, []string{"openai"}, 1 + 10},
		{"not to be passed on as it is", 3, &ten, nil, nil, []string{"openai"}, 1 + 10},
	} {
		q := &Question{
			Model:   &Model{preset: c.preset, route: &route{kinds: c.kinds}},
			Request: &translate.Request{Dialect: "openai", Raw: c.raw, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "1234")}},
		}
		q.Request.Params.MaxTokens, q.Request.Params.Choices = c.most, c.choices
		if got := q.needs(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestEverythingThatIsSentCounts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 4000)
	user := func(parts ...translate.Part) []translate.Message {
		return []translate.Message{{Role: translate.RoleUser, Parts: parts}}
	}
	for _, c := range []struct {
		name string
		r    translate.Request
		want int
	}{
		{"a tool", translate.Request{Tools: []translate.Tool{{Name: long, Description: long, Schema: []byte(long)}}}, 3000},
		{"a choice of tools", translate.Request{ToolChoice: translate.ToolChoice{Name: long}}, 1000},
		{"a format", translate.Request{Params: translate.Params{ResponseFormat: []byte(long)}}, 1000},
		{"where to stop", translate.Request{Params: translate.Params{Stop: []string{long, long}}}, 2000},
		{"a speaker", translate.Request{Messages: []translate.Message{{Name: long}}}, 1000},
		{"a call", translate.Request{Messages: user(translate.Part{Kind: translate.PartToolCall, Name: long, Args: long})}, 2000},
		{"a result", translate.Request{Messages: user(translate.Part{Kind: translate.PartToolResult, ID: long, Text: long})}, 2000},
		{"thinking", translate.Request{Messages: user(translate.Part{Kind: translate.PartReasoning, Text: long, Signature: long})}, 2000},
		{"an image", translate.Request{Messages: user(translate.Part{Kind: translate.PartImage, Data: long})}, imageTokens},
		{"an image elsewhere", translate.Request{Messages: user(translate.Part{Kind: translate.PartImage, URL: long})}, imageTokens + 1000},
		{"a picture of iagent", translate.Request{Messages: user(translate.Part{Kind: translate.PartMedia, MediaType: "image", Text: "1234"})}, imageTokens + 1},
		{"a voice", translate.Request{Messages: user(translate.Part{Kind: translate.PartMedia, MediaType: "voice", Text: "1234"})}, audioTokens + 1},
		{"a video", translate.Request{Messages: user(translate.Part{Kind: translate.PartMedia, MediaType: "video", Text: "1234"})}, videoTokens + 1},
		{"nothing, often", translate.Request{Messages: make([]translate.Message, 4000)}, 1000},
	} {
		if got := tokensOf(sentBytes(&c.r)); got != c.want {
			t.Errorf("%s: %d tokens, want %d", c.name, got, c.want)
		}
	}
}

func TestABodyThatIsPassedOnCountsWhereItHoldsMoreThanIsKnownOfIt(t *testing.T) {
	t.Parallel()
	text := translate.TextMessage(translate.RoleUser, strings.Repeat("a", 400))
	data := strings.Repeat("A", 100_000)
	sound, file := translate.Part{Kind: translate.PartAudio, Data: data}, translate.Part{Kind: translate.PartDocument, Data: data}
	of := func(parts ...translate.Part) translate.Message {
		return translate.Message{Role: translate.RoleUser, Parts: append(parts, text.Parts...)}
	}
	image := translate.Message{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartImage, Data: strings.Repeat("A", 100_000)}}}
	for _, c := range []struct {
		name string
		raw  int
		m    translate.Message
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
		r := translate.Request{Raw: make([]byte, c.raw), Messages: []translate.Message{c.m}}
		if got := tokensOf(passedBytes(&r)); got != c.want {
			t.Errorf("%s: %d tokens, want %d", c.name, got, c.want)
		}
	}
}
