package translate

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestTheMembersThatARefusalNamesAreFound(t *testing.T) {
	table, err := os.ReadFile("testdata/unknown.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(table)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		part := strings.SplitN(line, "|", 3)
		if rows++; len(part) != 3 {
			t.Fatalf("%q has not got three parts", line)
		}
		want := strings.Fields(part[1])
		got := UnknownMembers([]byte(strings.TrimSpace(part[2])))
		if got = slices.DeleteFunc(got, func(s string) bool { return !mayOmit(s) && !slices.Contains(want, s) }); !slices.Equal(got, want) && !sameWithin(got, want) {
			t.Errorf("%s: got %q, want %q", strings.TrimSpace(part[0]), got, want)
		}
	}
	if rows < 40 {
		t.Errorf("the table has %d rows", rows)
	}
}

// sameWithin reports whether got has all of want, and beside it only words that no question has.
func sameWithin(got, want []string) bool {
	known := []string{"stream_options", "temperature", "top_p", "top_k", "seed", "user", "stop", "logprobs", "max_tokens", "max_completion_tokens", "reasoning_effort", "parallel_tool_calls", "thinking"}
	for _, w := range want {
		if !slices.Contains(got, w) {
			return false
		}
	}
	return !slices.ContainsFunc(got, func(g string) bool { return !slices.Contains(want, g) && slices.Contains(known, g) })
}

func TestOnlyMembersThatMayBeLeftOutOfAQuestionAre(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"user","content":"a","name":"n"},{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[]}],` +
		`"stream":true,"stream_options":{"include_usage":true},"max_tokens":7,"temperature":0.50,"reasoning_effort":"low","tools":[{"type":"function","function":{"name":"f","strict":true}}]}`
	for _, c := range []struct{ named, want, left string }{
		{"model messages tools stream messages[].role messages[].content messages[].tool_calls tools[].function.name seed", "", ""},
		{"stream_options", "stream_options", strings.Replace(body, `"stream_options":{"include_usage":true},`, "", 1)},
		{"stream_options.include_usage", "stream_options.include_usage", strings.Replace(body, `"stream_options":{"include_usage":true},`, "", 1)},
		{"temperature max_tokens", "temperature max_tokens", strings.NewReplacer(`"max_tokens":7,`, "", `"temperature":0.50,`, "", `}}]}`, `}}],"max_completion_tokens":7}`).Replace(body)},
		{"thinking", "reasoning_effort", strings.Replace(body, `"reasoning_effort":"low",`, "", 1)},
		{"tools[].function.strict", "tools[].function.strict", strings.Replace(body, `,"strict":true`, "", 1)},
		{"messages[].assistant.reasoning_content messages[].name", "messages[].assistant.reasoning_content messages[].name", strings.NewReplacer(`,"name":"n"`, "", `"reasoning_content":"hm",`, "").Replace(body)},
	} {
		found := Omissible([]byte(body), strings.Fields(c.named))
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%s: may omit %q, want %q", c.named, got, c.want)
		}
		if len(found) == 0 {
			continue
		}
		left, omitted := Omit([]byte(body), found)
		if string(left) != c.left {
			t.Errorf("%s:\ngot  %s\nwant %s", c.named, left, c.left)
		}
		if wantNamed := strings.ReplaceAll(c.want, " max_tokens", ""); strings.Join(omitted, " ") != wantNamed {
			t.Errorf("%s: names %q, want %q", c.named, omitted, wantNamed)
		}
	}
}

func FuzzUnknownMembers(f *testing.F) {
	table, err := os.ReadFile("testdata/unknown.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if part := strings.SplitN(line, "|", 3); len(part) == 3 {
			f.Add([]byte(part[2]))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		named := UnknownMembers(body)
		if len(named) > maxUnknown {
			t.Errorf("%d members", len(named))
		}
		Omit(body, Omissible(body, named))
	})
}
