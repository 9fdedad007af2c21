package config

import (
	"cmp"
	"slices"
)

const pending = "is read and checked, but has no effect yet"

// Notices names the keys that c sets although this version does nothing with
// them, by line. They are no errors.
func (c *Config) Notices() []Problem {
	var all []Problem
	for _, find := range withoutEffect() {
		for _, path := range find(c) {
			all = append(all, Problem{Line: c.from.line(path), Path: path, Message: pending})
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return all
}

// withoutEffect is the table of keys that nothing looks at yet, one entry for
// each: it returns the paths at which c sets the key. An entry goes when its
// machinery comes.
func withoutEffect() []func(c *Config) []string {
	return []func(c *Config) []string{
		when("shared.url", func(c *Config) bool { return c.Shared.URL != "" }),
	}
}

func when(path string, set func(*Config) bool) func(*Config) []string {
	return func(c *Config) []string {
		if !set(c) {
			return nil
		}
		return []string{path}
	}
}
