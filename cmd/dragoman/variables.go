package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// variables are the names of those that a text was read with, in the environment of this command.
type variables struct {
	text       []byte
	set, unset []string
}

// lookup looks a variable up, and notes its name where the text has it.
func (v *variables) lookup(name string) (value string, ok bool) {
	if !bytes.Contains(v.text, []byte("${"+name+"}")) {
		return os.LookupEnv(name)
	}
	names := &v.unset
	if value, ok = os.LookupEnv(name); ok {
		names = &v.set
	}
	if !slices.Contains(*names, name) {
		*names = append(*names, name)
	}
	return value, ok
}

// missing says of err that the gateway may have what is not set here.
func (v *variables) missing(err error) error {
	switch n := len(v.unset); {
	case err == nil || n == 0:
		return err
	case n == 1:
		return fmt.Errorf("%w\n%s is not set where this command runs; the gateway reads it from its own environment, such as that of its unit, which may have it", err, v.unset[0])
	default:
		return fmt.Errorf("%w\n%s are not set where this command runs; the gateway reads them from its own environment, such as that of its unit, which may have them", err, strings.Join(v.unset, ", "))
	}
}
