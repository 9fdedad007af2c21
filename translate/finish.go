package translate

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"
)

// finishFailed stands for a word that tells of a failure.
const finishFailed Finish = 255

// finishes has the words that servers give as finish_reason, in lower case, with _
// for other separators. OpenAI's own are the first of each kind; the others are those
// of servers that speak its dialect and of the vendors behind them, whose words some
// pass on as they are: Anthropic, Google, Mistral, Cohere, DeepSeek, Zhipu, Moonshot,
// OpenRouter, Bedrock, vLLM, SGLang and TGI.
var finishes = map[string]Finish{
	"stop": FinishStop, "end_turn": FinishStop, "stop_sequence": FinishStop, "eos": FinishStop,
	"eos_token": FinishStop, "stop_token": FinishStop, "end": FinishStop, "complete": FinishStop,
	"completed": FinishStop, "finished": FinishStop, "finish": FinishStop, "done": FinishStop, "normal": FinishStop,
	"end_of_text": FinishStop, "stop_limit": FinishStop,

	"length": FinishLength, "max_tokens": FinishLength, "model_length": FinishLength, "max_length": FinishLength,
	"max_output_tokens": FinishLength, "max_new_tokens": FinishLength, "max_completion_tokens": FinishLength,
	"token_limit": FinishLength, "context_length": FinishLength, "context_length_exceeded": FinishLength,
	"context_window_exceeded": FinishLength, "model_context_window_exceeded": FinishLength, "truncated": FinishLength,
	"incomplete": FinishLength, "too_long": FinishLength, "limit": FinishLength,

	"tool_calls": FinishTool, "function_call": FinishTool, "tool_call": FinishTool, "tool_use": FinishTool,
	"function_calls": FinishTool, "tool": FinishTool, "tools": FinishTool, "function": FinishTool,

	"content_filter": FinishFilter, "content_filtered": FinishFilter, "sensitive": FinishFilter, "safety": FinishFilter,
	"recitation": FinishFilter, "blocklist": FinishFilter, "prohibited_content": FinishFilter, "spii": FinishFilter,
	"image_safety": FinishFilter, "language": FinishFilter, "model_armor": FinishFilter, "refusal": FinishFilter,
	"guardrail_intervened": FinishFilter, "guardrails": FinishFilter, "error_toxic": FinishFilter,
	"moderation": FinishFilter, "risk": FinishFilter, "censored": FinishFilter, "flagged": FinishFilter,

	"error": finishFailed, "network_error": finishFailed, "insufficient_system_resource": finishFailed, "abort": finishFailed, "aborted": finishFailed,
	"cancel": finishFailed, "cancelled": finishFailed, "canceled": finishFailed, "user_cancel": finishFailed, "fail": finishFailed, "failed": finishFailed,
	"failure": finishFailed, "timeout": finishFailed, "time_limit": finishFailed, "malformed_function_call": finishFailed, "unexpected_tool_call": finishFailed,
	"too_many_tool_calls": finishFailed, "missing_thought_signature": finishFailed, "malformed_response": finishFailed, "other": finishFailed,
	"error_limit": finishFailed, "rate_limit": finishFailed, "overloaded": finishFailed, "preempted": finishFailed, "unknown": finishFailed,
	"no_image": finishFailed, "image_other": finishFailed, "unspecified": finishFailed,
}

// finishParts tell what a word means that finishes has not got. The first one that it holds
// counts.
var finishParts = [...]struct {
	part   string
	finish Finish
}{
	{"filter", FinishFilter}, {"safety", FinishFilter}, {"sensitiv", FinishFilter}, {"policy", FinishFilter},
	{"prohibit", FinishFilter}, {"block", FinishFilter}, {"refus", FinishFilter}, {"moderat", FinishFilter},
	{"guardrail", FinishFilter}, {"recitation", FinishFilter}, {"toxic", FinishFilter}, {"censor", FinishFilter},
	{"error", finishFailed}, {"fail", finishFailed}, {"abort", finishFailed}, {"cancel", finishFailed}, {"timeout", finishFailed},
	{"timed_out", finishFailed}, {"exception", finishFailed}, {"interrupt", finishFailed}, {"overload", finishFailed}, {"unavailable", finishFailed},
	{"network", finishFailed}, {"resource", finishFailed}, {"disconnect", finishFailed}, {"malformed", finishFailed}, {"invalid", finishFailed}, {"rate_limit", finishFailed},
	{"quota", finishFailed}, {"balance", finishFailed}, {"throttl", finishFailed}, {"truncat", FinishLength},
	{"length", FinishLength}, {"max_", FinishLength}, {"limit", FinishLength}, {"exceed", FinishLength},
	{"tool", FinishTool}, {"function", FinishTool},
}

