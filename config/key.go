package config

import (
	"errors"
	"strings"
)

// CheckKey says what is wrong with a key that is to be stored beside those of the
// file: its name, its limits or its models. Its Key and KeySHA256 are not looked at.
// nil: nothing is.
func (c *Config) CheckKey(key Key) error {
	one := *c
	one.from = source{}
	k := &checker{Config: &one, failed: func(string) bool { return false }, served: map[string]bool{}}
	for _, ch := range c.Channels {
		for _, m := range ch.Models {
			k.served[m.Name] = true
		}
	}
	k.callerName("name", key.Name)
	if j := c.Callers.JWT; j != nil && j.Prefix != "" && strings.HasPrefix(key.Name, j.Prefix) {
		k.add("name", "begins with callers.jwt.prefix, which is for the users of signed tokens")
	}
	k.access("", key.Access)
	var all []string
	for _, p := range k.all {
		all = append(all, strings.TrimPrefix(p.Path, ".")+": "+p.Message)
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}
