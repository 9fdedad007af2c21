package openai

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The tests of this file are written as the vendors' streams are: c is one event of a
// stream of chat completions, t one with a piece of a call.

// c is an event with a delta, and with a finish_reason if there is one.
func c(delta string, reason ...string) string {
	finish := "null"
	if len(reason) > 0 {
		finish = `"` + reason[0] + `"`
	}
	return `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`
}

// calls is an event with pieces of calls.
func calls(pieces ...string) string { return c(`{"tool_calls":[` + strings.Join(pieces, ",") + `]}`) }

// tc is a piece of a call with an index: id, name and arguments where they are given.
func tc(index int, id, name, args string) string {
	s := fmt.Sprintf(`{"index":%d,"type":"function"`, index)
	if id != "-" {
		s += fmt.Sprintf(`,"id":%q`, id)
	}
	s += `,"function":{`
	if name != "-" {
		s += fmt.Sprintf(`"name":%q,`, name)
	}
	if args != "-" {
		s += fmt.Sprintf(`"arguments":%q,`, args)
	}
	return strings.TrimSuffix(s, ",") + "}}"
}

// bare is a piece without an index.
func bare(piece string) string { return strings.Replace(piece, `"index":0,`, "", 1) }

const end = "[DONE]"

// told is an answer on one line: its thoughts, its text, its calls, how it ended.
func told(d translate.Decoder, frames ...string) string {
	var a translate.Answer
	var failed error
	var usage translate.Usage
	noReason := false
	take := func(evs []translate.Event, err error) bool {
		for _, ev := range evs {
			a.Add(ev)
			usage.Merge(ev.Usage)
			noReason = noReason || ev.Reason == translate.ReasonMissing
		}
		failed = err
		return err == nil
	}
	for _, f := range frames {
		if !take(codectest.Decode(d, nil, []byte(f))) {
			break
		}
	}
	if e := d.(translate.Ender); failed == nil && e.Complete() {
		take(e.End(nil), nil)
	}
	a.Settle()
	var w []string
	for _, p := range a.Parts {
		switch p.Kind {
		case translate.PartReasoning:
			w = append(w, "("+p.Text+")")
		case translate.PartText:
			w = append(w, p.Text)
		case translate.PartToolCall:
			w = append(w, p.Name+"#"+p.ID+p.Args)
		}
	}
	if usage.Known() {
		w = append(w, fmt.Sprintf("%d+%d", usage.Input, usage.Output))
		if usage.CacheRead+usage.CacheWrite+usage.Reasoning > 0 {
			w = append(w, fmt.Sprintf("cached %d written %d thought %d", usage.CacheRead, usage.CacheWrite, usage.Reasoning))
		}
	}
	var e *translate.Error
	switch {
	case errors.As(failed, &e):
		w = append(w, fmt.Sprintf("ERROR %d", e.Status()))
	case a.Finish == 0:
		w = append(w, "CUT")
	default:
		w = append(w, a.Finish.String())
	}
	if noReason {
		w = append(w, "no reason")
	}
	return strings.Join(w, " | ")
}

