package jsonx

import (
	"bytes"
	"encoding/json"
	"testing"
)

const piece = `{"id":"x","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`

func learnt(message, key, text string) *Template {
	t := new(Template)
	t.Learn([]byte(message), key, []byte(text))
	return t
}

func TestAMessageThatDiffersInOneStringIsKnown(t *testing.T) {
	t.Parallel()
	m := learnt(piece, "content", "one")
	for in, want := range map[string]string{
		`{"id":"x","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}`:               "",
		`{"id":"x","choices":[{"index":0,"delta":{"content":"zwölf {}"},"finish_reason":null}]}`:       "zwölf {}",
		`{"id":"x","choices":[{"index":0,"delta":{"content":"a\n\"b\"\\"},"finish_reason":null}]}`:     "a\n\"b\"\\",
		`{"id":"x","choices":[{"index":0,"delta":{"content":"\\\\\/\t\r\b\f"},"finish_reason":null}]}`: "\\\\/\t\r\b\f",
	} {
		got, _, ok := m.Match([]byte(in), nil)
		if !ok || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
}

func TestAMessageThatDiffersElsewhereIsNotKnown(t *testing.T) {
	t.Parallel()
	m := learnt(piece, "content", "one")
	for _, in := range []string{
		``, `{}`, `[DONE]`, piece[:len(piece)-1], piece[1:], piece + " ",
		`{"id":"y","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":"stop"}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"one","a":"b"},"finish_reason":null}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"\u0041"},"finish_reason":null}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"a` + "\n" + `"},"finish_reason":null}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"a\"},"finish_reason":null}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"a\x"},"finish_reason":null}]}`,
	} {
		if got, _, ok := m.Match([]byte(in), nil); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
	m.Forget()
	if _, _, ok := m.Match([]byte(piece), nil); ok {
		t.Error("it was forgotten")
	}
}

func TestWhatCouldBeAnotherStringIsNotLearnt(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{"content":"one","message":{"content":"one"}}`, // two of them
		`{"x\"content":"one"}`,                          // another name
		`{"c\u006fntent":"one","a":{"content":"one"}}`,  // two, one of them in escapes
		`{"content":["one"]}`, `{"content" :"one"}`, `{"content":"two"}`, `{"content":"o\u006ee"}`, `{}`, `"content":"one"`,
	} {
		if m := learnt(in, "content", "one"); m.before != 0 {
			t.Errorf("%s was learnt", in)
		}
	}
}

// FuzzTemplate makes sure that what is read by a template is what a parser reads.
func FuzzTemplate(f *testing.F) {
	f.Add([]byte(piece), []byte(`{"id":"x","choices":[{"index":0,"delta":{"content":"two\n"},"finish_reason":null}]}`))
	f.Add([]byte(`{"a":{"content":"b"},"c":1}`), []byte(`{"a":{"content":"\\"},"c":1}`))
	f.Add([]byte(`{"content":"","content":""}`), []byte(`{"content":"","content":""}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var a, b any
		if json.Unmarshal(first, &a) != nil {
			return
		}
		old, ok := contentOf(a)
		if !ok {
			return
		}
		var m Template
		m.Learn(first, "content", []byte(old))
		got, _, ok := m.Match(second, []byte("before"))
		if !ok {
			return
		}
		if err := json.Unmarshal(second, &b); err != nil {
			t.Fatalf("%q is not JSON after %q: %v", second, first, err)
		}
		want, ok := contentOf(b)
		if got := bytes.ToValidUTF8(got, []byte("\ufffd")); !ok || string(got) != want && bytes.ContainsRune([]byte(want), '\ufffd') == false {
			t.Errorf("%q after %q: %q, want %q", second, first, got, want)
		}
	})
}

// contentOf is the only member called content, at any depth.
func contentOf(v any) (text string, ok bool) {
	found := 0
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if s, is := e.(string); k == "content" && is {
					text = s
					found++
				}
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return text, found == 1
}

func BenchmarkTemplate(b *testing.B) {
	m := learnt(piece, "content", "one")
	msg := []byte(`{"id":"x","choices":[{"index":0,"delta":{"content":"some more words"},"finish_reason":null}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := m.Match(msg, nil); !ok {
			b.Fatal("not known")
		}
	}
}
