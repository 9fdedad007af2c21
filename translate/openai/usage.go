package openai

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// usageIn finds the counts of a frame or a body: OpenAI has them at the top, Moonshot
// in the choice, Groq in x_groq, llama.cpp in timings as well, Ollama in members of
// their own. odd says that there are members to look for. ok is false where there are no counts.
func usageIn(v *fastjson.Value, choices []*fastjson.Value, odd bool) (u translate.Usage, ok bool) {
	if u, ok = readUsage(v.Get("usage")); ok && said(u) {
		return u, true
	}
	for _, c := range choices {
		if !oddChoice(c) {
			continue
		}
		for _, at := range [...]*fastjson.Value{c.Get("usage"), c.Get("delta", "usage"), c.Get("message", "usage")} {
			if other, found := readUsage(at); found && said(other) {
				return other, true
			}
		}
	}
	if !odd {
		return u, ok
	}
	for _, at := range [...]*fastjson.Value{v.Get("x_groq", "usage"), v.Get("meta", "usage"), v.Get("metadata", "usage"), v.Get("usageMetadata"), v.Get("usage_metadata")} {
		if other, found := readUsage(at); found && said(other) {
			return other, true
		}
	}
	if ok {
		return u, true
	}
	if t := v.Get("timings"); t != nil {
		u.CacheRead = translate.CountOf(t.Get("cache_n"))
		u.Input, u.Output = sum(translate.CountOf(t.Get("prompt_n")), u.CacheRead), translate.CountOf(t.Get("predicted_n"))
	} else if n := v.Get("eval_count"); n != nil {
		u.Input, u.Output = translate.CountOf(v.Get("prompt_eval_count")), translate.CountOf(n)
	}
	return u, said(u)
}

// said reports whether anything was counted, or claimed to be.
func said(u translate.Usage) bool { return u != translate.Usage{} }

// sum adds two counts; what can be none stays none.
func sum(a, b int64) int64 {
	if a < 0 || b < 0 {
		return translate.NoCount
	}
	return a + b
}

// countIn returns the first count that is not 0 among the members at paths.
func countIn(v *fastjson.Value, paths ...[]string) int64 {
	for _, path := range paths {
		if n := translate.CountOf(v.Get(path...)); n != 0 {
			return n
		}
	}
	return 0
}

var (
	inputPaths     = [][]string{{"prompt_tokens"}, {"promptTokens"}, {"promptTokenCount"}, {"prompt_token_count"}}
	outputPaths    = [][]string{{"completion_tokens"}, {"output_tokens"}, {"completionTokens"}, {"outputTokens"}, {"candidatesTokenCount"}, {"candidates_token_count"}}
	cacheReadPaths = [][]string{
		{"prompt_tokens_details", "cached_tokens"}, {"prompt_cache_hit_tokens"}, {"cached_tokens"}, {"input_tokens_details", "cached_tokens"},
		{"cache_read_input_tokens"}, {"num_cached_tokens"}, {"cachedContentTokenCount"}, {"cached_content_token_count"},
	}
	cacheWritePaths = [][]string{
		{"cache_creation_input_tokens"}, {"prompt_tokens_details", "cache_write_tokens"}, {"prompt_tokens_details", "cache_creation_tokens"},
		{"prompt_tokens_details", "cache_creation_input_tokens"},
	}
	reasoningPaths = [][]string{
		{"completion_tokens_details", "reasoning_tokens"}, {"output_tokens_details", "reasoning_tokens"}, {"reasoning_tokens"}, {"thoughtsTokenCount"},
	}
)

// readUsage reads the counts under all names that servers have for them; ok is false
// where there are none.
func readUsage(v *fastjson.Value) (u translate.Usage, ok bool) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return u, false
	}
	if u, ok = ownUsage(v); ok {
		return u, true
	}
	for _, key := range [...]string{"tokens", "billed_units"} {
		if inner := v.Get(key); inner != nil && inner.Type() == fastjson.TypeObject {
			v = inner // Cohere's
			break
		}
	}
	u.Input, u.Output = countIn(v, inputPaths...), countIn(v, outputPaths...)
	u.CacheRead, u.CacheWrite = countIn(v, cacheReadPaths...), countIn(v, cacheWritePaths...)
	u.Reasoning = countIn(v, reasoningPaths...)
	if u.Input == 0 {
		u.Input = countIn(v, []string{"input_tokens"}, []string{"inputTokens"})
		if u.Input > 0 && v.Get("input_tokens_details") == nil && v.Get("cache_read_input_tokens") != nil {
			u.Input = sum(sum(u.Input, u.CacheRead), u.CacheWrite) // Anthropic's counts leave those out
		}
	}
	if total := countIn(v, []string{"total_tokens"}, []string{"totalTokens"}); total > 0 {
		switch {
		case u.Output == 0 && u.Input > 0 && total > u.Input && v.Get("completion_tokens") == nil:
			u.Output = total - u.Input
		case u.Input == 0 && u.Output > 0 && total > u.Output && v.Get("prompt_tokens") == nil:
			u.Input = total - u.Output
		}
	}
	return u, true
}

// ownUsage reads counts under OpenAI's own names, as nearly all servers send them. ok is
// false where there is more to look for: another member, or a count that is missing.
func ownUsage(v *fastjson.Value) (u translate.Usage, ok bool) {
	o := v.GetObject()
	input, output := o.Get("prompt_tokens"), o.Get("completion_tokens")
	if input == nil || output == nil {
		return u, false
	}
	known := 2
	for _, name := range [...]string{"total_tokens", "prompt_tokens_details", "completion_tokens_details"} {
		if known == o.Len() {
			break
		}
		at := o.Get(name)
		if at == nil {
			continue
		}
		switch known++; name {
		case "prompt_tokens_details":
			u.CacheRead = translate.CountOf(at.Get("cached_tokens"))
			u.CacheWrite = countIn(v, cacheWritePaths...)
		case "completion_tokens_details":
			u.Reasoning = translate.CountOf(at.Get("reasoning_tokens"))
		}
	}
	u.Input, u.Output = translate.CountOf(input), translate.CountOf(output)
	if known != o.Len() || u.Input == 0 || u.Output == 0 {
		return translate.Usage{}, false
	}
	return u, true
}
