package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// odd reads frames, one on each line, as a stream that then ends, and tells what came of it.
func odd(frames string, whole bool) string {
	d := Dialect.NewDecoder(&translate.Request{}).(*decoder)
	var a translate.Answer
	add := func(evs []translate.Event, err error) string {
		for _, ev := range evs {
			a.Add(ev)
		}
		if err != nil {
			return "error: " + err.Error()
		}
		return ""
	}
	if whole {
		if bad := add(d.DecodeWhole(nil, 200, []byte(frames))); bad != "" {
			return bad
		}
	} else {
		for frame := range strings.Lines(frames) {
			if bad := add(d.Decode(nil, []byte(strings.TrimSpace(frame)))); bad != "" {
				return said(&a) + bad
			}
		}
		if !d.Done() {
			if !d.Complete() {
				return said(&a) + "cut"
			}
			add(d.End(nil), nil)
		}
	}
	if a.Sequence != "" {
		return said(&a) + fmt.Sprintf("finish %s %s", a.Finish, a.Sequence)
	}
	return said(&a) + fmt.Sprintf("finish %s", a.Finish)
}

func said(a *translate.Answer) string {
	a.Settle()
	var s strings.Builder
	for _, p := range a.Parts {
		switch p.Kind {
		case translate.PartToolCall:
			fmt.Fprintf(&s, "%s(%s)#%s ", p.Name, p.Args, p.ID)
		case translate.PartReasoning:
			fmt.Fprintf(&s, "<%s> ", p.Text)
		default:
			fmt.Fprintf(&s, "%q ", p.Text)
		}
	}
	return s.String()
}

const (
	began   = `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"up","content":[],"stop_reason":null,"usage":{"input_tokens":1}}}` + "\n"
	part    = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n" + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"part"}}` + "\n" + `{"type":"content_block_stop","index":0}` + "\n"
	stopped = `{"type":"message_stop"}`
)

func block(index int, v string) string {
	return fmt.Sprintf(`{"type":"content_block_start","index":%d,"content_block":%s}`+"\n", index, v)
}

func piece(index int, args string) string {
	return fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":{"type":"input_json_delta","partial_json":%q}}`+"\n", index, args)
}

func over(index int) string {
	return fmt.Sprintf(`{"type":"content_block_stop","index":%d}`+"\n", index)
}

func reason(word string) string {
	return `{"type":"message_delta","delta":{"stop_reason":"` + word + `","stop_sequence":"END"},"usage":{"output_tokens":2}}` + "\n"
}

