package fold

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"text/template"
)

var talk = Talk{System: "be <brief>", History: []Turn{{"user", "one"}, {"assistant", "two & \"three\""}, {"user", ""}}, Message: "gruß"}

// both executes text here and by text/template.
func both(text string, talk Talk) (here, there string, errHere, errThere error) {
	var a, b bytes.Buffer
	t, errHere := Parse(text)
	if errHere == nil {
		errHere = t.Execute(&a, talk)
	}
	std, errThere := template.New("fold").Parse(text)
	if errThere == nil {
		errThere = std.Execute(&b, talk)
	}
	return a.String(), b.String(), errHere, errThere
}

// same reports whether text comes to the same here and there.
func same(t *testing.T, text string, talk Talk) {
	t.Helper()
	here, there, errHere, errThere := both(text, talk)
	if (errHere == nil) != (errThere == nil) || errHere == nil && here != there {
		t.Errorf("%s\nhere  %q, %v\nthere %q, %v", text, here, errHere, there, errThere)
	}
}

func TestATemplateMakesWhatTheStandardLibraryMakesOfIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `plain`, `{{.System}}`, `{{.}}`, `{{.History}}`, `{{/* nothing */}}x`, `{{- .Message -}} y`,
		`{{if .System}}a{{else}}b{{end}}`, `{{if not .System}}a{{else if .History}}b{{end}}`, `{{with .System}}<{{.}}>{{end}}`, `{{with ""}}a{{else with .Message}}{{.}}{{end}}`,
		`{{with $x := .System}}{{$x}}{{end}}`, `{{range .History}}{{.Role}}: {{.Text}}|{{end}}`, `{{range $i, $m := .History}}{{$i}}{{$m.Text}}{{$.System}}{{end}}`,
		`{{range $m := .History}}{{$m}}{{else}}none{{end}}`, `{{range slice .History 0 0}}a{{else}}none{{end}}`, `{{range $i := 3}}{{$i}}{{end}}`, `{{range 2}}x{{end}}`, `{{range $i, $j := 3}}{{end}}`,
		`{{range .History}}{{if eq .Role "assistant"}}{{continue}}{{end}}{{.Text}}{{end}}`, `{{range .History}}{{with .Text}}{{break}}{{end}}x{{end}}`, `{{range .System}}{{end}}`, `{{range nil}}{{end}}`,
		`{{$n := 0}}{{range .History}}{{$n = len .Text}}{{end}}{{$n}}`, `{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}`, `{{$x := 1}}{{range $x = .History}}{{end}}{{$x}}`,
		`{{define "m"}}[{{.Text}}]{{end}}{{range .History}}{{template "m" .}}{{end}}`, `{{block "b" .}}{{.System}}{{end}}`, `{{template "none"}}`, `{{define "e"}}{{end}}{{template "e"}}`,
		`{{define "loop"}}x{{template "loop" .}}{{end}}{{template "loop" .}}`, `{{define "d"}}{{.}}{{end}}{{template "d"}}`, `{{define "d"}}{{$.Text}}{{end}}{{template "d" index .History 1}}`,
		`{{len .System}} {{len .History}}`, `{{len 3}}`, `{{index .History 0}}`, `{{(index .History 1).Text}}`, `{{index .History 9}}`, `{{index .System 0}}`, `{{index .History -1}}`, `{{index .History "a"}}`, `{{index nil}}`, `{{index .Message}}`,
		`{{slice .System 3}} {{slice .System 3 5}} {{slice .System 5 3}}`, `{{slice .System 1 2 3}}`, `{{slice .History 1 2 3}}`, `{{slice .History 0 9}}`, `{{slice 3}}`, `{{slice .System}}`,
		`{{print 1 2 "a" "b" 3.5 true nil}}`, `{{println .System 1}}`, `{{printf "%s-%03d-%v-%q" .System 7 .History .Message}}`, `{{printf 3}}`, `{{printf}}`, `{{.System | printf "%s!"}}`, `{{printf "%d" .System}}`, `{{printf "%T" 1}}`,
		`{{html .System "<&>"}}`, `{{js .System "'\n"}}`, `{{urlquery .System "a b"}}`, `{{.System | html | len}}`, `{{html nil}}`, `{{html .History 1}}`,
		`{{and 1 0 2}} {{or 0 "" 3}} {{and .System .Message}} {{or}}`, `{{and false (index .History 99)}}`, `{{or true (index .History 99)}}`, `{{and}}`, `{{.System | and 1}} {{"" | or 0}}`,
		`{{eq .System "be <brief>"}} {{eq 1 2 1}} {{eq 1.5 1.5}} {{eq true false}}`, `{{eq 1 "1"}}`, `{{eq 1 1.0}}`, `{{eq .History .History}}`, `{{eq (index .History 0) (index .History 0)}}`, `{{eq 1}}`, `{{eq nil nil}}`, `{{eq 1 nil}}`, `{{ne 1 2}} {{ne "a" "a"}}`, `{{ne 1 2 3}}`,
		`{{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1.5 2.5}}`, `{{lt 1 "a"}}`, `{{lt true false}}`, `{{lt nil 1}}`, `{{lt (index .System 0) 99}}`, `{{eq (index .System 0) 98 }}`,
		`{{1}} {{-1}} {{0x1f}} {{1e3}} {{1.0}} {{'a'}} {{1i}} {{0b11}} {{1_000}} {{0x1p4}} {{99999999999999999999}}`, `{{18446744073709551615}}`, `{{"a\tb"}} {{` + "`raw`" + `}} {{true}}`, `{{nil}}`, `{{.System 1}}`, `{{3 4}}`, `{{1 | 2}}`, `{{.System | .Message}}`,
		`{{.Nope}}`, `{{.System.Nope}}`, `{{range .History}}{{.Nope}}{{end}}`, `{{$x}}`, `{{nope}}`, `{{call .System}}`, `{{(.System)}}`, `{{("a")}}`, `{{(index .History 0).Nope}}`, `{{$.Message}}`, `{{$.History.Role}}`, `{{(print "a" "b") | len}}`, `{{len (slice .History 1)}}`,
		`{{`, `{{end}}`, `{{if}}`, `{{if .System}}`, `{{range .History}}{{end}}{{end}}`, `{{break}}`, `{{define "a"}}`, `{{with .History}}{{(index . 0).Role}}{{end}}`, `{{if and (eq 1 1) (not "")}}y{{end}}`, `{{range $i, $e := .History}}{{if $i}}, {{end}}{{$e.Role}}{{end}}`,
	} {
		same(t, text, talk)
		same(t, text, Talk{Message: "only this"})
	}
}

