package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is one difference between two configurations. It never holds the value of a
// secret or of a variable.
type Change struct {
	// Path names the place; what is in a list stands under its name: channels[vendor-a].weight.
	Path string `json:"path"`
	// Line is where the later configuration says it; 0: it says nothing there.
	Line int `json:"line,omitempty"`
	// Kind is added, removed, changed, or moved: the same in another order.
	Kind string `json:"kind"`
	// Was and Is are the values, as a file would say them; empty for what has no single
	// value, and "***" where they are not shown.
	Was string `json:"was,omitempty"`
	Is  string `json:"is,omitempty"`
	// Restart says that it counts only after a restart.
	Restart bool `json:"restart"`
}

// hiddenValue stands for what is not shown.
const hiddenValue = "***"

// Diff returns what b says other than a, defaults included, by path.
func Diff(a, b *Config) []Change {
	d := differ{a: a, b: b}
	d.record(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), spot{})
	restart := NeedRestart(a, b)
	for i := range d.all {
		c := &d.all[i]
		c.Restart = slices.ContainsFunc(restart, func(key string) bool { return under(c.Path, key) })
	}
	slices.SortStableFunc(d.all, func(x, y Change) int { return cmp.Compare(x.Path, y.Path) })
	return d.all
}

// NeedRestart names the keys under which a and b differ and which a process looks at only
// once, when it starts.
func NeedRestart(a, b *Config) (keys []string) {
	for _, one := range []struct {
		key  string
		same bool
	}{
		{"listen", a.Listen == b.Listen},
		{"prefix", a.Prefix == b.Prefix},
		{"tls", a.TLS == b.TLS},
		{"admin", a.Admin == b.Admin},
		{"store", a.Store == b.Store},
		{"shared", a.Shared == b.Shared},
		{"ledger", a.Ledger == b.Ledger},
		{"cache", a.Cache == b.Cache},
		{"connections", a.Connections == b.Connections},
		{"handover", a.Handover == b.Handover},
		{"ollama.listen", a.Ollama.Listen == b.Ollama.Listen},
		{"iagent.dedupe", a.IAgent.Dedupe == b.IAgent.Dedupe},
	} {
		if !one.same {
			keys = append(keys, one.key)
		}
	}
	return keys
}

// differ collects the differences between a and b.
type differ struct {
	a, b *Config
	all  []Change
}

// spot is a place in both: as it is shown, and as each file counts it.
type spot struct {
	shown, a, b string
	secret      bool
}

func (s spot) child(key string) spot {
	return spot{child(s.shown, key), child(s.a, key), child(s.b, key), s.secret}
}

func (d *differ) add(at spot, kind, was, is string) {
	line := 0
	if kind != "removed" {
		line = d.b.from.line(at.b)
	}
	d.all = append(d.all, Change{Path: at.shown, Line: line, Kind: kind, Was: was, Is: is})
}

// record compares two structs key by key.
func (d *differ) record(a, b reflect.Value, at spot) {
	for _, f := range reflect.VisibleFields(a.Type()) {
		key := f.Tag.Get("yaml")
		if key == "" || !f.IsExported() || strings.HasSuffix(key, ",inline") {
			continue
		}
		below := at.child(key)
		below.secret = at.secret || hides(f.Tag, inWords(a.FieldByIndex(f.Index))) || hides(f.Tag, inWords(b.FieldByIndex(f.Index))) || isExtra(below.a) || isExtra(below.b)
		d.value(a.FieldByIndex(f.Index), b.FieldByIndex(f.Index), below)
	}
}

// inWords is the text of a value; empty: it is none.
func inWords(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return ""
}

func (d *differ) value(a, b reflect.Value, at spot) {
	t := a.Type()
	switch {
	case t.Kind() == reflect.Pointer && (a.IsNil() || b.IsNil()):
		d.oneOfTwo(a, b, !a.IsNil(), !b.IsNil(), at)
	case t.Kind() == reflect.Pointer:
		d.value(a.Elem(), b.Elem(), at)
	case isRecord(t):
		d.record(a, b, at)
	case t.Kind() == reflect.Map:
		d.table(a, b, at)
	case nameOf(t) != "":
		d.list(a, b, at)
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		if was, is := d.show(a, at.secret || d.a.from.hiddenUnder(at.a)), d.show(b, at.secret || d.b.from.hiddenUnder(at.b)); was != is || was == hiddenValue {
			d.add(at, "changed", was, is)
		}
	}
}

