package proxy

import (
	"math"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
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
		q := &prompt{model: &Model{Preset: c.preset}, req: translate.Request{Messages: []translate.Message{translate.TextMessage(translate.RoleUser, c.text)}}}
		q.req.Params.MaxTokens = c.most
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
		spoken  []string
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
		q := &prompt{
			model: &Model{Preset: c.preset, Route: &routing.Route{Spoken: c.spoken}},
			req:   translate.Request{Dialect: "openai", Raw: c.raw, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "1234")}},
		}
		q.req.Params.MaxTokens, q.req.Params.Choices = c.most, c.choices
		if got := q.needs(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
