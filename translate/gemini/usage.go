package gemini

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// usageOf reads the vendor's counts: thoughts are beside those of the candidates, and what tools of
// the vendor's read is beside those of the prompt (docs/rules/gemini.md 4).
func usageOf(v *fastjson.Value) (u translate.Usage) {
	var candidates, thoughts, tools int64
	o := v.GetObject()
	if o == nil {
		return u
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "promptTokenCount", "prompt_token_count":
			u.Input = translate.CountOf(v)
		case "candidatesTokenCount", "candidates_token_count", "responseTokenCount":
			candidates = translate.CountOf(v)
		case "thoughtsTokenCount", "thoughts_token_count":
			thoughts = translate.CountOf(v)
		case "toolUsePromptTokenCount", "tool_use_prompt_token_count":
			tools = translate.CountOf(v)
		case "cachedContentTokenCount", "cached_content_token_count":
			u.CacheRead = translate.CountOf(v)
		}
	})
	u.Input, u.Output, u.Reasoning = sum(u.Input, tools), sum(candidates, thoughts), thoughts
	return u
}

// sum adds two counts; what can be none stays none.
func sum(a, b int64) int64 {
	if a < 0 || b < 0 {
		return translate.NoCount
	}
	return a + b
}

// appendUsage appends the counts as a member, with a comma before it.
func appendUsage(dst []byte, u translate.Usage) []byte {
	dst = append(dst, `,"usageMetadata":{"promptTokenCount":`...)
	dst = jsonx.AppendInt(dst, u.Input)
	dst = append(dst, `,"candidatesTokenCount":`...)
	dst = jsonx.AppendInt(dst, max(0, u.Output-u.Reasoning))
	dst = append(dst, `,"totalTokenCount":`...)
	dst = jsonx.AppendInt(dst, u.Input+u.Output)
	if u.Reasoning > 0 {
		dst = append(dst, `,"thoughtsTokenCount":`...)
		dst = jsonx.AppendInt(dst, u.Reasoning)
	}
	if u.CacheRead > 0 {
		dst = append(dst, `,"cachedContentTokenCount":`...)
		dst = jsonx.AppendInt(dst, u.CacheRead)
	}
	return append(dst, '}')
}
