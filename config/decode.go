package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Bounds on what one file may make the decoder do: aliases can nest and
// multiply.
const (
	maxDepth = 64
	maxNodes = 100_000
)

// decoder puts parsed YAML into the structs and remembers where it stood. It
// goes on after a problem.
type decoder struct {
	lookup   func(string) (string, bool)
	anchors  map[string]ast.Node
	nodes    int
	problems []Problem
	lines    map[string]int
	hidden   map[string]bool
	secrets  *[]ast.Node // gets what must not be shown; nil: nobody asks
}

func (d *decoder) add(n ast.Node, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{Line: line(n), Path: path, Message: fmt.Sprintf(format, args...)})
}

// failed says whether something at or below path could not be read.
func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return under(p.Path, path) || p.Path == "" })
}

// told says whether a problem at path only follows from one that is reported.
func (d *decoder) told(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return under(path, p.Path) })
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// anchor notes all anchors at and below n.
func (d *decoder) anchor(n ast.Node, depth int) {
	if depth > maxDepth {
		return
	}
	switch x := n.(type) {
	case *ast.MappingNode:
		for _, v := range x.Values {
			d.anchor(v, depth+1)
		}
	case *ast.MappingValueNode:
		d.anchor(x.Value, depth)
	case *ast.SequenceNode:
		for _, v := range x.Values {
			d.anchor(v, depth+1)
		}
	case *ast.AnchorNode:
		if d.anchors == nil {
			d.anchors = map[string]ast.Node{}
		}
		d.anchors[x.Name.String()] = x.Value
		d.anchor(x.Value, depth)
	}
}

// plain returns n without its anchor, or what its alias stands for; nil after a
// problem.
func (d *decoder) plain(n ast.Node, path string, depth int) ast.Node {
	for range maxDepth {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			to, ok := d.anchors[x.Value.String()]
			if !ok {
				d.add(x, path, "the alias names no anchor")
				return nil
			}
			n = to
		case *ast.TagNode:
			d.add(x, path, "YAML tags are not supported")
			return nil
		default:
			if d.nodes++; d.nodes > maxNodes || depth > maxDepth {
				d.tooMuch(n)
				return nil
			}
			return n
		}
	}
	d.tooMuch(n)
	return nil
}

func (d *decoder) tooMuch(n ast.Node) {
	const message = "nests too deep or repeats too much"
	if !slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Message == message }) {
		d.add(n, "", message)
	}
}

// value decodes n, which stands at path, into v. tag is the struct tag of the
// field that v is in.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, tag reflect.StructTag, depth int) {
	n = d.plain(n, path, depth)
	if n == nil {
		return
	}
	if _, null := n.(*ast.NullNode); null {
		if tag.Get("secret") == "yes" && v.Kind() == reflect.String {
			d.add(n, path, "must not be empty")
		}
		return // the same as a key that is not there
	}
	if m, ok := v.Addr().Interface().(*Model); ok {
		d.model(n, m, path, tag, depth)
		return
	}
	if _, ok := scalarText(n); ok {
		if names, ok := v.Addr().Interface().(*Names); ok {
			*names = make(Names, 1)
			v = v.Index(0)
		}
		d.scalar(n, v, path, tag)
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path, tag, depth)
		v.Set(p)
	case isRecord(v.Type()):
		d.record(n, v, path, depth)
	case v.Kind() == reflect.Map:
		d.table(n, v, path, depth)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path, tag, depth)
	default:
		d.add(n, path, "want %s", wanted(v.Type()))
	}
}

// isRecord says whether t is written as a mapping with fixed keys.
func isRecord(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[Config]().PkgPath() && t != reflect.TypeFor[Rate]()
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "keys with values"
	}
	if isRecord(t) {
		return "keys with values"
	}
	return "a single value"
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	t := v.Type()
	if wanted(t) != "a single value" {
		d.add(n, path, "want %s", wanted(t))
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(t.Elem()))
		v = v.Elem()
	}
	text, _ := scalarText(n)
	if d.secrets != nil && (hides(tag, text) || isExtra(path)) {
		*d.secrets = append(*d.secrets, n)
	}
	if isString(n) {
		expanded, used, err := expand(text, d.lookup)
		if err != nil {
			d.add(n, path, "%s", err)
			return
		}
		text, d.hidden[path] = expanded, used
	}
	if tag.Get("secret") == "yes" && text == "" {
		d.add(n, path, "must not be empty")
		return
	}
	if err := setScalar(v, text); err != nil {
		d.add(n, path, "%s", err)
		return
	}
	if err := least(v, tag.Get("min")); err != nil {
		d.add(n, path, "%s", err)
	}
}

// hides reports whether text, the value of a field with this tag, is not to be shown.
func hides(tag reflect.StructTag, text string) bool {
	switch tag.Get("secret") {
	case "":
		return false
	case "address":
		return strings.Contains(text, "@") || strings.Contains(text, "password=")
	}
	return true
}

