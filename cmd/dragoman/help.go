package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// helpCommand says of another command how it is called.
type helpCommand struct {
	root *cobra.Command
	of   *cobra.Command
}

func (c *helpCommand) describe() *cobra.Command {
	return &cobra.Command{
		Use:         "help [<command>]",
		Short:       "Say how a command is called, and what it does.",
		Annotations: map[string]string{"[<command>]": "Such as chat, or key add. Default: all."},
		Args:        c.find,
	}
}

// find takes words as the name of a command.
func (c *helpCommand) find(_ *cobra.Command, words []string) error {
	c.of = c.root
	for i, word := range words {
		var found *cobra.Command
		for _, sub := range c.of.Commands() {
			if sub.Name() == word {
				found = sub
			}
		}
		if found == nil && !c.of.HasSubCommands() {
			return fmt.Errorf("%s has no commands", strings.Join(words[:i], " "))
		}
		if found == nil {
			return oneOf(c.of, words[i:])
		}
		c.of = found
	}
	return nil
}

// Run prints the help of the command that was named.
func (c *helpCommand) Run(context.Context, environment) error { return c.of.Help() }
