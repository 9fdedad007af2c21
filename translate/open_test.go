package translate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCallsWithoutResultsBecomeTextAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	text := func(s string) Part { return Part{Kind: PartText, Text: s} }
	call := func(id string) Part { return Part{Kind: PartToolCall, ID: id, Name: "f", Args: "{}"} }
	result := func(id string) Part { return Part{Kind: PartToolResult, ID: id, Text: "r"} }
	user := func(p ...Part) Message { return Message{Role: RoleUser, Parts: p} }
	model := func(p ...Part) Message { return Message{Role: RoleAssistant, Parts: p} }
	tool := func(p ...Part) Message { return Message{Role: RoleTool, Parts: p} }
	line, said := text("[tool call f {}]"), text("[tool result] r")
	for name, c := range map[string]struct{ msgs, want []Message }{
		"no call":                     {[]Message{user(text("a")), model(text("b"))}, nil},
		"a call with its result":      {[]Message{user(text("a")), model(call("1")), tool(result("1")), model(text("b"))}, nil},
		"two calls, two messages":     {[]Message{model(call("1"), call("2")), tool(result("2")), tool(result("1"))}, nil},
		"a call alone":                {[]Message{user(text("a")), model(call("1")), user(text("c"))}, []Message{user(text("a")), model(line), user(text("c"))}},
		"a call at the end":           {[]Message{user(text("a")), model(text("b"), call("1"))}, []Message{user(text("a")), model(text("b"), line)}},
		"one of two has a result":     {[]Message{model(call("1"), call("2")), tool(result("2"))}, []Message{model(line, call("2")), tool(result("2"))}},
		"a result too late":           {[]Message{model(call("1")), user(text("c")), tool(result("1"))}, []Message{model(line), user(text("c")), user(said)}},
		"a result alone":              {[]Message{tool(result("1")), user(text("c"))}, []Message{user(said), user(text("c"))}},
		"a result of another call":    {[]Message{model(call("1")), tool(result("2"))}, []Message{model(line), user(said)}},
		"a call without id or result": {[]Message{model(call("")), user(text("c"))}, []Message{model(line), user(text("c"))}},
	} {
		before := slices.Clone(c.msgs)
		got := Settled(c.msgs)
		want := c.want
		if want == nil {
			want = c.msgs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(before, c.msgs); diff != "" {
			t.Errorf("%s: the argument was changed\n%s", name, diff)
		}
	}
}
