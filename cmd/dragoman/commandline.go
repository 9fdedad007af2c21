package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// entry is what the command line knows by a name: a command, or a group of commands.
type entry interface {
	// describe returns its name, its words and its flags, which are read into the command.
	describe() *cobra.Command
}

// command is a command of dragoman.
type command interface {
	entry
	// Run runs the command with what the command line said.
	Run(ctx context.Context, s environment) error
}

// group is a name that wants that of one of its commands behind it.
type group interface {
	entry
	commands() []entry
}

// commandLine reads a command line. It is read once.
//
// cobra finds the command and pflag its flags; the words of the help and of mistakes are ours.
// What of cobra works with templates must not be used: text/template calls methods by names that
// the linker cannot know, which then keeps every exported method of the program.
type commandLine struct {
	root    *cobra.Command
	leaves  []*cobra.Command // the commands that can be run, in the order of the help
	named   command          // the one that was named, once the command line is read
	version bool
}

// newCommandLine makes that of a program which is about something, and has the commands that all
// returns for the root. Without the name of a command, it is that of the first.
func newCommandLine(s environment, about string, all func(root *cobra.Command) []entry) *commandLine {
	l := &commandLine{}
	l.root = &cobra.Command{
		Use:   "dragoman <command>",
		Short: about,
		// Before the name of a command are flags of serve, which are not those of another one.
		TraverseChildren:      true,
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
	}
	l.root.CompletionOptions.DisableDefaultCmd = true
	l.root.SetOut(s.out)
	l.root.SetErr(s.err)
	l.root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { l.help(s.out, cmd) })
	switchable(l.root.PersistentFlags(), new(bool), "help", "h", "Show context-sensitive help.")
	for _, e := range all(l.root) {
		l.add(l.root, e)
	}
	l.serveAlone()
	return l
}

// add puts e under parent.
func (l *commandLine) add(parent *cobra.Command, e entry) {
	cmd := e.describe()
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().SortFlags = false
	if len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	if cmd.Args == nil {
		cmd.Args = arguments()
	}
	switch e := e.(type) {
	case command:
		l.leaves = append(l.leaves, cmd)
		cmd.RunE = func(*cobra.Command, []string) error { l.named = e; return nil }
	case group:
		cmd.Args, cmd.RunE = oneOf, oneOf
		for _, sub := range e.commands() {
			l.add(cmd, sub)
		}
	}
	if cmd.Name() == "help" {
		l.root.SetHelpCommand(cmd) // else cobra adds one of its own
	}
	parent.AddCommand(cmd)
}

// serveAlone lets the root take the command line of the first command, with the very flags of it.
func (l *commandLine) serveAlone() {
	l.root.Args, l.root.RunE = oneOf, l.leaves[0].RunE
	l.root.ValidArgsFunction = cobra.NoFileCompletions
	l.root.Flags().SortFlags = false
	l.root.Flags().AddFlagSet(l.leaves[0].Flags())
	switchable(l.root.Flags(), &l.version, "version", "", versionHelp)
}

// read returns the command that args name, with its flags and arguments read into it. It is nil
// where args ask for help, or are the question of a shell: the answer is printed then. lookup
// finds the variables that stand for flags. The error says why args make no sense.
func (l *commandLine) read(args []string, lookup func(string) (string, bool)) (command, error) {
	// cobra takes those of the process in place of none.
	l.root.SetArgs(append([]string{}, args...))
	cmd, err := l.root.ExecuteC()
	if err != nil {
		return nil, inOurWords(cmd, err)
	}
	if l.version {
		return versionCommand{}, nil
	}
	if l.named == nil {
		return nil, nil
	}
	if err := l.notOfServe(cmd); err != nil {
		return nil, err
	}
	if err := flagsForValues(args, cmd.Flags()); err != nil {
		return nil, err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		t, ok := f.Value.(text)
		if !ok || t.env == "" || f.Changed {
			return
		}
		if value, ok := lookup(t.env); ok {
			*t.into = value
		}
	})
	return l.named, nil
}

// notOfServe refuses flags before the name of cmd, which would be those of serve.
func (l *commandLine) notOfServe(cmd *cobra.Command) (err error) {
	if cmd == l.root || cmd == l.leaves[0] {
		return nil
	}
	l.root.Flags().Visit(func(f *pflag.Flag) {
		err = fmt.Errorf("flag --%s applies to the default command %q, not %q", f.Name, l.leaves[0].Name(), cmd.Name())
	})
	return err
}

// arguments is for the Args of a command whose Use has a <name> for each of places, in brackets
// where that may be missing.
func arguments(places ...*string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(places) {
			return fmt.Errorf("unexpected argument %s", args[len(places)])
		}
		for i, value := range args {
			*places[i] = value
		}
		missing := strings.Fields(cmd.Use)[1+len(args):]
		if len(missing) > 0 && !strings.HasPrefix(missing[0], "[") {
			return fmt.Errorf("expected %q", strings.Join(missing, " "))
		}
		return nil
	}
}
