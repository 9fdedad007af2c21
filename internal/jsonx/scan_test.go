package jsonx

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzScanAgreesWithTheStandardLibrary(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"a":1,"b":[true,false,null,-0.5e+3],"c":{"d":"e"}} `, `{"a":1,"a":2}`, `{"a":1,"A":2}`,
		`{"mod\u0065l":"x","model":"y"}`, `{"x":{"k":1,"K":2}}`, `[1]`, `{"a":01}`, `{"a":"\x"}`, `{"a":1,}`, `{"a" 1}`,
		`{"K":1,"k":2}`, `{"a":"` + "\n" + `"}`, `{"a":1}x`, `{"a":[1,]}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"\u12"}`, "{\"\xff\":1,\"\xfe\":2}",
		`{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "", "null",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, ok := Scan(body)
		trimmed := bytes.TrimLeft(body, " \t\r\n")
		want := json.Valid(body) && len(trimmed) > 0 && trimmed[0] == '{'
		if ok != want {
			t.Fatalf("Scan(%q) = %v, encoding/json says %v", body, ok, want)
		}
		m, ok2 := Members(body)
		if ok2 != ok {
			t.Fatalf("Members(%q) = %v, Scan says %v", body, ok2, ok)
		}
		if !ok {
			return
		}
		if len(m.Members) != len(o.Members) {
			t.Fatalf("Members found %d, Scan %d", len(m.Members), len(o.Members))
		}
		repeated := false
		keys := reference(t, json.NewDecoder(bytes.NewReader(body)), &repeated)
		if repeated != o.Repeated {
			t.Fatalf("Repeated of %q = %v, want %v", body, o.Repeated, repeated)
		}
		if len(keys) != len(o.Members) {
			t.Fatalf("%d members in %q, want %d", len(o.Members), body, len(keys))
		}
		for i, k := range keys {
			got := strings.ToValidUTF8(string(o.Members[i].Key), "\ufffd")
			if !bytes.Equal(o.Members[i].Key, m.Members[i].Key) || strings.ToValidUTF8(k, "\ufffd") != got && !strings.Contains(k, "\ufffd") {
				t.Fatalf("member %d of %q is %q, want %q", i, body, got, k)
			}
			if v := body[o.Members[i].Start:o.Members[i].End]; !json.Valid(v) || len(bytes.TrimSpace(v)) != len(v) {
				t.Fatalf("value %d of %q is %q", i, body, v)
			}
		}
	})
}

// reference reads one value token by token and returns the names of its
// outermost object.
func reference(t *testing.T, d *json.Decoder, repeated *bool) []string {
	t.Helper()
	tok, err := d.Token()
	if err != nil {
		t.Skip("the token reader has its own limits:", err)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	var keys []string
	for d.More() {
		if delim == '{' {
			k, err := d.Token()
			if err != nil {
				t.Skip("the token reader has its own limits:", err)
			}
			for _, old := range keys {
				if strings.EqualFold(old, k.(string)) {
					*repeated = true
				}
			}
			keys = append(keys, k.(string))
		}
		reference(t, d, repeated)
	}
	if _, err := d.Token(); err != nil {
		t.Skip("the token reader has its own limits:", err)
	}
	return keys
}

func TestScanNoticesARepeatedNameAmongMany(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"o":{`)
	for i := range 3 * manyKeys {
		b.WriteString(`"key`)
		b.WriteString(strings.Repeat("x", i))
		b.WriteString(`":1,`)
	}
	unique := b.String() + `"last":1}}`
	if o, ok := Scan([]byte(unique)); !ok || o.Repeated {
		t.Fatalf("unique names: ok %v, repeated %v", ok, o.Repeated)
	}
	twice := b.String() + `"KEYX":1}}`
	if o, ok := Scan([]byte(twice)); !ok || !o.Repeated {
		t.Fatalf("a repeated name: ok %v, repeated %v", ok, o.Repeated)
	}
}

func TestScanRefusesWhatIsNestedTooDeeply(t *testing.T) {
	t.Parallel()
	deep := `{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`
	if _, ok := Scan([]byte(deep)); ok || json.Valid([]byte(deep)) {
		t.Fatal("too deep a nesting was accepted")
	}
}

func TestFindReturnsTheLastOfTwo(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1,"b":2,"a":3}`)
	o, _ := Scan(body)
	if m := o.Find("a"); m == nil || string(body[m.Start:m.End]) != "3" {
		t.Fatalf("Find = %v", m)
	}
	if m := o.Find("c"); m != nil {
		t.Fatalf("Find of nothing = %v", m)
	}
}

func TestCleanStopsBeforeWhatAStringCannotHold(t *testing.T) {
	t.Parallel()
	for at := range 24 {
		for c := range 256 {
			s := bytes.Repeat([]byte{'a', 0x80, 0xff, ' ', '#', '!', '[', ']'}, 3)
			s[at] = byte(c)
			want := 24
			if c < ' ' || c == '"' || c == '\\' {
				want = at &^ 7
			}
			if got := clean(s); got != want {
				t.Fatalf("%#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}
