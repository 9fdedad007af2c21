package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// text is a flag whose value is taken as it is.
type text struct {
	into  *string
	shown string // stands for the value in the help, such as NAME; empty: STRING, or the default
	env   string // the variable whose value counts where the flag is not there; empty: none
}

func (t text) Set(value string) error { *t.into = value; return nil }
func (t text) String() string         { return stringOf(t.into) }
func (t text) Type() string           { return t.shown }

// choice is a flag whose value is one of several words.
type choice struct {
	into  *string
	shown string
	of    []string
}

func (c choice) Set(value string) error {
	if !slices.Contains(c.of, value) {
		return fmt.Errorf(`must be one of "%s" but got %q`, strings.Join(c.of, `","`), value)
	}
	*c.into = value
	return nil
}
func (c choice) String() string { return stringOf(c.into) }
func (c choice) Type() string   { return c.shown }

// list is a flag of words with commas between them, which may be repeated. \, is a comma
// inside a word.
type list struct {
	into  *[]string
	shown string
}

func (l list) Set(value string) error {
	const comma = "\x00" // no argument has it
	words := strings.Split(strings.ReplaceAll(value, `\,`, comma), ",")
	if last := len(words) - 1; words[last] == "" {
		words = words[:last]
	}
	for _, word := range words {
		*l.into = append(*l.into, strings.ReplaceAll(word, comma, ","))
	}
	return nil
}
func (l list) String() string { return "" }
func (l list) Type() string   { return l.shown + ",..." }

// wholeNumber is a flag that counts.
type wholeNumber struct{ into *int }

func (n wholeNumber) Set(value string) error {
	i, err := strconv.ParseInt(value, 0, strconv.IntSize)
	if err != nil {
		return fmt.Errorf("must be a whole number but got %q", value)
	}
	*n.into = int(i)
	return nil
}
func (n wholeNumber) String() string { return "" }
func (n wholeNumber) Type() string   { return "INT" }

// toggle is a flag that needs no value; see [switchable].
type toggle struct{ into *bool }

func (t toggle) Set(value string) error {
	switch strings.ToLower(value) {
	case "true", "yes", "1":
		*t.into = true
	case "false", "no", "0":
		*t.into = false
	default:
		return fmt.Errorf("must be true, yes or 1, or false, no or 0, but got %q", value)
	}
	return nil
}
func (t toggle) String() string { return strconv.FormatBool(t.into != nil && *t.into) }
func (t toggle) Type() string   { return "bool" } // as cobra reads --help

// switchable puts the toggle of into among flags. short may be empty.
func switchable(flags *pflag.FlagSet, into *bool, name, short, usage string) {
	flags.VarPF(toggle{into}, name, short, usage).NoOptDefVal = "true"
}

// stringOf is *s. Of the zero value of a flag, which pflag makes, there is none.
func stringOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