// oneOfTwo tells of what one of the two has, if it is one only.
func (d *differ) oneOfTwo(a, b reflect.Value, inA, inB bool, at spot) {
	switch {
	case inA && !inB:
		d.add(at, "removed", d.show(a, at.secret || d.a.from.hiddenUnder(at.a)), "")
	case inB && !inA:
		d.add(at, "added", "", d.show(b, at.secret || d.b.from.hiddenUnder(at.b)))
	}
}

func (d *differ) table(a, b reflect.Value, at spot) {
	for _, k := range a.MapKeys() {
		below := at.child(k.String())
		if other := b.MapIndex(k); other.IsValid() {
			d.value(a.MapIndex(k), other, below)
			continue
		}
		d.oneOfTwo(a.MapIndex(k), reflect.Value{}, true, false, below)
	}
	for _, k := range b.MapKeys() {
		if !a.MapIndex(k).IsValid() {
			d.oneOfTwo(reflect.Value{}, b.MapIndex(k), false, true, at.child(k.String()))
		}
	}
}

// list compares what has names, which are unique in each.
func (d *differ) list(a, b reflect.Value, at spot) {
	key := nameOf(a.Type())
	names := func(v reflect.Value) (all []string) {
		for i := range v.Len() {
			all = append(all, v.Index(i).FieldByName(key).String())
		}
		return all
	}
	was, is := names(a), names(b)
	below := func(name string) spot {
		return spot{at.shown + "[" + name + "]", index(at.a, slices.Index(was, name)), index(at.b, slices.Index(is, name)), at.secret}
	}
	for i, name := range was {
		if j := slices.Index(is, name); j >= 0 {
			d.value(a.Index(i), b.Index(j), below(name))
		} else {
			d.oneOfTwo(a.Index(i), reflect.Value{}, true, false, below(name))
		}
	}
	for j, name := range is {
		if !slices.Contains(was, name) {
			d.oneOfTwo(reflect.Value{}, b.Index(j), false, true, below(name))
		}
	}
	stay := func(all, of []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return !slices.Contains(of, n) })
	}
	if x, y := stay(was, is), stay(is, was); !slices.Equal(x, y) {
		d.add(at, "moved", strings.Join(x, ", "), strings.Join(y, ", "))
	}
}

// nameOf is the field by which what is in a list of t is known; empty: it has none.
func nameOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[[]Channel]():
		return "ID"
	case reflect.TypeFor[[]Key](), reflect.TypeFor[[]Model]():
		return "Name"
	}
	return ""
}

// show is v as a file would say it; empty for what has no single value.
func (d *differ) show(v reflect.Value, hide bool) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if isRecord(v.Type()) || v.Kind() == reflect.Map {
		return ""
	}
	if hide {
		if v.IsZero() {
			return ""
		}
		return hiddenValue
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case AutoDuration:
		return autoOr(x == 0, time.Duration(x).String())
	case AutoCount:
		return autoOr(x == 0, strconv.Itoa(int(x)))
	case Rate:
		return x.String()
	case time.Time:
		if x.IsZero() {
			return ""
		}
		return x.Format(time.RFC3339)
	}
	if v.Kind() == reflect.Slice {
		all := make([]string, v.Len())
		for i := range all {
			all[i] = d.show(v.Index(i), false)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func autoOr(auto bool, text string) string {
	if auto {
		return "auto"
	}
	return text
}

// String is r as a file says it; empty for none.
func (r Rate) String() string {
	for _, p := range []struct {
		per  time.Duration
		name string
	}{{time.Second, "s"}, {time.Minute, "m"}, {time.Hour, "h"}, {24 * time.Hour, "d"}} {
		if r.Per == p.per {
			return strconv.Itoa(r.N) + "/" + p.name
		}
	}
	return ""
}

// hiddenUnder says whether a value at or below path came from a variable.
func (s *source) hiddenUnder(path string) bool {
	for p, hidden := range s.hidden {
		if hidden && under(p, path) {
			return true
		}
	}
	return false
}