// FinishOf returns what a word means that a server gives as the reason of an answer's end,
// and whether it tells of a failure, not of an end. A word of which nothing is known is a stop: the server
// ended the answer in good order, and a word of its own is no sign that it did not.
func FinishOf(reason []byte) (f Finish, failed bool) {
	word := strings.NewReplacer("-", "_", " ", "_", ".", "_").Replace(strings.ToLower(string(bytes.TrimSpace(reason))))
	word = strings.TrimPrefix(word, "finish_reason_")
	if f, ok := finishes[word]; ok {
		return f, f == finishFailed
	}
	for _, m := range finishParts {
		if strings.Contains(word, m.part) {
			return m.finish, m.finish == finishFailed
		}
	}
	return FinishStop, false
}

// Failed reports whether v is an error instead of an answer, or of a piece of one: one in a
// member error, one by its type, or, where none of the members called answer is beside them,
// words about one.
func Failed(v *fastjson.Value, answer ...string) bool {
	if holds(v.Get("error"), 0) {
		return true
	}
	for _, key := range [...]string{"object", "type", "event"} {
		if string(v.GetStringBytes(key)) == "error" {
			return true
		}
	}
	if badCode(v.Get("base_resp", "status_code")) || badCode(v.Get("header", "code")) {
		return true // MiniMax's, Spark's: also beside an answer
	}
	for _, key := range answer {
		if e := v.Get(key); e != nil && e.Type() != fastjson.TypeNull {
			return false
		}
	}
	if s := v.Get("success"); s != nil && s.Type() == fastjson.TypeFalse {
		return true
	}
	for _, key := range [...]string{"errors", "detail", "Error", "exception", "fault"} {
		if holds(v.Get(key), 0) {
			return true
		}
	}
	if holds(v.Get("Response", "Error"), 0) {
		return true
	}
	return badStatus(v.Get("status")) || failedCode(v)
}

// failedCode reports whether v has the code of a failure with words about it, or words
// about one and no code that says that there is none.
func failedCode(v *fastjson.Value) bool {
	for _, key := range codeKeys {
		switch code := v.Get(key); {
		case badCode(code):
			return says(v)
		case code != nil && code.Type() != fastjson.TypeNull:
			return false
		}
	}
	for _, key := range errorTexts {
		if holds(v.Get(key), 0) {
			return true
		}
	}
	return false
}

// The members in which servers say what went wrong: codes, and words that are about nothing else.
var (
	codeKeys   = [...]string{"code", "error_code", "errorCode", "errcode", "err_code", "status_code", "statusCode", "ret", "retcode"}
	errorTexts = [...]string{"error_msg", "error_message", "errorMessage", "errorMsg", "errmsg", "err_msg"}
)

// badStatus reports whether v, a member status, tells of a failure, in a word or as one of HTTP.
func badStatus(v *fastjson.Value) bool {
	switch word := string(bytes.ToLower(v.GetStringBytes())); word {
	case "error", "fail", "failed", "failure":
		return true
	}
	n := v.GetInt()
	return n >= 400 && n < 600
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

// says reports whether v has words about a failure.
func says(v *fastjson.Value) bool {
	for _, key := range [...]string{"message", "msg", "title", "reason"} {
		if holds(v.Get(key), 0) {
			return true
		}
	}
	for _, key := range errorTexts {
		if holds(v.Get(key), 0) {
			return true
		}
	}
	return false
}

// Holds reports whether v says anything: it is not empty, zero or false, nor made of
// nothing else.
func Holds(v *fastjson.Value) bool { return holds(v, 0) }

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
