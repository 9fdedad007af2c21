package translate

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// FuzzObject makes sure that an object is read as encoding/json reads it.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"text":"a","yes":true,"maybe":false,"raw":[1, {"a":2}],"n":3,"f":1e3,"wide":-5}`, `{"TEXT":"a","text":null,"n":null}`,
		`{"text":"\u00e9\ud83d\ude00\ud83d\n\"\\\/\b\f\r\t","text":"b"}`, "{\"text\":\"a\xffb\"}", `{"\u0074ext":"a"}`, `{"text":1}`, `{"n":1.5}`, `{"n":"1"}`, `{"yes":"true"}`,
		`{"maybe":0}`, `{"f":1e999}`, `{"wide":99999999999999999999}`, `{"text":"\udc00\ud800\ud800\udc00"}`, ` { "raw" : null , "x":[] } `, `{"ſtext":1,"K":1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		type value struct {
			Text  string
			Yes   bool
			Maybe *bool
			Raw   json.RawMessage
			N     *int
			Wide  *int64
			F     *float64
		}
		var want, got value
		raw := strings.Trim(text, " \t\r\n")
		if !json.Valid([]byte(raw)) || raw == "null" {
			t.Skip()
		}
		wrong := json.Unmarshal([]byte(raw), &want)
		var lent Raw
		err := Object("", []byte(raw), []Field{
			{Name: "text", To: &got.Text}, {Name: "yes", To: &got.Yes}, {Name: "maybe", To: &got.Maybe}, {Name: "raw", To: &lent}, {Name: "n", To: &got.N}, {Name: "wide", To: &got.Wide}, {Name: "f", To: &got.F},
		})
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%s: %v, encoding/json says %v", raw, err, wrong)
		}
		if got.Raw = json.RawMessage(lent); err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %+v, encoding/json says %+v", raw, got, want)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%T", err)
		}
	})
}

// Raw lies in the text that it was read from. encoding/json does not promise that, but a
// text must not be copied at each level of what is in it.
func TestRawIsNoCopy(t *testing.T) {
	t.Parallel()
	text := []byte(`{"a":[1,2,3]}`)
	var v struct {
		A Raw `json:"a"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if string(v.A) != "[1,2,3]" || unsafe.SliceData(v.A) != &text[5] {
		t.Errorf("%s is a copy", v.A)
	}
}

func TestCompactIsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		` { "a b" : [ 1 , "x \" y" , { } ] , "c" :true } `: `{"a b":[1,"x \" y",{}],"c":true}`,
		`{}`: `{}`, "{\n\t\"a\":\r\n-1.5e3}": `{"a":-1.5e3}`, `{"a":1}`: `{"a":1}`,
	} {
		if got := jsonx.Compact([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
