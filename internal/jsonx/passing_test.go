package jsonx

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// passing is what a Passing makes of text that comes in pieces of so many bytes.
func passing(text string, size int, keep ...string) *Passing {
	p := &Passing{Keep: keep}
	for len(text) > 0 {
		n := min(size, len(text))
		_, _ = p.Write([]byte(text[:n]))
		text = text[n:]
	}
	return p
}

func TestObjectsOfAListThatGoesByAreCounted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`{"data":[{"a":[{}]},{"b":"},{"}, {} ],"of":[{},{}]}`: 3,
		`{"data":[]}`:                         0,
		`{"data":{"a":{},"b":{}}}`:            0,
		`{"data":[[{}],1,"{"]}`:               0,
		`{"x":{"data":[{}]},"data":[{}]}`:     1,
		`{"data":[{},{}],"data":[{}]}`:        1,
		`{"usage":{"data":[{}]},"data":null}`: 0,
		`{"data":[{},{}`:                      2,
	} {
		for _, size := range []int{1, 3, 1 << 20} {
			p := &Passing{Keep: []string{"usage"}, Count: "data"}
			for rest := text; len(rest) > 0; {
				n := min(size, len(rest))
				_, _ = p.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			if got := p.Counted(); got != want {
				t.Errorf("%s in pieces of %d has %d", text, size, got)
			}
		}
	}
}

func TestMembersAreKeptOfAnObjectThatGoesBy(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", mostPassing) + `"`
	for _, c := range []struct{ text, usage, err string }{
		{`{"data":[{"usage":7}],"usage" : {"prompt_tokens":8} ,"model":"m"}`, `{"prompt_tokens":8}`, ""},
		{`{"usage":1,"usage":{"a":[1,2,"},{"]}}`, `{"a":[1,2,"},{"]}`, ""},
		{` { "error" : "it \"broke\" {" , "usage":null}` + "\n", `null`, `"it \"broke\" {"`},
		{`{"usage":` + long + `,"error":{}}`, "", "{}"},
		{`{"x":"usage","y":"\\","usage":[ ]}`, "[ ]", ""},
		{`{}`, "", ""},
	} {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			p := passing(c.text, size, "usage", "error")
			if usage, err := string(p.Member("usage")), string(p.Member("error")); usage != c.usage || err != c.err || !p.Over() {
				t.Errorf("%.60s in pieces of %d: %q %q over %v", c.text, size, usage, err, p.Over())
			}
		}
	}
	for _, text := range []string{``, `{`, `[]`, `{"usage":"}`, `{"a":{}`, `{} {}`, `x{}`, `RIFF`} {
		if passing(text, 1, "usage").Over() {
			t.Errorf("%q is taken for a whole object", text)
		}
	}
}

// Whatever is JSON is read as encoding/json reads it, wherever it is cut.
func FuzzPassing(f *testing.F) {
	f.Add([]byte(`{"data":[1.5,{"usage":2}],"usage":{"a":"\"}"},"b":"\\"}`), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			size = 1
		}
		p := passing(string(text), size, "usage")
		var all map[string]json.RawMessage
		if json.Unmarshal(text, &all) != nil || all == nil {
			return
		}
		o, ok := Scan(text)
		if !p.Over() {
			t.Fatalf("%q is not over", text)
		}
		if m := o.Find("usage"); ok && !o.Repeated && m != nil && m.End-m.Start <= mostPassing && !bytes.Equal(p.Member("usage"), text[m.Start:m.End]) && !bytes.Contains(text, []byte(`\u`)) {
			t.Fatalf("%q: %q", text, p.Member("usage"))
		}
	})
}
