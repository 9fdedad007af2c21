package jsonx

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts parses each frame, an object with the text t, and joins what it says.
func texts(t *testing.T, p *Parser, frames ...string) string {
	t.Helper()
	all := ""
	for _, f := range frames {
		v, err := p.ParseBytes([]byte(f))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all += string(v.GetStringBytes("t"))
	}
	return all
}

func TestACharacterMayBeCutBetweenItsTwoEscapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		frames []string
		want   string
	}{
		{[]string{`{"t":"a\ud83d\ude00b"}`}, "a😀b"},
		{[]string{`{"t":"a\ud83d"}`, `{"t":"\ude00b"}`}, "a😀b"},
		{[]string{`{"t":"\uD83D"}`, `{"t":"\uDE00\ud83d"}`, `{"t":"\ude01"}`}, "😀😁"},
		{[]string{`{"t":"\ud83d"}`, `{"t":""}`, `{"x":1}`, `{"t":"\ude00"}`}, "😀"},
		{[]string{`{"t":"\\ud83d"}`, `{"t":"\\\\ude00"}`}, `\ud83d\\ude00`},
		{[]string{`{"t":"\u0041\udbff"}`, `{"t":"\udfff"}`}, "A\U0010ffff"},
		{[]string{`{"t":"\ud800"}`, `{"t":"\udc00"}`}, "\U00010000"},
		{[]string{`{"t":"\\\ud83d"}`, `{"t":"\ude00\\"}`}, `\😀\`},
		{[]string{`{"t":"\ude00x"}`}, "\ufffdx"},
	} {
		if got := texts(t, new(Parser), c.frames...); got != c.want {
			t.Errorf("%q: %q, want %q", c.frames, got, c.want)
		}
	}
	if got := texts(t, new(Parser), `{"t":"\ud83d"}`, `{"t":"x"}`); strings.ToValidUTF8(got, "") != "x" {
		t.Errorf("half a character became %q", got)
	}
}

// What encoding/json reads of a text without lone halves, this parser reads.
func FuzzEscapesAreReadAsTheStandardLibraryReadsThem(f *testing.F) {
	for _, s := range []string{`a\ud83d\ude00`, `\\ud83d`, `\"\\\u0041\u00e9`, `\ud83d`, `\ude00\ud83d\ude00`, `\u12`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := `{"t":"` + s + `"}`
		var want struct{ T string }
		if json.Unmarshal([]byte(text), &want) != nil || !utf8.ValidString(text) {
			return
		}
		v, err := new(Parser).ParseBytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := string(v.GetStringBytes("t"))
		if v.Exists("t") && !strings.ContainsRune(want.T, utf8.RuneError) && got != want.T && strings.Count(text, `"t"`) == 1 {
			t.Fatalf("%s is %q, want %q", text, got, want.T)
		}
	})
}
