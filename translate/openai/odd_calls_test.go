package openai

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// another is an event of the choice with that index.
func another(index, event string) string {
	return strings.Replace(event, `"choices":[{"index":0`, `"choices":[{"index":`+index, 1)
}

var oddCalls = []struct {
	name   string
	frames []string
	want   string
}{
	{"the same id for all calls", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(1, "a", "g", `{"y":2}`)), end}, `f#a{"x":1} | g#call_c1_1{"y":2} | tool`},
	{"the same id and index", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(0, "a", "g", `{"y":2}`)), end}, `f#a{"x":1} | g#call_c1_1{"y":2} | tool`},
	{"the same id and no index", []string{calls(bare(tc(0, "a", "f", `{"x":1}`)), bare(tc(0, "a", "f", `{"y":2}`))), end}, `f#a{"x":1} | f#call_c1_1{"y":2} | tool`},
	{"the same id, and pieces", []string{calls(tc(0, "a", "f", `{"x":`)), calls(tc(0, "a", "-", `1}`)), calls(tc(0, "a", "g", `{"y"`)), calls(tc(0, "a", "-", `:2}`)), end}, `f#a{"x":1} | g#call_c1_1{"y":2} | tool`},
	{"a call that is said twice", []string{calls(tc(0, "a", "f", `{"x":`)), calls(tc(0, "a", "-", `1}`)), calls(tc(0, "a", "f", `{"x": 1}`)), end}, `f#a{"x":1} | tool`},
	{"more than the end of its arguments", []string{calls(tc(0, "a", "f", `{"x":1}`)), calls(tc(0, "a", "f", `}`)), end}, `f#a{"x":1} | tool`},
	{"no arguments before the arguments", []string{calls(tc(0, "a", "f", `{}`)), calls(tc(0, "-", "-", `{"x":`)), calls(tc(0, "-", "-", `1}`)), end}, `f#a{"x":1} | tool`},
	{"an object without members before one with some", []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":{}}}`), calls(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}`), end}, `f#a{"x":1} | tool`},
	{"null before the arguments", []string{calls(tc(0, "a", "f", `null`)), calls(tc(0, "-", "-", `{"x":1}`)), end}, `f#a{"x":1} | tool`},
	{"null for arguments", []string{calls(tc(0, "a", "f", `null`)), end}, `f#a{} | tool`},
	{"white space for arguments", []string{calls(tc(0, "a", "f", ` `)), end}, `f#a{} | tool`},
	{"arguments that are written as a text", []string{calls(tc(0, "a", "f", `"{\"x\":1}"`)), end}, `f#a{"x":1} | tool`},
	{"such arguments in pieces", []string{calls(tc(0, "a", "f", `"{\"x`)), calls(tc(0, "-", "-", `\":1}"`)), c(`{}`, "tool_calls"), end}, `f#a{"x":1} | tool`},
	{"a text for arguments", []string{calls(tc(0, "a", "f", `"x"`)), end}, `f#a"x" | tool`},
	{"a call without arguments before one with some", []string{calls(tc(0, "a", "f", `{}`)), calls(tc(1, "b", "g", `{"y":2}`)), end}, `f#a{} | g#b{"y":2} | tool`},
	{"two calls of a tool, the first without arguments", []string{calls(tc(0, "a", "f", `{}`)), calls(tc(0, "b", "f", `{"y":2}`)), end}, `f#a{} | f#b{"y":2} | tool`},

	{"the only choice is not the first", []string{another("1", c(`{"content":"x"}`)), another("1", c(`{}`, "length")), end}, "x | length"},
	{"the only choice is before the first", []string{another("-1", c(`{"content":"x"}`, "stop")), end}, "x | stop"},
	{"another choice behind the first", []string{c(`{"content":"x"}`), another("1", c(`{"content":"y"}`, "stop")), c(`{}`, "length"), end}, "x | length"},

	{"the words of sound", []string{c(`{"content":null,"audio":{"id":"a","transcript":"hel"}}`), c(`{"audio":{"data":"UklGRg=="}}`), c(`{"audio":{"transcript":"lo"}}`, "stop"), end}, "hello | stop"},
	{"the words of sound beside a text", []string{c(`{"content":"hello","audio":{"transcript":"hello"}}`, "stop"), end}, "hello | stop"},
	{"an error in a delta", []string{c(`{"content":"part"}`), c(`{"error":{"code":429,"message":"slow"}}`), end}, "part | ERROR 429"},
	{"an error in a message", []string{c(`{"content":"part"}`), `{"choices":[{"index":0,"delta":{"role":"assistant","error":"gone"}}]}`, end}, "part | ERROR 502"},
	{"an Error", []string{c(`{"content":"part"}`), `{"Error":{"Message":"gone"}}`, end}, "part | ERROR 502"},
	{"an exception", []string{c(`{"content":"part"}`), `{"exception":"gone"}`, end}, "part | ERROR 502"},
	{"a fault", []string{c(`{"content":"part"}`), `{"fault":{"faultstring":"gone"}}`, end}, "part | ERROR 502"},
	{"a statusCode", []string{c(`{"content":"part"}`), `{"statusCode":500,"message":"gone"}`, end}, "part | ERROR 502"},
	{"a purse for the reason", []string{c(`{"content":"part"}`), c(`{}`, "quota_exceeded"), end}, "part | ERROR 502"},
}