func TestCallIsNoFunctionSinceNothingCanBeCalled(t *testing.T) {
	t.Parallel()
	if _, err := Parse(`{{call .System}}`); err == nil || !strings.Contains(err.Error(), `"call"`) {
		t.Errorf("%v", err)
	}
}

// Random templates that mix everything come to the same as well.
func TestRandomTemplatesMakeWhatTheStandardLibraryMakesOfThem(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2_000) {
		g := &garden{rand.New(rand.NewPCG(seed, 7)), 0}
		if same(t, g.text(3), talk); t.Failed() {
			return
		}
	}
}

// garden grows templates.
type garden struct {
	*rand.Rand
	names int // of variables, so far
}

func (g *garden) one(of ...string) string { return of[g.IntN(len(of))] }

// term is an argument.
func (g *garden) term(deep int) string {
	if deep > 0 && g.IntN(3) == 0 {
		return "(" + g.pipe(deep-1) + ")"
	}
	if g.names > 0 && g.IntN(4) == 0 {
		return fmt.Sprintf("$v%d", g.IntN(g.names))
	}
	return g.one(".", "$", ".System", "$.History", ".History", ".Role", ".Text", "$.Message", `""`, `"a<b"`, "0", "1", "2", "-1", "1.5", "true", "false", "nil", "'x'")
}

func (g *garden) command(deep int) string {
	name := g.one("", "", "", "not", "len", "index", "slice", "print", "println", `printf "%v|%v"`, "html", "js", "urlquery", "eq", "ne", "lt", "le", "gt", "ge", "and", "or")
	s, n := name, 1
	if name != "" {
		n = g.IntN(4)
	}
	for range n {
		s += " " + g.term(deep)
	}
	return strings.TrimSpace(s)
}

func (g *garden) pipe(deep int) string {
	s := g.command(deep)
	for g.IntN(4) == 0 {
		s += " | " + g.one("len", "html", "print", "not", "printf \"<%v>\"", "index .History", "eq 1", "or 0", "and 1", "slice")
	}
	return s
}

func (g *garden) text(deep int) (s string) {
	for range 1 + g.IntN(3) {
		switch n := g.IntN(9); {
		case n < 3 || deep == 0:
			s += "{{" + g.pipe(2) + "}}"
		case n == 3:
			s += g.one("word ", "\n", "<&> ")
		case n == 4:
			s += fmt.Sprintf("{{$v%d := %s}}", g.names, g.pipe(1))
			g.names++
		case n == 5:
			before := g.names
			s += "{{if " + g.pipe(1) + "}}" + g.text(deep-1)
			g.names = before
			s += "{{else}}" + g.text(deep-1) + "{{end}}"
			g.names = before
		case n == 6:
			before := g.names
			s += "{{with " + g.pipe(1) + "}}" + g.text(deep-1) + "{{end}}"
			g.names = before
		default:
			before := g.names
			head := g.one(".History", "$.History", "2", g.pipe(1))
			if g.IntN(2) == 0 {
				head = fmt.Sprintf("$v%d, $v%d := %s", g.names, g.names+1, head)
				g.names += 2
			}
			s += "{{range " + head + "}}" + g.text(deep-1) + g.one("", "", "{{break}}", "{{continue}}") + "{{end}}"
			g.names = before
		}
	}
	return s
}

type full struct{ left int }

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAWriterThatTakesNoMoreEndsATemplate(t *testing.T) {
	t.Parallel()
	tmpl, err := Parse(`{{range 1000000000}}{{$.Message}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err = tmpl.Execute(&full{1000}, talk); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorSaysWhereItIsAndWhatThereIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\n{{.Nope}}":                       `template: fold:2:2: executing "fold" at <.Nope>: there is no field Nope: there are System, History and Message`,
		`{{range .History}}{{.Name}}{{end}}`: `template: fold:1:20: executing "fold" at <.Name>: there is no field Name: a message of the history has Role and Text`,
		`{{len 3}}`:                          `template: fold:1:2: executing "fold" at <len>: len: a int has no length`,
	} {
		tmpl, err := Parse(text)
		if err == nil {
			err = tmpl.Execute(&bytes.Buffer{}, talk)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`{{.System}}`, `{{range $i, $m := .History}}{{$i}}{{$m.Text}}{{end}}`, `{{printf "%5.1f" 1.5}}`, `{{define "a"}}{{.}}{{end}}{{template "a" 1}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Parse(text)
		if err == nil && !strings.Contains(text, "range") {
			_ = tmpl.Execute(&full{1 << 16}, talk)
		}
	})
}
