package dialects

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

func named(dialect string) translate.Dialect {
	return All[slices.IndexFunc(All, func(d translate.Dialect) bool { return d.Name() == dialect })]
}

// bulky are bodies that hold as much as they can of one thing, by what that is. Each is
// made of about n bytes.
var bulky = []struct {
	name, dialect string
	make          func(n int) string
}{
	{"tiny messages", "openai", chatOf(`{"role":"user","content":"a"}`)},
	{"tiny messages of the rarer form", "openai", chatOf(`{"role":"user","content":[]}`)},
	{"instructions among questions", "openai", chatOf(`{"role":"user","content":"a"},{"role":"system","content":"b"}`)},
	{"empty parts", "openai", func(n int) string { return content(n, "user", `{"type":"text","text":""}`) }},
	{"parts without a text", "openai", func(n int) string { return content(n, "user", `{"type":"text"}`) }},
	{"empty parts of a tool's result", "openai", func(n int) string { return content(n, "tool", `{"type":"text"}`) }},
	{"results of tools", "openai", chatOf(`{"role":"tool","tool_call_id":"a","content":"b"}`)},
	{"results of functions", "openai", chatOf(`{"role":"function","name":"a","content":"b"}`)},
	{"calls", "openai", func(n int) string {
		return `{"model":"m","messages":[{"role":"assistant","tool_calls":[` + repeat(n, `{"id":"a","function":{"name":"b"}}`) + `]}]}`
	}},
	{"nulls for calls", "openai", func(n int) string {
		return `{"model":"m","messages":[{"role":"assistant","tool_calls":[` + repeat(n, `null`) + `]}]}`
	}},
	{"images", "openai", func(n int) string { return content(n, "user", `{"type":"image_url","image_url":{"url":"a"}}`) }},
	{"an image", "openai", func(n int) string {
		return content(1, "user", `{"type":"image_url","image_url":{"url":"data:image/png;base64,`+strings.Repeat("A", n)+`"}}`)
	}},
	{"tools", "openai", extra(func(n int) string { return `"tools":[` + repeat(n, `{"function":{"name":"a"}}`) + `]` })},
	{"functions", "openai", extra(func(n int) string { return `"functions":[` + repeat(n, `{"name":"a"}`) + `]` })},
	{"stop sequences", "openai", extra(func(n int) string { return `"stop":[` + repeat(n, `""`) + `]` })},
	{"numbers for messages", "openai", func(n int) string { return `{"model":"m","messages":[` + repeat(n, `1`) + `]}` }},
	{"numbers for parts", "openai", func(n int) string { return content(n, "user", `1`) }},
	{"numbers", "openai", extra(func(n int) string { return `"x":[` + repeat(n, `1`) + `],"logprobs":false` })},
	{"members", "openai", extra(func(n int) string { return `"x":{` + names(n) + `},"logprobs":false` })},
	{"members of the body", "openai", extra(names)},
	{"a schema of many names", "openai", extra(func(n int) string {
		return `"tools":[{"function":{"name":"a","strict":true,"parameters":{"type":"object","properties":{` + names(n) + `}}}}]`
	})},
	{"a deep schema", "openai", extra(func(n int) string {
		n = min(n/10, 4_000)
		return `"tools":[{"function":{"name":"a","strict":true,"parameters":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}}]`
	})},
	{"escapes", "openai", func(n int) string {
		return content(1, "user", `{"type":"text","text":"`+strings.Repeat(`\u0001`, n/6)+`"}`)
	}},
	{"halves of characters", "openai", func(n int) string {
		return content(1, "user", `{"type":"text","text":"`+strings.Repeat(`\ud800`, n/6)+`"}`)
	}},
	{"what is no UTF-8", "openai", func(n int) string {
		return content(1, "user", `{"type":"text","text":"`+strings.Repeat("\xff", n)+`"}`)
	}},
	{"a text", "openai", func(n int) string { return content(1, "user", `{"type":"text","text":"`+strings.Repeat("a", n)+`"}`) }},
	{"arguments", "openai", func(n int) string {
		return `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"b","arguments":"` + strings.Repeat(`\"`, n/2) + `"}}]}]}`
	}},

	{"tiny messages", "anthropic", messagesOf(`{"role":"user","content":"a"}`)},
	{"empty blocks", "anthropic", func(n int) string { return blocks(n, `{"type":"text","text":""}`) }},
	{"blocks without a text", "anthropic", func(n int) string { return blocks(n, `{"type":"text"}`) }},
	{"blocks of the system", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"system":[` + repeat(n, `{"type":"text","text":"a"}`) + `],"messages":[{"role":"user","content":"a"}]}`
	}},
	{"results", "anthropic", func(n int) string { return blocks(n, `{"type":"tool_result","tool_use_id":"a"}`) }},
	{"results among texts", "anthropic", func(n int) string {
		return blocks(n, `{"type":"text","text":"some more words"},{"type":"tool_result","tool_use_id":"a"}`)
	}},
	{"blocks of a result", "anthropic", func(n int) string {
		return blocks(1, `{"type":"tool_result","tool_use_id":"a","content":[`+repeat(n, `{"type":"text"}`)+`]}`)
	}},
	{"calls", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[` + repeat(n, `{"type":"tool_use","id":"a","name":"b","input":{}}`) + `]}]}`
	}},
	{"an input", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{"a":[` + repeat(n, `1`) + `]}}]}]}`
	}},
	{"tools", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],"tools":[` + repeat(n, `{"name":"a","input_schema":{}}`) + `]}`
	}},
	{"a format of many names", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{` + names(n) + `}}}}}`
	}},
	{"stop sequences", "anthropic", func(n int) string {
		return `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],"stop_sequences":[` + repeat(n, `""`) + `]}`
	}},
	{"marks", "anthropic", func(n int) string { return blocks(n, `{"type":"text","cache_control":{}}`) }},

	{"tiny messages", "responses", itemsOf(`{"role":"user","content":"a"}`)},
	{"nulls for items", "responses", itemsOf(`null`)},
	{"calls", "responses", itemsOf(`{"type":"function_call","call_id":"a","name":"b"}`)},
	{"calls of custom tools", "responses", itemsOf(`{"type":"custom_tool_call","call_id":"a","name":"b","input":""}`)},
	{"results of tools", "responses", itemsOf(`{"type":"function_call_output","call_id":"a","output":"b"}`)},
	{"thoughts", "responses", itemsOf(`{"type":"reasoning","encrypted_content":"a"}`)},
	{"pieces of a thought", "responses", func(n int) string {
		return `{"model":"m","input":[{"type":"reasoning","summary":[` + repeat(n, `{"text":"a"}`) + `]}]}`
	}},
	{"references", "responses", itemsOf(`{"type":"item_reference","id":"a"}`)},
	{"items of other kinds", "responses", itemsOf(`{"type":"a"}`)},
	{"parts", "responses", func(n int) string {
		return `{"model":"m","input":[{"role":"user","content":[` + repeat(n, `{"type":"input_text"}`) + `]}]}`
	}},
	{"parts of an answer", "responses", func(n int) string {
		return `{"model":"m","input":[{"role":"assistant","content":[` + repeat(n, `{"type":"output_text","text":"a"}`) + `]}]}`
	}},
	{"tools", "responses", func(n int) string {
		return `{"model":"m","input":"a","tools":[` + repeat(n, `{"type":"function","name":"a"}`) + `]}`
	}},
	{"custom tools", "responses", func(n int) string {
		return `{"model":"m","input":"a","tools":[` + repeat(n, `{"type":"custom","name":"a"}`) + `]}`
	}},
	{"words to include", "responses", func(n int) string { return `{"model":"m","input":"a","include":[` + repeat(n, `"a"`) + `]}` }},
	{"members", "responses", func(n int) string { return `{"model":"m","input":"a","x":{` + names(n) + `}}` }},
	{"members of what is known", "responses", func(n int) string {
		return `{"model":"m","input":"a","text":{` + names(n) + `},"reasoning":{` + names(n) + `}}`
	}},

	{"tiny turns", "gemini", turnsOf(`{"parts":{"text":"a"}}`)},
	{"turns in full", "gemini", turnsOf(`{"role":"user","parts":[{"text":"a"}]}`)},
	{"empty parts", "gemini", partsOf(`{}`)},
	{"texts", "gemini", partsOf(`{"text":""}`)},
	{"results", "gemini", partsOf(`{"functionResponse":{"name":"a"}}`)},
	{"results among texts", "gemini", partsOf(`{"text":"some more words"},{"functionResponse":{"name":"a","response":{}}}`)},
	{"calls without ids", "gemini", func(n int) string {
		return `{"contents":[{"role":"model","parts":[` + repeat(n, `{"functionCall":{"name":"a"}}`) + `]}]}`
	}},
	{"images", "gemini", partsOf(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`)},
	{"declarations", "gemini", func(n int) string {
		return `{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[` + repeat(n, `{"name":"a"}`) + `]}]}`
	}},
	{"unknown tools", "gemini", func(n int) string {
		return `{"contents":[{"parts":[{"text":"a"}]}],"tools":[` + repeat(n, `{"a":1}`) + `]}`
	}},
	{"a schema of many names", "gemini", func(n int) string {
		return `{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"a","parameters":{"type":"OBJECT","properties":{` + names(n) + `}}}]}]}`
	}},
	{"a deep schema", "gemini", func(n int) string {
		n = min(n/10, 4_000)
		return `{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"a","parameters":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}]}]}`
	}},
	{"members of the config", "gemini", func(n int) string {
		return `{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{` + names(n) + `}}`
	}},

	{"turns", "ollama", messagesOf(`{"role":"user"}`)},
	{"results", "ollama", messagesOf(`{"role":"tool"}`)},
	{"turns of the model", "ollama", messagesOf(`{"role":"assistant","thinking":"a","content":"a"}`)},
	{"calls without ids", "ollama", func(n int) string {
		return `{"model":"m","messages":[{"role":"assistant","tool_calls":[` + repeat(n, `{"function":{"name":"a"}}`) + `]}]}`
	}},
	{"images", "ollama", func(n int) string {
		return `{"model":"m","messages":[{"role":"user","images":[` + repeat(n, `"QQ=="`) + `]}]}`
	}},
	{"tools", "ollama", func(n int) string {
		return `{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[` + repeat(n, `{"function":{"name":"a"}}`) + `]}`
	}},
	{"options", "ollama", func(n int) string {
		return `{"model":"m","messages":[{"role":"user","content":"a"}],"options":{` + names(n) + `}}`
	}},

	{"a message", "rest", func(n int) string { return `{"userId":"u","message":"` + strings.Repeat("a", n) + `"}` }},
	{"members", "rest", func(n int) string { return `{"userId":"u","message":"a",` + names(n) + `}` }},
	{"lists", "rest", func(n int) string { return `{"userId":"u","message":"a","x":[` + repeat(n, `[]`) + `]}` }},
	{"members", "iagent", func(n int) string {
		return `{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"s","content_type":1,"content":"a",` + names(n) + `}`
	}},
	{"files", "iagent", func(n int) string {
		return `{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"s","content_type":2,"content":"{\"file_ids\":[` + repeat(n, `1`) + `]}"}`
	}},
	{"members", "chatnio", func(n int) string { return `{"type":"chat","message":"a",` + names(n) + `}` }},
}

