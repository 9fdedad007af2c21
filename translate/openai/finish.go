package openai

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// finishFailed is what finishOf returns for a word that tells of a failure.
const finishFailed translate.Finish = 255

// finishes has the words that servers give as finish_reason, in lower case, with _
// for other separators. OpenAI's own are the first of each kind; the others are those
// of servers that speak its dialect and of the vendors behind them, whose words some
// pass on as they are: Anthropic, Google, Mistral, Cohere, DeepSeek, Zhipu, Moonshot,
// OpenRouter, Bedrock, vLLM, SGLang and TGI.
var finishes = map[string]translate.Finish{
	"stop": translate.FinishStop, "end_turn": translate.FinishStop, "stop_sequence": translate.FinishStop, "eos": translate.FinishStop,
	"eos_token": translate.FinishStop, "stop_token": translate.FinishStop, "end": translate.FinishStop, "complete": translate.FinishStop,
	"completed": translate.FinishStop, "finished": translate.FinishStop, "finish": translate.FinishStop, "done": translate.FinishStop, "normal": translate.FinishStop,
	"end_of_text": translate.FinishStop, "stop_limit": translate.FinishStop,

	"length": translate.FinishLength, "max_tokens": translate.FinishLength, "model_length": translate.FinishLength, "max_length": translate.FinishLength,
	"max_output_tokens": translate.FinishLength, "max_new_tokens": translate.FinishLength, "max_completion_tokens": translate.FinishLength,
	"token_limit": translate.FinishLength, "context_length": translate.FinishLength, "context_length_exceeded": translate.FinishLength,
	"context_window_exceeded": translate.FinishLength, "model_context_window_exceeded": translate.FinishLength, "truncated": translate.FinishLength,
	"incomplete": translate.FinishLength, "too_long": translate.FinishLength, "limit": translate.FinishLength,

	"tool_calls": translate.FinishTool, "function_call": translate.FinishTool, "tool_call": translate.FinishTool, "tool_use": translate.FinishTool,
	"function_calls": translate.FinishTool, "tool": translate.FinishTool, "tools": translate.FinishTool, "function": translate.FinishTool,

	"content_filter": translate.FinishFilter, "content_filtered": translate.FinishFilter, "sensitive": translate.FinishFilter, "safety": translate.FinishFilter,
	"recitation": translate.FinishFilter, "blocklist": translate.FinishFilter, "prohibited_content": translate.FinishFilter, "spii": translate.FinishFilter,
	"image_safety": translate.FinishFilter, "language": translate.FinishFilter, "model_armor": translate.FinishFilter, "refusal": translate.FinishFilter,
	"guardrail_intervened": translate.FinishFilter, "guardrails": translate.FinishFilter, "error_toxic": translate.FinishFilter,
	"moderation": translate.FinishFilter, "risk": translate.FinishFilter, "censored": translate.FinishFilter, "flagged": translate.FinishFilter,

	"error": finishFailed, "network_error": finishFailed, "insufficient_system_resource": finishFailed, "abort": finishFailed, "aborted": finishFailed,
	"cancel": finishFailed, "cancelled": finishFailed, "canceled": finishFailed, "user_cancel": finishFailed, "fail": finishFailed, "failed": finishFailed,
	"failure": finishFailed, "timeout": finishFailed, "time_limit": finishFailed, "malformed_function_call": finishFailed, "unexpected_tool_call": finishFailed,
	"too_many_tool_calls": finishFailed, "missing_thought_signature": finishFailed, "malformed_response": finishFailed, "other": finishFailed,
	"error_limit": finishFailed, "rate_limit": finishFailed, "overloaded": finishFailed, "preempted": finishFailed, "unknown": finishFailed,
	"no_image": finishFailed, "image_other": finishFailed, "unspecified": finishFailed,
}