// isExtra says whether path is a value among the headers or the query of a channel, or the
// headers of traces.
func isExtra(path string) bool {
	if strings.HasPrefix(path, "traces.headers") {
		return true
	}
	rest, ok := strings.CutPrefix(path, "channels[")
	_, rest, more := strings.Cut(rest, "]")
	return ok && more && (strings.HasPrefix(rest, ".headers") || strings.HasPrefix(rest, ".query"))
}

// scalarText returns the text of a single value as the file has it.
func scalarText(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func isString(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return true
	}
	return false
}

func (d *decoder) model(n ast.Node, m *Model, path string, tag reflect.StructTag, depth int) {
	if _, ok := scalarText(n); ok {
		d.scalar(n, reflect.ValueOf(&m.Name).Elem(), path, tag)
		d.hidden[child(path, "name")] = d.hidden[path]
	} else {
		d.record(n, reflect.ValueOf(m).Elem(), path, depth)
	}
	if m.Upstream == "" {
		m.Upstream = m.Name
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string, tag reflect.StructTag, depth int) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(n, path, "want a list")
		return
	}
	items := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		at := index(path, i)
		d.lines[at] = line(item)
		d.value(item, items.Index(i), at, tag, depth+1)
	}
	v.Set(items)
}

// table decodes a mapping with free keys.
func (d *decoder) table(n ast.Node, v reflect.Value, path string, depth int) {
	pairs, ok := d.pairs(n, path, depth)
	if !ok {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range pairs {
		at := child(path, p.key)
		if p.key == "" {
			d.add(p.node, path, "a name is empty")
			continue
		}
		d.lines[at] = line(p.node)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(p.value, item, at, "", depth+1)
		v.SetMapIndex(reflect.ValueOf(p.key), item)
	}
}

// record decodes a mapping with fixed keys.
func (d *decoder) record(n ast.Node, v reflect.Value, path string, depth int) {
	pairs, ok := d.pairs(n, path, depth)
	if !ok {
		return
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if key := strings.TrimSuffix(f.Tag.Get("yaml"), ",inline"); key != "" && f.IsExported() {
			fields[key] = f
		}
	}
	for _, p := range pairs {
		at := child(path, p.key)
		f, ok := fields[p.key]
		if !ok {
			near := d.unknown(p, at, path, fields)
			if near == "" || slices.ContainsFunc(pairs, func(o pair) bool { return o.key == near }) {
				continue
			}
			// What it probably meant is read too, or its value's problems would come
			// only when the name is mended.
			f, at = fields[near], child(path, near)
		}
		d.lines[at] = line(p.node)
		d.value(p.value, v.FieldByIndex(f.Index), at, f.Tag, depth+1)
	}
}

// unknown tells of a key that is none, and returns what it probably meant; empty: nothing.
func (d *decoder) unknown(p pair, at, path string, fields map[string]reflect.StructField) string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	near := nearest(p.key, keys)
	if near == "" {
		slices.Sort(keys)
		d.add(p.node, at, "unknown key; the keys here are %s", strings.Join(keys, ", "))
		return ""
	}
	d.add(p.node, at, "unknown key; did you mean %q?", near)
	return near
}

// pair is one key of a mapping.
type pair struct {
	key    string
	node   ast.Node // of the key
	value  ast.Node
	merged bool // came from a merge key, so an own key goes before it
}

// pairs returns the keys of a mapping in order, with merge keys resolved.
func (d *decoder) pairs(n ast.Node, path string, depth int) (out []pair, ok bool) {
	var values []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	default:
		d.add(n, path, "want keys with values")
		return nil, false
	}
	for _, v := range values {
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			out = d.merge(out, v.Value, path, depth+1)
			continue
		}
		key, isText := scalarText(v.Key)
		if !isText {
			d.add(v.Key, path, "a key must be a plain word")
			continue
		}
		i := slices.IndexFunc(out, func(p pair) bool { return p.key == key })
		switch {
		case i < 0:
			out = append(out, pair{key: key, node: v.Key, value: v.Value})
		case out[i].merged:
			out[i] = pair{key: key, node: v.Key, value: v.Value}
		default:
			d.add(v.Key, child(path, key), "the key stands here already, in line %d", line(out[i].node))
		}
	}
	return out, true
}

// merge adds the keys of one mapping, or of a list of them, where out has none.
func (d *decoder) merge(out []pair, n ast.Node, path string, depth int) []pair {
	n = d.plain(n, path, depth)
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, one := range seq.Values {
			out = d.merge(out, one, path, depth+1)
		}
		return out
	}
	if n == nil {
		return out
	}
	more, _ := d.pairs(n, path, depth)
	for _, p := range more {
		if !slices.ContainsFunc(out, func(o pair) bool { return o.key == p.key }) {
			p.merged = true
			out = append(out, p)
		}
	}
	return out
}
