package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// completionCommand prints a script that lets a shell complete command lines.
type completionCommand struct {
	root  *cobra.Command
	Shell string
}

func (c *completionCommand) describe() *cobra.Command {
	return &cobra.Command{
		Use:         "completion <shell>",
		ValidArgs:   shells,
		Short:       "Print a script that lets a shell complete commands and flags of dragoman.",
		Long:        "In bash: source <(dragoman completion bash). In zsh, after compinit: source <(dragoman completion zsh). In fish: dragoman completion fish | source.",
		Annotations: map[string]string{"<shell>": "bash, zsh or fish."},
		Args:        c.take,
	}
}

// shells are those for which there is a script.
var shells = []string{"bash", "zsh", "fish"}

func (c *completionCommand) take(cmd *cobra.Command, args []string) error {
	if err := arguments(&c.Shell)(cmd, args); err != nil {
		return err
	}
	if err := (choice{into: &c.Shell, of: shells}).Set(c.Shell); err != nil {
		return fmt.Errorf("<shell> %w", err)
	}
	return nil
}

// Run prints the script.
func (c *completionCommand) Run(_ context.Context, s environment) error {
	switch c.Shell {
	case "zsh":
		return c.root.GenZshCompletion(s.out)
	case "fish":
		return c.root.GenFishCompletion(s.out, true)
	default:
		return c.root.GenBashCompletionV2(s.out, true)
	}
}
