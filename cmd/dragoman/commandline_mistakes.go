package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dragoman-gateway/dragoman/internal/spell"
)

// oneOf says that cmd wants the name of one of its commands, and what args have in its place.
// The root goes without.
func oneOf(cmd *cobra.Command, args []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	if len(args) > 0 && slices.Contains(names, args[0]) {
		return fmt.Errorf("unexpected argument %s", args[0]) // behind -- or behind letters that want a value
	}
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q%s", args[0], didYouMean("", args[0], names))
	}
	if cmd.HasParent() {
		return fmt.Errorf(`expected one of "%s"`, strings.Join(names, `", "`))
	}
	return nil
}

// inOurWords says what is wrong with the flags of cmd.
func inOurWords(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknownFlag(unknown, cmd.Flags())
	}
	var alone *pflag.ValueRequiredError
	if errors.As(err, &alone) {
		return fmt.Errorf("--%s must have a value", alone.GetFlag().Name)
	}
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) {
		return fmt.Errorf("--%s %w", wrong.GetFlag().Name, errors.Unwrap(wrong))
	}
	return err
}

func unknownFlag(e *pflag.NotExistError, known *pflag.FlagSet) error {
	name := e.GetSpecifiedName()
	if e.GetSpecifiedShortnames() != "" {
		for _, other := range []string{strings.ToLower(name), strings.ToUpper(name)} {
			if len(other) == 1 && other != name && known.ShorthandLookup(other) != nil {
				return fmt.Errorf(`unknown flag -%s, did you mean "-%s"?`, name, other)
			}
		}
		return fmt.Errorf("unknown flag -%s", name)
	}
	var names []string
	known.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if slices.Contains(names, name) {
		return fmt.Errorf("unknown flag --%s", name) // of the group before the name of the command
	}
	return fmt.Errorf("unknown flag --%s%s", name, didYouMean("--", name, names))
}

// flagsForValues refuses args in which a flag of known stands where the value of the one before
// it is missing: --model --raw. Whoever means that says --model=--raw.
func flagsForValues(args []string, known *pflag.FlagSet) error {
	for i := 0; i+1 < len(args) && args[i] != "--"; i++ {
		f := wantsNext(args[i], known)
		if f == nil {
			continue
		}
		i++
		if value := args[i]; len(value) > 1 && value[0] == '-' {
			return fmt.Errorf("--%s must have a value but got %q; perhaps try --%s=%q?", f.Name, value, f.Name, value)
		}
	}
	return nil
}

// wantsNext returns the flag of arg whose value is the next argument; nil: there is none.
func wantsNext(arg string, known *pflag.FlagSet) *pflag.Flag {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		if f := known.Lookup(name); f != nil && f.NoOptDefVal == "" {
			return f
		}
		return nil
	}
	letters, ok := strings.CutPrefix(arg, "-")
	for ok && letters != "" {
		f := known.ShorthandLookup(letters[:1])
		letters = letters[1:]
		if f == nil || f.NoOptDefVal == "" {
			ok = false // what is left of letters is its value
			if letters == "" {
				return f
			}
		}
	}
	return nil
}

// didYouMean names the one of names that word is nearest to; it is empty where none is near.
func didYouMean(dashes, word string, names []string) string {
	const near = 2 // letters that are wrong, missing or too many; one in short words
	word = strings.ToLower(word)
	best, found := near+1, ""
	for _, name := range names {
		if word == "" || len(word) > len(name)+near {
			continue
		}
		d := spell.Distance(word, name)
		if strings.HasPrefix(name, word) {
			d = min(d, near)
		} else if d > len(name)/2 {
			continue
		}
		if d < best {
			best, found = d, name
		}
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf(`, did you mean "%s%s"?`, dashes, found)
}
