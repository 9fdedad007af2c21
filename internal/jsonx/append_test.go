package jsonx

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func FuzzStringsEqualThoseOfTheStandardLibrary(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\b\f\x00\x1f\x7f", "<a href=\"x\">&</a>", "ключ \u2028\u2029 😀", "bad \xff\xc3 utf8 \xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(AppendHTMLString([]byte(nil), s)), standard(t, s, true); got != want {
			t.Fatalf("AppendHTMLString(%q) = %s, want %s", s, got, want)
		}
		if got, want := string(AppendString([]byte(nil), []byte(s))), standard(t, s, false); got != want {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got, want)
		}
	})
}

// standard is s as the standard library writes it.
func standard(t *testing.T, s string, html bool) string {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(html)
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(buf.String(), "\n")
}

func FuzzFloatsEqualThoseOfTheStandardLibrary(f *testing.F) {
	for _, v := range []float64{0, 1, -1, 0.1, 1e-7, 1e-10, 1e20, 1e21, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		want, _ := json.Marshal(v)
		if got := AppendFloat(nil, v); !bytes.Equal(got, want) {
			t.Fatalf("AppendFloat(%v) = %s, want %s", v, got, want)
		}
	})
}

// Words of eight bytes are looked at at once: each byte stands at each place of one, alone and
// among others of its kind.
func TestEachByteAtEachPlaceOfAWordIsWrittenAsTheStandardLibraryDoes(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for n := range 26 {
			for at := range n {
				for _, around := range []string{"a", "~", "\u00e9", string(rune(c))} {
					s := (strings.Repeat(around, at) + string([]byte{byte(c)}) + strings.Repeat(around, n))[:n]
					for html, append := range map[bool]func([]byte, string) []byte{false: AppendString[string], true: AppendHTMLString[string]} {
						if got, want := string(append(nil, s)), standard(t, s, html); got != want {
							t.Fatalf("%q is written %s, want %s", s, got, want)
						}
					}
				}
			}
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{
		"plain":   strings.Repeat("a question of plain words, ", 40),
		"quoted":  strings.Repeat("a \"question\" of\nlines, ", 40),
		"accent":  strings.Repeat("une question d'été, où ça, ", 40),
		"chinese": strings.Repeat("这是一个问题，", 40),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			dst := make([]byte, 0, 2*len(s))
			for b.Loop() {
				dst = AppendString(dst[:0], s)
			}
		})
	}
}