func TestStreamsAsServersOfThisDialectReallySendThem(t *testing.T) {
	t.Parallel()
	const call = `{"type":"tool_use","id":"a","name":"f","input":{}}`
	full := block(0, call) + piece(0, `{"x":1}`) + over(0)
	for name, c := range map[string]struct{ frames, want string }{
		"a call and end_turn":                  {full + reason("end_turn") + stopped, `f({"x":1})#a finish tool`},
		"a call and stop":                      {full + reason("stop") + stopped, `f({"x":1})#a finish tool`},
		"a call and tool_calls":                {full + reason("tool_calls") + stopped, `f({"x":1})#a finish tool`},
		"a call and stop_sequence":             {full + reason("stop_sequence") + stopped, `f({"x":1})#a finish tool`},
		"a call and no reason":                 {full + stopped, `f({"x":1})#a finish tool`},
		"a call and max_tokens":                {full + reason("max_tokens") + stopped, `f({"x":1})#a finish length`},
		"an input that is a text":              {block(0, `{"type":"tool_use","id":"a","name":"f","input":"{\"x\":1}"}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"an input at the start":                {block(0, `{"type":"tool_use","id":"a","name":"f","input":{"x":1}}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"an input at the start and in pieces":  {block(0, `{"type":"tool_use","id":"a","name":"f","input":{"x":1}}`) + piece(0, `{"x":`) + piece(0, `1}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"a text at the start and pieces":       {block(0, `{"type":"tool_use","id":"a","name":"f","input":"{\"x\":1}"}`) + piece(0, `{"x":1}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"no input before the input":            {block(0, call) + piece(0, `{}`) + piece(0, `{"x":`) + piece(0, `1}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"null for the input":                   {block(0, call) + piece(0, `null`) + over(0) + reason("tool_use") + stopped, `f({})#a finish tool`},
		"an input that is written as a text":   {block(0, call) + piece(0, `"{\"x\"`) + piece(0, `:1}"`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"a text in place of an input":          {block(0, call) + piece(0, `"x"`) + over(0) + reason("tool_use") + stopped, `f("x")#a finish tool`},
		"the same id for all calls":            {full + block(1, `{"type":"tool_use","id":"a","name":"g","input":{}}`) + piece(1, `{"y":2}`) + over(1) + reason("tool_use") + stopped, `f({"x":1})#a g({"y":2})#toolu_m1_1 finish tool`},
		"a whole message as one event":         {`{"id":"m1","type":"message","role":"assistant","model":"up","content":[{"type":"text","text":"a"}],"stop_reason":"max_tokens"}`, `"a" finish length`},
		"an input that is null":                {block(0, `{"type":"tool_use","id":"a","name":"f","input":null}`) + over(0) + reason("tool_use") + stopped, `f({})#a finish tool`},
		"an input that is an empty text":       {block(0, `{"type":"tool_use","id":"a","name":"f","input":""}`) + over(0) + reason("tool_use") + stopped, `f({})#a finish tool`},
		"a call that is not stopped":           {block(0, call) + reason("tool_use") + stopped, `f({})#a finish tool`},
		"calls that are not stopped":           {block(0, call) + block(1, `{"type":"tool_use","id":"b","name":"g","input":{"y":2}}`) + reason("tool_use") + stopped, `f({})#a g({"y":2})#b finish tool`},
		"calls that all have the index 0":      {full + block(0, `{"type":"tool_use","id":"b","name":"g","input":{}}`) + piece(0, `{"y":2}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a g({"y":2})#b finish tool`},
		"a call with an empty id":              {block(0, `{"type":"tool_use","id":"","name":"f","input":{}}`) + over(0) + reason("tool_use") + stopped, `f({})#toolu_m1_0 finish tool`},
		"two calls without an id":              {block(0, `{"type":"tool_use","name":"f"}`) + block(1, `{"type":"tool_use","name":"f"}`) + reason("tool_use") + stopped, `f({})#toolu_m1_0 f({})#toolu_m1_1 finish tool`},
		"a call without a name":                {part + block(1, `{"type":"tool_use","id":"a","name":"","input":{}}`) + piece(1, `{}`) + over(1) + reason("tool_use") + stopped, `"part" finish stop`},
		"a failure as the reason":              {part + reason("error") + stopped, `"part" error: `},
		"a network error as the reason":        {part + reason("network_error") + stopped, `"part" error: `},
		"a filter of another vendor":           {part + reason("content_filter") + stopped, `"part" finish filter`},
		"a sensitive answer":                   {part + reason("sensitive") + stopped, `"part" finish filter`},
		"SAFETY":                               {part + reason("SAFETY") + stopped, `"part" finish filter`},
		"length":                               {part + reason("length") + stopped, `"part" finish length`},
		"MAX_TOKENS":                           {part + reason("MAX_TOKENS") + stopped, `"part" finish length`},
		"a stop sequence":                      {part + reason("stop_sequence") + stopped, `"part" finish sequence END`},
		"a reason of its own":                  {part + reason("eos") + stopped, `"part" finish stop`},
		"the last reason counts":               {part + reason("end_turn") + part + reason("max_tokens") + stopped, `"partpart" finish length`},
		"a call behind the reason":             {part + reason("end_turn") + block(1, call) + piece(1, `{"x":1}`) + over(1) + stopped, `"part" f({"x":1})#a finish tool`},
		"no message_stop":                      {part + reason("end_turn"), `"part" finish stop`},
		"[DONE] in the place of message_stop":  {part + reason("end_turn") + "[DONE]", `"part" finish stop`},
		"[DONE] behind message_stop":           {part + reason("end_turn") + stopped + "\n[DONE]", `"part" finish stop`},
		"nothing behind the text":              {part, `"part" cut`},
		"pings in other forms":                 {"ping\nnull\n" + `{"type":"ping"}` + "\n" + part + reason("end_turn") + stopped, `"part" finish stop`},
		"an error with a type":                 {part + `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, `"part" error: `},
		"an error that is a text":              {part + `{"type":"error","message":"gone"}`, `"part" error: `},
		"an error without a type":              {part + `{"error":{"code":502,"message":"gone"}}`, `"part" error: `},
		"words alone":                          {part + `{"message":"Overloaded"}`, `"part" error: `},
		"a code and words":                     {part + `{"code":"Throttling","message":"too fast"}`, `"part" error: `},
		"an error within a delta":              {part + `{"type":"message_delta","delta":{"stop_reason":null},"error":{"message":"gone"}}`, `"part" error: `},
		"an error that holds nothing":          {`{"type":"ping","error":null}` + "\n" + part + `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"error":{}}` + "\n" + stopped, `"part" finish stop`},
		"an error that holds nothing, untyped": {part + `{"error":null}` + "\n" + reason("end_turn") + stopped, `"part" finish stop`},
		"calls in turns":                       {block(0, call) + block(1, `{"type":"tool_use","id":"b","name":"g","input":{}}`) + piece(0, `{"x":`) + piece(1, `{"y":2}`) + piece(0, `1}`) + over(0) + over(1) + reason("tool_use") + stopped, `f({"x":1})#a g({"y":2})#b finish tool`},
		"calls of one index, not stopped":      {block(0, call) + block(0, `{"type":"tool_use","id":"b","name":"g","input":{}}`) + piece(0, `{"y":2}`) + reason("tool_use") + stopped, `f({})#a g({"y":2})#b finish tool`},
		"a piece that is the input itself":     {block(0, call) + `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":{"x":1}}}` + "\n" + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"an input, an empty one behind it":     {block(0, `{"type":"tool_use","id":"a","name":"f","input":{"x":1}}`) + piece(0, `{}`) + over(0) + reason("tool_use") + stopped, `f({"x":1})#a finish tool`},
		"events without their types":           {strings.NewReplacer(`"type":"content_block_delta",`, "", `"type":"content_block_start",`, "", `"type":"message_delta",`, "").Replace(part+reason("end_turn")) + stopped, `"part" finish stop`},
		"the reason in message_start":          {strings.Replace(began, `"stop_reason":null`, `"stop_reason":"end_turn"`, 1) + part + stopped, `"part" finish stop`},
	} {
		frames := began + c.frames
		if strings.HasPrefix(c.frames, `{"type":"message_start"`) {
			frames = c.frames
		}
		got := odd(frames, false)
		if i := strings.Index(got, "error: "); i >= 0 {
			got = got[:i+len("error: ")]
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestBodiesAsServersOfThisDialectReallySendThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, reason, want string }{
		"a call and end_turn":       {`[{"type":"tool_use","id":"a","name":"f","input":{"x":1}}]`, `"end_turn"`, `f({"x":1})#a finish tool`},
		"a call and stop_sequence":  {`[{"type":"tool_use","id":"a","name":"f","input":{"x":1}}]`, `"stop_sequence"`, `f({"x":1})#a finish tool`},
		"a call and no reason":      {`[{"type":"tool_use","id":"a","name":"f","input":{"x":1}}]`, `null`, `f({"x":1})#a finish tool`},
		"an input that is a text":   {`[{"type":"tool_use","id":"a","name":"f","input":"{\"x\":1}"}]`, `"tool_use"`, `f({"x":1})#a finish tool`},
		"a call with an empty id":   {`[{"type":"tool_use","id":"","name":"f","input":{}}]`, `"tool_use"`, `f({})#toolu_m1_0 finish tool`},
		"the same id for all calls": {`[{"type":"tool_use","id":"a","name":"f","input":{"x":1}},{"type":"tool_use","id":"a","name":"g","input":{"y":2}}]`, `"tool_use"`, `f({"x":1})#a g({"y":2})#toolu_m1_1 finish tool`},
		"a call without a name":     {`[{"type":"text","text":"a"},{"type":"tool_use","id":"a","name":""}]`, `"tool_use"`, `"a" finish stop`},
		"a failure as the reason":   {`[{"type":"text","text":"a"}]`, `"error"`, `error: `},
		"a filter":                  {`[{"type":"text","text":"a"}]`, `"content_filter"`, `"a" finish filter`},
		"a content that is a text":  {`"a"`, `"end_turn"`, `"a" finish stop`},
		"a content of texts":        {`["a",{"type":"text","text":"b"}]`, `"end_turn"`, `"ab" finish stop`},
		"one block that is no list": {`{"type":"text","text":"a"}`, `"end_turn"`, `"a" finish stop`},
		"a content that is null":    {`null`, `"end_turn"`, `finish stop`},
		"a content that is missing": {`7`, `"end_turn"`, `error: `},
	} {
		got := odd(`{"id":"m1","type":"message","role":"assistant","model":"up","content":`+c.content+`,"stop_reason":`+c.reason+`,"error":null}`, true)
		if i := strings.Index(got, "error: "); i >= 0 {
			got = got[:i+len("error: ")]
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