func repeat(n int, one string) string {
	return strings.TrimSuffix(strings.Repeat(one+",", max(1, n/(len(one)+1))), ",")
}

func chatOf(one string) func(int) string {
	return func(n int) string { return `{"model":"m","messages":[` + repeat(n, one) + `]}` }
}

func messagesOf(one string) func(int) string {
	return func(n int) string { return `{"model":"m","max_tokens":1,"messages":[` + repeat(n, one) + `]}` }
}

func itemsOf(one string) func(int) string {
	return func(n int) string { return `{"model":"m","input":[` + repeat(n, one) + `]}` }
}

func turnsOf(one string) func(int) string {
	return func(n int) string { return `{"contents":[` + repeat(n, one) + `]}` }
}

func partsOf(one string) func(int) string {
	return func(n int) string { return `{"contents":[{"role":"user","parts":[` + repeat(n, one) + `]}]}` }
}

func content(n int, role, one string) string {
	return `{"model":"m","messages":[{"role":"` + role + `","tool_call_id":"a","content":[` + repeat(n, one) + `]}]}`
}

func blocks(n int, one string) string {
	return `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[` + repeat(n, one) + `]}]}`
}

func extra(more func(int) string) func(int) string {
	return func(n int) string { return `{"model":"m","messages":[{"role":"user","content":"a"}],` + more(n) + `}` }
}

func names(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `"%x":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}
