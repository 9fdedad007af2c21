package jsonx

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

func FuzzStringsEqualThoseOfTheStandardLibrary(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\b\f\x00\x1f\x7f", "<a href=\"x\">&</a>", "ключ \u2028\u2029 😀", "bad \xff\xc3 utf8 \xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := json.Marshal(s)
		if got := AppendHTMLString([]byte(nil), s); !bytes.Equal(got, want) {
			t.Fatalf("AppendHTMLString(%q) = %s, want %s", s, got, want)
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(s)
		if got := append(AppendString([]byte(nil), []byte(s)), '\n'); !bytes.Equal(got, buf.Bytes()) {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got, buf.Bytes())
		}
	})
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