var oddStreams = []struct {
	name   string
	frames []string
	want   string
}{
	// What follows a reason to end counts.
	{"a reason in every event", []string{c(`{"content":"one "}`, "stop"), c(`{"content":"two "}`, "stop"), c(`{"content":"three"}`, "stop"), end}, "one two three | stop"},
	{"a text behind the event with the reason", []string{c(`{"content":"one "}`), c(`{}`, "stop"), c(`{"content":"two"}`), end}, "one two | stop"},
	{"thoughts behind a reason", []string{c(`{"content":"one"}`, "stop"), c(`{"reasoning_content":"why"}`), end}, "one | (why) | stop"},
	{"a call behind a stop", []string{c(`{"content":"one"}`, "stop"), calls(tc(0, "a", "f", `{"x":1}`)), end}, `one | f#a{"x":1} | tool`},
	{"arguments behind the reason", []string{c(`{"tool_calls":[`+tc(0, "a", "f", "")+`]}`, "tool_calls"), calls(tc(0, "-", "-", `{"x":1}`)), end}, `f#a{"x":1} | tool`},
	{"the last reason counts", []string{c(`{"content":"one"}`, "stop"), c(`{"content":"two"}`, "length"), end}, "onetwo | length"},
	{"an empty reason behind one", []string{c(`{"content":"one"}`, "length"), c(`{}`, ""), c(`{}`), end}, "one | length"},
	{"usage behind the reason", []string{c(`{"content":"one"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}`, end}, "one | 5+7 | stop"},
	{"a reason and no end mark", []string{c(`{"content":"one"}`), c(`{}`, "stop")}, "one | stop"},
	{"no reason", []string{c(`{"content":"one"}`), end}, "one | stop | no reason"},
	{"no reason and no end mark", []string{c(`{"content":"one"}`)}, "one | CUT"},
	{"what follows the end mark is not read", []string{c(`{"content":"one"}`, "stop"), end, c(`{"content":"two"}`), "nonsense"}, "one | stop"},
	{"an error behind a reason", []string{c(`{"content":"one"}`, "stop"), `{"error":{"message":"gone"}}`, end}, "one | ERROR 502"},
	{"a failure behind a reason", []string{c(`{"content":"one"}`, "stop"), c(`{}`, "error"), end}, "one | ERROR 502"},

	// Errors of any shape.
	{"an error in a choice", []string{c(`{"content":"part"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":502,"message":"gone"}}]}`, end}, "part | ERROR 502"},
	{"an error in a choice without a reason", []string{c(`{"content":"part"}`), `{"choices":[{"index":0,"delta":{},"error":"gone"}]}`, end}, "part | ERROR 502"},
	{"a throttle in a choice", []string{`{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":429,"message":"slow"}}]}`, end}, "ERROR 429"},
	{"code and message", []string{c(`{"content":"part"}`), `{"code":"Throttling","message":"too fast"}`, end}, "part | ERROR 429"},
	{"code and message with an id", []string{c(`{"content":"part"}`), `{"code":"InternalError","message":"gone","request_id":"r1"}`, end}, "part | ERROR 502"},
	{"a number and a message", []string{`{"code":500,"msg":"gone"}`, end}, "ERROR 502"},
	{"error_code and error_msg", []string{`{"error_code":336100,"error_msg":"busy"}`, end}, "ERROR 429"},
	{"MiniMax's", []string{c(`{"content":"part"}`), `{"id":"x","choices":null,"base_resp":{"status_code":1013,"status_msg":"internal"}}`, end}, "part | ERROR 502"},
	{"MiniMax's beside a choice", []string{c(`{"content":"part"}`), strings.Replace(c(`{}`, "stop"), "{", `{"base_resp":{"status_code":1002,"status_msg":"rate limit"},`, 1), end}, "part | ERROR 429"},
	{"MiniMax's that says nothing", []string{strings.Replace(c(`{"content":"part"}`, "stop"), "{", `{"input_sensitive":false,"base_resp":{"status_code":0,"status_msg":""},`, 1), end}, "part | stop"},
	{"Spark's", []string{c(`{"content":"part"}`), `{"header":{"code":10013,"message":"x"}}`, end}, "part | ERROR 502"},
	{"Spark's that says nothing", []string{strings.Replace(c(`{"content":"part"}`, "stop"), "{", `{"header":{"code":0,"message":"Success"},`, 1), end}, "part | stop"},
	{"Tencent's", []string{c(`{"content":"part"}`), `{"Response":{"Error":{"Code":"x","Message":"y"}}}`, end}, "part | ERROR 502"},
	{"success false and an error", []string{c(`{"content":"part"}`), `{"success":false,"error":"x"}`, end}, "part | ERROR 502"},
	{"status error", []string{c(`{"content":"part"}`), `{"status":"error","message":"x"}`, end}, "part | ERROR 502"},
	{"status fail", []string{c(`{"content":"part"}`), `{"status":"fail","msg":"x"}`, end}, "part | ERROR 502"},
	{"a status as a number", []string{c(`{"content":"part"}`), `{"type":"about:blank","title":"Bad Gateway","status":502}`, end}, "part | ERROR 502"},
	{"errorCode", []string{c(`{"content":"part"}`), `{"errorCode":"x","errorMessage":"y"}`, end}, "part | ERROR 502"},
	{"error_message alone", []string{c(`{"content":"part"}`), `{"error_message":"y"}`, end}, "part | ERROR 502"},
	{"ret", []string{c(`{"content":"part"}`), `{"ret":-1,"msg":"x"}`, end}, "part | ERROR 502"},
	{"news that are no errors", []string{`{"message":"queue position 3"}`, `{"status":"processing","message":"wait"}`, `{"code":0,"msg":"ok"}`, `{"error_code":0,"error_msg":"success"}`, `{"status":200,"message":"ok"}`, c(`{"content":"part"}`, "stop"), end}, "part | stop"},
	{"success false", []string{c(`{"content":"part"}`), `{"success":false,"message":"gone"}`, end}, "part | ERROR 502"},
	{"a detail", []string{`{"detail":"Internal Server Error"}`, end}, "ERROR 502"},
	{"type error and a message", []string{c(`{"content":"part"}`), `{"type":"error","message":"gone"}`, end}, "part | ERROR 502"},
	{"type error and nothing", []string{c(`{"content":"part"}`), `{"type":"error"}`, end}, "part | ERROR 502"},
	{"object error", []string{`{"object":"error","message":"gone","code":50001}`}, "ERROR 502"},
	{"error as a text", []string{`{"error":"gone"}`}, "ERROR 502"},
	{"error beside choices", []string{`{"error":{"message":"gone"},"choices":[{"index":0,"delta":{"content":"x"}}]}`}, "ERROR 502"},
	{"a list of one error", []string{`[{"error":{"code":400,"message":"bad"}}]`}, "ERROR 502"},
	{"errors that hold nothing", []string{`{"error":null,"choices":[]}`, strings.Replace(c(`{"content":"a"}`), "{", `{"error":{},`, 1), strings.Replace(c(`{"content":"b"}`), "{", `{"error":"",`, 1),
		strings.Replace(c(`{"content":"c"}`), "{", `{"error":false,`, 1), strings.Replace(c(`{"content":"d"}`), "{", `{"error":{"message":"","code":null},`, 1),
		strings.Replace(c(`{"content":"e"}`), "{", `{"error":[],"code":0,"message":"ok",`, 1), c(`{}`, "stop"), end}, "abcde | stop"},

	// Calls that are none.
	{"an empty function_call", []string{c(`{"content":"hello"}`), c(`{"function_call":{"name":"","arguments":""}}`, "stop"), end}, "hello | stop"},
	{"an empty function_call behind a call", []string{calls(tc(0, "a", "f", `{"x":1}`)), c(`{"function_call":{"name":"","arguments":""}}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"null in the list", []string{c(`{"tool_calls":[null]}`), c(`{"content":"hello"}`), c(`{}`, "stop"), end}, "hello | stop"},
	{"an empty object in the list", []string{c(`{"tool_calls":[{}]}`), c(`{"content":"hello"}`), c(`{}`, "stop"), end}, "hello | stop"},
	{"a piece without a word", []string{calls(tc(0, "", "", "")), c(`{"content":"hello"}`), c(`{}`, "stop"), end}, "hello | stop"},
	{"a call that is never named", []string{calls(tc(0, "a", "", `{}`)), c(`{"content":"hello"}`), c(`{}`, "tool_calls"), end}, "hello | stop"},
	{"tool_calls without a call", []string{c(`{"content":"hello"}`), c(`{}`, "tool_calls"), end}, "hello | stop"},
	{"empty lists and nulls", []string{c(`{"tool_calls":[],"function_call":null,"content":"hello"}`, ""), c(`{"tool_calls":null}`, "stop"), end}, "hello | stop"},

	// Names and ids that come late or in pieces.
	{"a name behind its first arguments", []string{calls(tc(0, "a", "-", `{"x":`)), calls(tc(0, "-", "f", `1}`)), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"a name in the second piece", []string{calls(tc(0, "a", "", "")), calls(tc(0, "a", "f", `{"x":1}`)), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"a name at the very end", []string{calls(tc(0, "a", "", `{"x":1}`)), calls(tc(0, "-", "f", "")), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"a name in two pieces", []string{calls(tc(0, "a", "get_", "")), calls(tc(0, "-", "time", "")), calls(tc(0, "-", "-", `{}`)), end}, `get_time#a{} | tool | no reason`},
	{"a name in two pieces, the second with arguments", []string{calls(tc(0, "a", "get_", "-")), calls(tc(0, "-", "time", `{"x":1}`)), end}, `get_time#a{"x":1} | tool | no reason`},
	{"a name in three pieces and an id in the last", []string{calls(tc(0, "-", "get", "-")), calls(tc(0, "-", "_", "-")), calls(tc(0, "a", "time", `{}`)), end}, `get_time#a{} | tool | no reason`},
	{"a name that is repeated", []string{calls(tc(0, "a", "f", "")), calls(tc(0, "a", "f", `{"x":`)), calls(tc(0, "a", "f", `1}`)), end}, `f#a{"x":1} | tool | no reason`},
	{"a name that is repeated without an id", []string{calls(tc(0, "-", "f", `{"x":`)), calls(tc(0, "-", "f", `1}`)), end}, `f#call_c1_0{"x":1} | tool | no reason`},
	{"an id in the second piece", []string{calls(tc(0, "-", "f", `{"x":`)), calls(tc(0, "a", "-", `1}`)), end}, `f#a{"x":1} | tool | no reason`},
	{"an id in the last piece", []string{calls(tc(0, "", "f", "")), calls(tc(0, "", "", `{"x":1}`)), calls(tc(0, "a", "", ``)), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"no id at all", []string{calls(tc(0, "", "f", `{"x":`)), calls(tc(0, "", "", `1}`)), end}, `f#call_c1_0{"x":1} | tool | no reason`},
	{"a number as id", []string{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":7,"function":{"name":"f","arguments":"{}"}}]}}]}`, end}, `f#7{} | tool | no reason`},
	{"a text between", []string{calls(tc(0, "a", "f", "")), c(`{"content":"hello"}`), calls(tc(0, "-", "-", `{"x":1}`)), end}, `f#a{"x":1} | hello | tool | no reason`},

	// Parallel calls that have one index.
	{"index 0 and no ids", []string{calls(tc(0, "", "f", `{"x":1}`)), calls(tc(0, "", "g", `{"y":2}`)), c(`{}`, "stop"), end}, `f#call_c1_0{"x":1} | g#call_c1_1{"y":2} | tool`},
	{"the same in one event", []string{calls(tc(0, "", "f", `{"x":1}`), tc(0, "", "g", `{"y":2}`)), c(`{}`, "stop"), end}, `f#call_c1_0{"x":1} | g#call_c1_1{"y":2} | tool`},
	{"the same name twice", []string{calls(tc(0, "", "f", `{"x":1}`)), calls(tc(0, "", "f", `{"x":2}`)), c(`{}`, "stop"), end}, `f#call_c1_0{"x":1} | f#call_c1_1{"x":2} | tool`},
	{"the same name twice in one event", []string{calls(tc(0, "-", "f", `{"x":1}`), tc(0, "-", "f", `{"x":2}`)), end}, `f#call_c1_0{"x":1} | f#call_c1_1{"x":2} | tool | no reason`},
	{"three in pieces", []string{calls(tc(0, "", "f", "")), calls(tc(0, "", "", `{"x":`)), calls(tc(0, "", "", `1}`)), calls(tc(0, "", "g", "")), calls(tc(0, "", "", `{}`)), calls(tc(0, "", "f", `{"z":"}"}`)), end},
		`f#call_c1_0{"x":1} | g#call_c1_1{} | f#call_c1_2{"z":"}"} | tool | no reason`},
	{"no arguments, in one event", []string{calls(tc(0, "", "f", ""), tc(0, "", "g", "")), c(`{}`, "stop"), end}, `f#call_c1_0{} | g#call_c1_1{} | tool`},
	{"no arguments, of tools that were offered", []string{calls(tc(0, "", "now", "")), calls(tc(0, "", "where", "")), c(`{}`, "stop"), end}, `now#call_c1_0{} | where#call_c1_1{} | tool`},
	{"a name in pieces that are tools themselves", []string{calls(tc(0, "", "now", "")), calls(tc(0, "", "here", `{}`)), c(`{}`, "stop"), end}, `nowhere#call_c1_0{} | tool`},
	{"index 0 and ids", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(0, "b", "g", `{"y":2}`)), end}, `f#a{"x":1} | g#b{"y":2} | tool | no reason`},
	{"ids, the second call before the arguments of the first are complete", []string{calls(tc(0, "a", "f", `{"x":`)), calls(tc(0, "b", "g", `{}`)), end}, `f#a{"x": | g#b{} | tool | no reason`},
	{"no index and ids", []string{calls(bare(tc(0, "a", "f", `{"x":1}`))), calls(bare(tc(0, "b", "g", `{"y":2}`))), end}, `f#a{"x":1} | g#b{"y":2} | tool | no reason`},
	{"no index and no ids", []string{calls(bare(tc(0, "-", "f", `{"x":`))), calls(bare(tc(0, "-", "-", `1}`))), calls(bare(tc(0, "-", "g", `{"y":2}`))), end}, `f#call_c1_0{"x":1} | g#call_c1_1{"y":2} | tool | no reason`},
	{"an index from 1", []string{calls(tc(1, "a", "f", `{"x":1}`)), calls(tc(2, "b", "g", `{"y":2}`)), end}, `f#a{"x":1} | g#b{"y":2} | tool | no reason`},
	{"an index as a text", []string{strings.Replace(calls(tc(0, "a", "f", `{"x":`)), `"index":0,"type"`, `"index":"3","type"`, 1), calls(tc(3, "-", "-", `1}`)), end}, `f#a{"x":1} | tool | no reason`},
	{"the id in every piece", []string{calls(tc(0, "a", "f", "")), calls(tc(0, "a", "-", `{"x":`)), calls(tc(0, "a", "-", `1}`)), end}, `f#a{"x":1} | tool | no reason`},
	{"a new id in every piece", []string{calls(tc(0, "a", "f", "")), calls(tc(0, "b", "-", `{"x":`)), calls(tc(0, "c", "-", `1}`)), end}, `f#a{"x":1} | tool | no reason`},
	{"interleaved", []string{calls(tc(0, "a", "f", `{"x":`), tc(1, "b", "g", `{"y":`)), calls(tc(0, "-", "-", `1}`), tc(1, "-", "-", `2}`)), end}, `f#a{"x":1} | g#b{"y":2} | tool | no reason`},
	{"a call that is said again at the end", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(0, "a", "f", `{"x":1}`)), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"white space behind arguments", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(0, "-", "-", "\n")), c(`{}`, "tool_calls"), end}, "f#a{\"x\":1}\n | tool"},

	// Arguments in odd forms.
	{"arguments as an object in the older form", []string{c(`{"function_call":{"name":"f","arguments":{"x":1}}}`), end}, `f#call_c1_0{"x":1} | tool | no reason`},
	{"the older form in pieces", []string{c(`{"function_call":{"name":"f","arguments":""}}`), c(`{"function_call":{"arguments":"{\"x\":"}}`), c(`{"function_call":{"arguments":"1}"}}`, "function_call"), end}, `f#call_c1_0{"x":1} | tool`},
	{"both forms", []string{c(`{"tool_calls":[` + tc(0, "a", "f", `{}`) + `],"function_call":{"name":"f","arguments":"{}"}}`), end}, `f#a{} | tool | no reason`},
	{"an object in place of the list", []string{c(`{"tool_calls":` + tc(0, "a", "f", `{"x":1}`) + `}`), end}, `f#a{"x":1} | tool | no reason`},
	{"the function's members beside the id", []string{c(`{"tool_calls":[{"id":"a","name":"f","arguments":{"x":1}}]}`), end}, `f#a{"x":1} | tool | no reason`},
	{"a list, null, nothing", []string{c(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":[1]}},{"index":1,"id":"b","function":{"name":"g","arguments":null}},{"index":2,"id":"c","function":{"name":"h"}}]}`), end}, `f#a[1] | g#b{} | h#c{} | tool | no reason`},

	// Usage in other places.
	{"usage in the choice", []string{c(`{"content":"x"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":7,"cached_tokens":2}}]}`, end}, "x | 5+7 | cached 2 written 0 thought 0 | stop"},
	{"usage as texts", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":"5","completion_tokens":"7"}}`, end}, "x | 5+7 | stop"},
	{"usage in x_groq", []string{c(`{"content":"x"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":5,"completion_tokens":7}}}`, end}, "x | 5+7 | stop"},
	{"usage as texts with points", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":"5.0","completion_tokens":7.0}}`, end}, "x | 5+7 | stop"},
	{"Cohere's counts", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"billed_units":{"input_tokens":4,"output_tokens":6},"tokens":{"input_tokens":5,"output_tokens":7}}}`, end}, "x | 5+7 | stop"},
	{"Cohere's bill", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"billed_units":{"input_tokens":5,"output_tokens":7}}}`, end}, "x | 5+7 | stop"},
	{"usage in the delta", []string{c(`{"content":"x"}`), c(`{"usage":{"prompt_tokens":5,"completion_tokens":7}}`, "stop"), end}, "x | 5+7 | stop"},
	{"usage by other names", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"input_tokens":5,"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"input_tokens_details":{"cached_tokens":2}}}`, end}, "x | 5+7 | cached 2 written 0 thought 3 | stop"},
	{"Anthropic's counts", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"input_tokens":5,"output_tokens":7,"cache_read_input_tokens":10,"cache_creation_input_tokens":1}}`, end}, "x | 16+7 | cached 10 written 1 thought 0 | stop"},
	{"a total alone", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":5,"total_tokens":12}}`, end}, "x | 5+7 | stop"},
	{"timings", []string{c(`{"content":"x"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{"prompt_n":3,"cache_n":2,"predicted_n":7}}`, end}, "x | 5+7 | cached 2 written 0 thought 0 | stop"},
	{"eval_count", []string{c(`{"content":"x"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"prompt_eval_count":5,"eval_count":7}`, end}, "x | 5+7 | stop"},
	{"growing usage", []string{strings.Replace(c(`{"content":"x"}`), "{", `{"usage":{"prompt_tokens":5,"completion_tokens":1},`, 1), strings.Replace(c(`{"content":"y"}`, "stop"), "{", `{"usage":{"prompt_tokens":5,"completion_tokens":7},`, 1), end}, "xy | 5+7 | stop"},
	{"a cache hit", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"prompt_cache_hit_tokens":2}}`, end}, "x | 5+7 | cached 2 written 0 thought 0 | stop"},
	{"zeros", []string{c(`{"content":"x"}`, "stop"), `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, end}, "x | stop"},

	// Events that say nothing, and other end marks.
	{"harmless events", []string{"ping", "null", "", "{}", "[]", "1764410000", `"ping"`, "[ping]", "keep-alive", c(`{"content":"x"}`), "HEARTBEAT", c(`{}`, "stop"), end}, "x | stop"},
	{"a small end mark", []string{c(`{"content":"x"}`), "[done]"}, "x | stop | no reason"},
	{"an end mark in quotes", []string{c(`{"content":"x"}`), `"[DONE]"`}, "x | stop | no reason"},
	{"an end mark without brackets", []string{c(`{"content":"x"}`), ` DONE `}, "x | stop | no reason"},
	{"a torn event", []string{c(`{"content":"x"}`), `{"id":"ch`, end}, "x | ERROR 502"},
	{"words of trouble", []string{c(`{"content":"x"}`), "upstream connect error", end}, "x | ERROR 502"},

	// Thoughts in other forms.
	{"reasoning", []string{c(`{"reasoning":"why"}`), c(`{"content":"x"}`, "stop")}, "(why) | x | stop"},
	{"both at once", []string{c(`{"reasoning":"why","reasoning_content":"why"}`), c(`{"content":"x"}`, "stop")}, "(why) | x | stop"},
	{"reasoning and its details", []string{c(`{"reasoning":"why","reasoning_details":[{"type":"reasoning.text","text":"why"}]}`), c(`{"content":"x"}`, "stop")}, "(why) | x | stop"},
	{"details alone", []string{c(`{"reasoning_details":[{"type":"reasoning.text","text":"why"},{"type":"reasoning.summary","summary":" so"},{"type":"reasoning.encrypted","data":"abc"}]}`), c(`{"content":"x"}`, "stop")}, "(why so) | x | stop"},
	{"an object", []string{c(`{"reasoning":{"content":"why"}}`), c(`{"reasoning":{"text":" so"}}`), c(`{"content":"x"}`, "stop")}, "(why so) | x | stop"},
	{"a part of the content", []string{c(`{"content":[{"type":"thinking","thinking":"why"}]}`), c(`{"content":[{"type":"text","text":"x"}]}`, "stop")}, "(why) | x | stop"},
	{"a nested part", []string{c(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"why"}]},{"type":"text","text":"x"}]}`, "stop")}, "(why) | x | stop"},
	{"a part of type reasoning", []string{c(`{"content":[{"type":"reasoning","reasoning":"why"},{"type":"reasoning","text":" so"}]}`), c(`{"content":"x"}`, "stop")}, "(why so) | x | stop"},
	{"thinking_blocks", []string{c(`{"thinking_blocks":[{"type":"thinking","thinking":"why","signature":"s"}]}`), c(`{"content":"x"}`, "stop")}, "(why) | x | stop"},
	{"thinking", []string{c(`{"thinking":"why"}`), c(`{"content":"x"}`, "stop")}, "(why) | x | stop"},
	{"content as an object", []string{c(`{"content":{"type":"text","text":"x"}}`, "stop")}, "x | stop"},

	// Other shapes of an answer.
	{"a whole answer as one event", []string{`{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}`, end}, "x | stop"},
	{"one choice that is no list", []string{`{"id":"c1","choices":{"index":0,"delta":{"content":"x"}}}`, `{"choices":{"delta":{},"finish_reason":"stop"}}`, end}, "x | stop"},
	{"choices of texts", []string{`{"id":"c1","object":"text_completion","choices":[{"index":0,"text":"x"}]}`, `{"choices":[{"text":"y","finish_reason":"length"}]}`, end}, "xy | length"},
	{"an end mark of choices of texts", []string{`{"choices":[{"text":"x","finish_reason":null}]}`, `{"choices":[{"text":"","finish_reason":"stop"}]}`, end}, "x | stop"},
	{"the name of the field twice", []string{"data: " + c(`{"content":"x"}`), "data:" + c(`{}`, "stop"), "data: [DONE]"}, "x | stop"},
	{"a whole answer behind its pieces", []string{c(`{"content":"x"}`), `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`, end}, "x | stop"},
}

func offering(names ...string) *translate.Request {
	req := &translate.Request{}
	for _, n := range names {
		req.Tools = append(req.Tools, translate.Tool{Name: n})
	}
	return req
}

func TestOddStreamsAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, s := range oddStreams {
		if got := told(Dialect.NewDecoder(offering("now", "where", "nowhere", "here")), s.frames...); got != s.want {
			t.Errorf("%s: %s\n     want %s", s.name, got, s.want)
		}
	}
}

func TestAWordSaysWhyAnAnswerEnded(t *testing.T) {
	t.Parallel()
	for want, words := range map[string]string{
		"stop":   "stop STOP end_turn eos eos_token stop_sequence COMPLETE done FINISH_REASON_STOP some_new_word",
		"length": "length LENGTH model_length MAX_TOKENS max_tokens max_output_tokens max_length token_limit model_context_window_exceeded FINISH_REASON_MAX_TOKENS max-tokens output_limit",
		"filter": "content_filter content-filter sensitive SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY LANGUAGE refusal content_filtered guardrail_intervened ERROR_TOXIC content_policy_violation blocked safety_block",
		"ERROR 502": "error network_error insufficient_system_resource abort aborted cancelled canceled MALFORMED_FUNCTION_CALL OTHER server_error internal_error upstream_failure " +
			"interrupted connection_error UNEXPECTED_TOOL_CALL FINISH_REASON_UNSPECIFIED",
	} {
		for word := range strings.FieldsSeq(words) {
			stream := told(Dialect.NewDecoder(&translate.Request{}), c(`{"content":"part"}`), c(`{}`, word), end)
			if stream != "part | "+want {
				t.Errorf("%s, streamed: %s", word, stream)
			}
			if got := toldWhole(`{"id":"c1","choices":[{"index":0,"message":{"content":"part"},"finish_reason":"` + word + `"}]}`); got != "part | "+want {
				t.Errorf("%s, whole: %s", word, got)
			}
		}
	}
	for word := range strings.FieldsSeq("tool_calls function_call tool_use TOOL_CALL tool_calls_required stop") {
		if got := told(Dialect.NewDecoder(&translate.Request{}), calls(tc(0, "a", "f", `{}`)), c(`{}`, word), end); got != "f#a{} | tool" {
			t.Errorf("%s: %s", word, got)
		}
	}
}

// toldWhole is told for a body.
func toldWhole(body string) string {
	return told(&wholly{Decoder: Dialect.NewDecoder(&translate.Request{})}, body)
}

// wholly reads a frame as a body.
type wholly struct{ translate.Decoder }

func (w *wholly) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	return w.DecodeWhole(evs, 200, frame)
}
func (w *wholly) Complete() bool                              { return false }
func (w *wholly) End(evs []translate.Event) []translate.Event { return evs }

func TestOddBodiesAreUnderstood(t *testing.T) {
	t.Parallel()
	message := func(m string) string {
		return `{"id":"c1","model":"up","choices":[{"index":0,"message":` + m + `,"finish_reason":"stop"}]}`
	}
	for _, b := range []struct{ name, body, want string }{
		{"no reason", `{"choices":[{"index":0,"message":{"content":"x"}}]}`, "x | stop"},
		{"an empty function_call", message(`{"content":"x","function_call":{"name":"","arguments":""}}`), "x | stop"},
		{"null among calls", message(`{"content":"x","tool_calls":[null]}`), "x | stop"},
		{"a call without a name", message(`{"content":"x","tool_calls":[{"id":"a","function":{"name":"","arguments":"{}"}}]}`), "x | stop"},
		{"an object in place of the list", message(`{"content":null,"tool_calls":{"id":"a","function":{"name":"f","arguments":"{}"}}}`), "f#a{} | tool"},
		{"calls without ids and index", message(`{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}]}`), "f#call_c1_0{} | f#call_c1_1{} | tool"},
		{"arguments as an object", message(`{"function_call":{"name":"f","arguments":{"x":1}}}`), `f#call_c1_0{"x":1} | tool`},
		{"thoughts as details", message(`{"content":"x","reasoning_details":[{"type":"reasoning.text","text":"why"}]}`), "(why) | x | stop"},
		{"usage in the choice", `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":7}}]}`, "x | 5+7 | stop"},
		{"an error in the choice", `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop","error":{"code":429,"message":"slow"}}]}`, "ERROR 429"},
		{"an error that holds nothing", `{"error":{},"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`, "x | stop"},
		{"code and message", `{"code":"InvalidParameter","message":"bad"}`, "ERROR 502"},
		{"a throttle", `{"code":"Throttling.RateQuota","message":"slow"}`, "ERROR 429"},
		{"a list of one error", `[{"error":{"message":"bad","code":500}}]`, "ERROR 502"},
	} {
		if got := toldWhole(b.body); got != b.want {
			t.Errorf("%s: %s\n     want %s", b.name, got, b.want)
		}
	}
}

