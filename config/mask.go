package config

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// A Masker writes the text of configurations without its secrets, and puts them back. What
// stands for a secret tells it from others, and says nothing of it to whoever has no Masker
// with the same key. It is safe for concurrent use.
type Masker struct{ key []byte }

// NewMasker returns a Masker; key must be random.
func NewMasker(key []byte) *Masker { return &Masker{key: key} }

// errHidden: better no text than one that shows a secret.
var errHidden = errors.New("the text is not shown: a secret in it is written in a way that cannot be cut out of it")

// maskText finds what stands for a secret.
var maskText = regexp.MustCompile(`"\*\*\*[0-9a-f]{12}"`)

// onlyVariable is a value that is one variable, and so no secret.
var onlyVariable = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z_0-9]*\}$`)

// Mask returns text, which must be a configuration that can be read, with "***" and twelve
// digits in the place of every secret, and of the values of a channel's headers and query.
// Variables stay as they are written, and so do comments.
func (m *Masker) Mask(text []byte) (string, error) {
	cuts, err := secretsOf(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	at := 0
	for _, c := range cuts {
		out.Write(text[at:c.from])
		out.WriteString(m.standIn(string(text[c.from:c.to])))
		at = c.to
	}
	out.Write(text[at:])
	return out.String(), nil
}

// Unmask returns text with the secrets of known, the text of a configuration, in the place
// of what Mask has put there for them. What stands for another one stays.
func (m *Masker) Unmask(text string, known []byte) string {
	if !maskText.MatchString(text) {
		return text
	}
	cuts, err := secretsOf(known)
	if err != nil {
		return text
	}
	secrets := make(map[string]string, len(cuts))
	for _, c := range cuts {
		raw := string(known[c.from:c.to])
		secrets[m.standIn(raw)] = raw
	}
	return maskText.ReplaceAllStringFunc(text, func(mask string) string { return cmp.Or(secrets[mask], mask) })
}

// Masked reports whether text holds what stands for a secret.
func Masked(text string) bool { return maskText.MatchString(text) }

func (m *Masker) standIn(raw string) string {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(raw))
	return `"` + hiddenValue + hex.EncodeToString(h.Sum(nil)[:6]) + `"`
}

// cut is where a secret stands in a text.
type cut struct{ from, to int }

// secretsOf returns where the secrets of text stand, in order.
func secretsOf(text []byte) ([]cut, error) {
	body, problem := parse(text)
	if problem != nil {
		return nil, problems("", []Problem{*problem})
	}
	if body == nil {
		return nil, nil
	}
	var found []ast.Node
	d := decoder{lookup: func(string) (string, bool) { return "variable", true }, lines: map[string]int{}, hidden: map[string]bool{}, secrets: &found}
	d.anchor(body, 0)
	d.value(body, reflect.ValueOf(&Config{}).Elem(), "", "", 0)
	starts := lineStarts(text)
	var cuts []cut
	for _, n := range found {
		value, _ := scalarText(n)
		if value == "" || onlyVariable.MatchString(value) {
			continue
		}
		c, ok := placeOf(n, text, starts)
		if !ok {
			return nil, errHidden
		}
		cuts = append(cuts, c)
	}
	slices.SortFunc(cuts, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	return slices.Compact(cuts), nil // an alias leads to the same place
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// placeOf returns where n, a single value, is written; ok is false where the text there
// does not bear it out.
func placeOf(n ast.Node, text []byte, starts []int) (c cut, ok bool) {
	t := n.GetToken()
	if t == nil || t.Position == nil || t.Position.Line < 1 || t.Position.Line > len(starts) {
		return cut{}, false
	}
	raw := strings.TrimSpace(t.Origin)
	if _, block := n.(*ast.LiteralNode); block || raw == "" {
		return cut{}, false
	}
	at := starts[t.Position.Line-1]
	// A column counts characters.
	for col := 1; col < t.Position.Column && at < len(text); col++ {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	if !strings.HasPrefix(string(text[min(at, len(text)):]), raw) {
		return cut{}, false
	}
	return cut{at, at + len(raw)}, true
}