func TestOddCallsAreToldApart(t *testing.T) {
	t.Parallel()
	for _, s := range oddCalls {
		got := told(Dialect.NewDecoder(&translate.Request{}), s.frames...)
		if got = strings.TrimSuffix(got, " | no reason"); got != s.want {
			t.Errorf("%s: %s\n     want %s", s.name, got, s.want)
		}
	}
}

func TestOddCallsOfABodyAreToldApart(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		`{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"a","function":{"name":"g","arguments":"{\"y\":2}"}}`:  `f#a{"x":1} | g#call_c1_1{"y":2} | tool`,
		`{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"a","function":{"name":"f","arguments":"{\"x\": 1}"}}`: `f#a{"x":1} | tool`,
		`{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"function":{"name":"g","arguments":"{\"y\":2}"}}`:           `f#a{"x":1} | g#call_c1_1{"y":2} | tool`,
		`{"id":"a","function":{"name":"f","arguments":"\"{\\\"x\\\":1}\""}}`:                                                     `f#a{"x":1} | tool`,
		`{"id":"a","function":{"name":"f","arguments":"null"}},{"id":"b","function":{"name":"f","arguments":"{}"}}`:              `f#a{} | f#b{} | tool`,
	} {
		if got := toldWhole(`{"id":"c1","choices":[{"index":0,"message":{"tool_calls":[` + list + `]},"finish_reason":"tool_calls"}]}`); got != want {
			t.Errorf("%s: %s\n     want %s", list, got, want)
		}
	}
}

func TestOtherChoicesThatWereAskedForAreAwaited(t *testing.T) {
	t.Parallel()
	req := &translate.Request{PassThrough: true}
	req.Params.Choices = 2
	d := Dialect.NewDecoder(req).(*decoder)
	for _, s := range []struct {
		frame  string
		awaits bool
	}{
		{c(`{"content":"x"}`), true}, {c(`{}`, "stop"), true}, {another("1", c(`{"content":"y"}`)), true}, {another("1", c(`{}`, "stop")), false},
	} {
		if _, err := d.Decode(nil, []byte(s.frame)); err != nil || d.Awaits() != s.awaits {
			t.Errorf("%s: awaits %v, %v", s.frame, d.Awaits(), err)
		}
	}
	if alone := Dialect.NewDecoder(&translate.Request{PassThrough: true}).(*decoder); alone.Awaits() {
		t.Error("one that was asked for awaits others")
	}
}