func TestContentOfOtherFormsIsSeenWhereItPassesThrough(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]string{
		"images":         c(`{"content":"","images":[{"type":"image_url","image_url":{"url":"data:,"}}]}`),
		"audio":          c(`{"audio":{"id":"a","data":"UklGRg=="}}`),
		"a part":         c(`{"content":[{"type":"image_url","image_url":{"url":"data:,"}}]}`),
		"another choice": `{"choices":[{"index":1,"delta":{"content":"b"}}]}`,
	} {
		for pass, want := range map[bool]bool{true: true, false: false} {
			evs, err := Dialect.NewDecoder(&translate.Request{PassThrough: pass}).Decode(nil, []byte(frame))
			found := false
			for _, ev := range evs {
				found = found || ev.Kind == translate.KindOther
			}
			if err != nil || found != want {
				t.Errorf("%s, pass %v: %v, %v", name, pass, evs, err)
			}
		}
	}
	for _, body := range []string{
		`{"choices":[{"index":1,"message":{"content":"b"},"finish_reason":"stop"},{"index":0,"message":{"content":""},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":null,"audio":{"id":"a","data":"UklGRg=="}},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":null,"images":[{"type":"image_url"}]},"finish_reason":"stop"}]}`,
	} {
		var a translate.Answer
		evs, err := Dialect.NewDecoder(&translate.Request{PassThrough: true}).DecodeWhole(nil, 200, []byte(body))
		for _, ev := range evs {
			a.Add(ev)
		}
		if err != nil || a.Empty() {
			t.Errorf("%s is empty, %v", body, err)
		}
	}
}

func TestACallThatIsNeverNamedHoldsSoMuchAndNoMore(t *testing.T) {
	t.Parallel()
	d := Dialect.NewDecoder(&translate.Request{})
	piece := []byte(calls(tc(0, "a", "-", strings.Repeat("x", 64<<10))))
	for n := 0; n < 17; n++ {
		if _, err := d.Decode(nil, piece); err != nil {
			if n < 15 {
				t.Errorf("refused after %d", n)
			}
			return
		}
	}
	t.Error("it was never refused")
}