// marks tell what a word means that finishes has not got. The first one that it holds
// counts.
var marks = [...]struct {
	part   string
	finish translate.Finish
}{
	{"filter", translate.FinishFilter}, {"safety", translate.FinishFilter}, {"sensitiv", translate.FinishFilter}, {"policy", translate.FinishFilter},
	{"prohibit", translate.FinishFilter}, {"block", translate.FinishFilter}, {"refus", translate.FinishFilter}, {"moderat", translate.FinishFilter},
	{"guardrail", translate.FinishFilter}, {"recitation", translate.FinishFilter}, {"toxic", translate.FinishFilter}, {"censor", translate.FinishFilter},
	{"error", finishFailed}, {"fail", finishFailed}, {"abort", finishFailed}, {"cancel", finishFailed}, {"timeout", finishFailed},
	{"timed_out", finishFailed}, {"exception", finishFailed}, {"interrupt", finishFailed}, {"overload", finishFailed}, {"unavailable", finishFailed},
	{"network", finishFailed}, {"resource", finishFailed}, {"disconnect", finishFailed}, {"malformed", finishFailed}, {"invalid", finishFailed}, {"rate_limit", finishFailed},
	{"length", translate.FinishLength}, {"max_", translate.FinishLength}, {"limit", translate.FinishLength}, {"exceed", translate.FinishLength},
	{"tool", translate.FinishTool}, {"function", translate.FinishTool},
}

// finishOf returns what a finish_reason means, finishFailed for one that tells of a
// failure. A word of which nothing is known is a stop: the server ended the answer in
// good order, and a word of its own is no sign that it did not.
func finishOf(reason []byte) translate.Finish {
	switch string(reason) { // nearly always
	case "stop":
		return translate.FinishStop
	case "length":
		return translate.FinishLength
	case "tool_calls":
		return translate.FinishTool
	}
	word := strings.NewReplacer("-", "_", " ", "_", ".", "_").Replace(strings.ToLower(string(bytes.TrimSpace(reason))))
	word = strings.TrimPrefix(word, "finish_reason_")
	if f, ok := finishes[word]; ok {
		return f
	}
	for _, m := range marks {
		if strings.Contains(word, m.part) {
			return m.finish
		}
	}
	return translate.FinishStop
}

// brokenOff is the failure that a finish_reason tells of.
func brokenOff(reason []byte) error {
	return translate.InBand(translate.Refusal{Code: string(reason), Message: "finish_reason " + string(reason)})
}

// failure returns what v, the value of a frame or a body, says in place of an answer;
// nil: it is one. data is its text.
func failure(v *fastjson.Value, data []byte) error {
	if !failed(v) {
		return nil
	}
	return translate.InBand(translate.RefusalFrom(data))
}

// failed reports whether v is an error instead of an answer: one in a member error,
// one by its type, or, where there is no answer beside them, words about one.
func failed(v *fastjson.Value) bool {
	if holds(v.Get("error"), 0) {
		return true
	}
	for _, key := range [...]string{"object", "type", "event"} {
		if string(v.GetStringBytes(key)) == "error" {
			return true
		}
	}
	if v.Get("choices") != nil || v.Get("usage") != nil {
		return false
	}
	if s := v.Get("success"); s != nil && s.Type() == fastjson.TypeFalse {
		return true
	}
	if holds(v.Get("errors"), 0) || holds(v.Get("detail"), 0) {
		return true
	}
	for _, key := range [...]string{"code", "error_code", "errcode", "status_code"} {
		if badCode(v.Get(key)) {
			return holdsOne(v, "message", "msg", "error_msg", "errmsg", "error_message")
		}
	}
	return false
}

// badCode reports whether v is a code that tells of a failure.
func badCode(v *fastjson.Value) bool {
	if !holds(v, 0) {
		return false
	}
	switch string(bytes.ToLower(v.GetStringBytes())) {
	case "0", "200", "ok", "success":
		return false
	}
	return v.GetInt() != 200
}

func holdsOne(v *fastjson.Value, keys ...string) bool {
	for _, key := range keys {
		if holds(v.Get(key), 0) {
			return true
		}
	}
	return false
}

// holds reports whether v says anything: it is not empty, zero or false, nor made of
// nothing else.
func holds(v *fastjson.Value, depth int) bool {
	if v == nil || depth > 4 {
		return v != nil
	}
	switch v.Type() {
	case fastjson.TypeNull, fastjson.TypeFalse:
		return false
	case fastjson.TypeString:
		return len(bytes.TrimSpace(v.GetStringBytes())) > 0
	case fastjson.TypeNumber:
		return v.GetFloat64() != 0
	case fastjson.TypeArray:
		for _, e := range v.GetArray() {
			if holds(e, depth+1) {
				return true
			}
		}
		return false
	case fastjson.TypeObject:
		any := false
		v.GetObject().Visit(func(_ []byte, e *fastjson.Value) { any = any || holds(e, depth+1) })
		return any
	}
	return true
}
