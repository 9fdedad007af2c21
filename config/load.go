package config

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxText is how long a file may be, in bytes.
const maxText = 1 << 20

// Load reads the YAML text of the file called name, replaces "${VAR}" inside
// its strings by what lookup says (os.LookupEnv, as a rule), fills in the
// defaults and checks the whole. Every problem is found at once: the error is
// a [*Problems], and then there is no Config.
//
// A variable's value is never read as YAML and may hold any character. "$${"
// stands for a literal "${". Keys are not replaced, and those that are not
// known, or given twice, are problems; anchors, aliases and merge keys work.
//
// also are checks of what this package does not know.
func Load(text []byte, name string, lookup func(string) (string, bool), also ...Check) (*Config, error) {
	c := &Config{}
	d := decoder{lookup: lookup, lines: map[string]int{}, hidden: map[string]bool{}}
	body, problem := parse(text)
	if problem != nil {
		return nil, problems(name, []Problem{*problem})
	}
	if body != nil {
		d.anchor(body, 0)
		d.value(body, reflect.ValueOf(c).Elem(), "", "", 0)
	}
	c.from = source{file: name, lines: d.lines, hidden: d.hidden}
	fill(reflect.ValueOf(c).Elem())
	c.finish()
	c.ways(lookup)

	all := d.problems
	for _, p := range append(check(c, d.failed), c.wrong(also)...) {
		if !d.told(p.Path) {
			all = append(all, p)
		}
	}
	if err := problems(name, all); err != nil {
		return nil, err
	}
	return c, nil
}

// Check says what is wrong at Path of a Config; empty: nothing.
type Check struct {
	Path  string
	Wrong func(*Config) string
}

func (c *Config) wrong(checks []Check) (all []Problem) {
	for _, one := range checks {
		if message := one.Wrong(c); message != "" {
			all = append(all, Problem{Line: c.from.line(one.Path), Path: one.Path, Message: message})
		}
	}
	return all
}

// Default returns what an empty file means.
func Default() *Config {
	c := &Config{}
	fill(reflect.ValueOf(c).Elem())
	c.finish()
	return c
}

// parse returns the one document of text, nil when it is empty.
func parse(text []byte) (body ast.Node, problem *Problem) {
	if len(text) > maxText {
		return nil, &Problem{Message: fmt.Sprintf("is longer than %d bytes", maxText)}
	}
	// The parser is not ours: its panic is a file that cannot be read.
	defer func() {
		if recover() != nil {
			body, problem = nil, &Problem{Message: "is no YAML that can be read"}
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		// Only the message: the error's text quotes the file, secrets and all.
		p := &Problem{Message: "is no YAML that can be read"}
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			p.Message = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				p.Line = t.Position.Line
			}
		}
		return nil, p
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, &Problem{Line: line(doc.Body), Message: "a second document begins here; the file must be one"}
		}
		body = doc.Body
	}
	return body, nil
}

// fill gives every zero field with a default tag its default.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if text, ok := f.Tag.Lookup("default"); ok {
				fillOne(v.Field(i), text)
				continue
			}
			fill(v.Field(i))
		}
	case reflect.Pointer:
		fill(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	}
}

func fillOne(v reflect.Value, text string) {
	if !v.IsZero() {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if err := setScalar(v, text); err != nil {
		panic("config: default " + text + ": " + err.Error()) // a defect of a struct tag, which a test would meet
	}
}

// finish fills in the defaults that depend on more than their own field.
func (c *Config) finish() {
	if c.Drain == 0 && !c.from.set("drain") {
		c.Drain = 30 * time.Second
	}
	if c.Ledger.Keep == 0 && !c.from.set("ledger.keep") {
		c.Ledger.Keep = 90 * 24 * time.Hour
	}
	if c.Ledger.Rows == 0 && !c.from.set("ledger.rows") {
		c.Ledger.Rows = 10_000_000
	}
	t := &c.Timeouts
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&t.Connect, 3 * time.Second}, {&t.Gap, 30 * time.Second}, {&t.Total, 10 * time.Minute}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for i := range c.Channels {
		c.Channels[i].Timeouts.inherit(*t, func(key string) bool {
			return c.from.set(child(child(index("channels", i), "timeouts"), key))
		})
	}
}

// inherit takes from global what t leaves open. An explicit "auto" is kept.
func (t *Timeouts) inherit(global Timeouts, set func(key string) bool) {
	if t.Connect == 0 {
		t.Connect = global.Connect
	}
	if t.Headers == 0 && !set("headers") {
		t.Headers = global.Headers
	}
	if t.First == 0 && !set("first") {
		t.First = global.First
	}
	if t.Gap == 0 {
		t.Gap = global.Gap
	}
	if t.Total == 0 {
		t.Total = global.Total
	}
}
