package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces every ${VAR} in text by what lookup knows under VAR. "$${" is
// a literal "${"; any other dollar stands for itself. used says that a variable
// was replaced. Values are taken as they are: nothing in them is replaced again.
func expand(text string, lookup func(string) (string, bool)) (out string, used bool, err error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), used, nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		name, rest, ok := strings.Cut(text[i+2:], "}")
		if !ok {
			return "", used, errors.New(`"${" has no "}"; a literal "${" is written "$${"`)
		}
		if !variableName(name) {
			return "", used, errors.New(`between "${" and "}" stands no variable's name; a literal "${" is written "$${"`)
		}
		value, ok := lookup(name)
		if !ok {
			return "", used, fmt.Errorf("the variable %s is not set", name)
		}
		b.WriteString(value)
		used, text = true, rest
	}
}

func variableName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
