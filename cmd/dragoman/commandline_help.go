package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help prints how cmd is called. Where a variable stands for a flag it has its name, never its
// value.
func (l *commandLine) help(out io.Writer, cmd *cobra.Command) {
	wide, _ := sizeOf(out)
	b := &strings.Builder{}
	fmt.Fprintf(b, "Usage: %s\n", l.usage(cmd))
	for _, said := range []string{cmd.Short, cmd.Long} {
		if said != "" {
			b.WriteString("\n")
			writeFolded(b, said, "", wide)
		}
	}
	var places [][2]string
	for _, place := range strings.Fields(cmd.Use)[1:] {
		if means := cmd.Annotations[place]; means != "" {
			places = append(places, [2]string{place, means})
		}
	}
	if len(places) > 0 {
		b.WriteString("\nArguments:\n")
		writeColumns(b, places, wide)
	}
	b.WriteString("\nFlags:\n")
	l.writeFlags(b, cmd, wide)
	l.writeCommands(b, cmd, wide)
	_, _ = io.WriteString(out, b.String())
}

// usage is the line that calls cmd.
func (l *commandLine) usage(cmd *cobra.Command) string {
	line := cmd.UseLine()
	if !cmd.HasSubCommands() && len(l.flagsOf(cmd)) > 0 {
		line += " [flags]"
	}
	return line
}

// flagsOf returns the flags of cmd alone: not those that all have, nor those that the root
// has in place of serve.
func (l *commandLine) flagsOf(cmd *cobra.Command) (all []*pflag.Flag) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		ofServe := cmd == l.root && l.leaves[0].Flags().Lookup(f.Name) == f
		if f.Name != "help" && !ofServe {
			all = append(all, f)
		}
	})
	return all
}

func (l *commandLine) writeFlags(b *strings.Builder, cmd *cobra.Command, wide int) {
	help := l.root.PersistentFlags().Lookup("help")
	lines := [][2]string{{flagInWords(help), help.Usage}}
	for i, f := range l.flagsOf(cmd) {
		if i == 0 {
			lines = append(lines, [2]string{}) // an empty one
		}
		lines = append(lines, [2]string{flagInWords(f), usageInWords(f)})
	}
	writeColumns(b, lines, wide)
}

// writeCommands lists what cmd is the group of.
func (l *commandLine) writeCommands(b *strings.Builder, cmd *cobra.Command, wide int) {
	if !cmd.HasSubCommands() {
		return
	}
	b.WriteString("\nCommands:\n")
	gap := ""
	for _, leaf := range l.leaves {
		if cmd != l.root && leaf.Parent() != cmd {
			continue
		}
		b.WriteString(gap)
		gap = "\n"
		writeFolded(b, strings.TrimPrefix(l.usage(leaf), l.root.Name()+" "), "  ", wide)
		writeFolded(b, leaf.Short, "    ", wide)
	}
	if cmd == l.root {
		b.WriteString("\nRun \"dragoman <command> --help\" for more information on a command.\n")
	}
}

// flagInWords is f as the command line has it.
func flagInWords(f *pflag.Flag) string {
	words := "    --" + f.Name
	if f.Shorthand != "" {
		words = "-" + f.Shorthand + ", --" + f.Name
	}
	if f.NoOptDefVal != "" {
		return words
	}
	value := f.Value.Type()
	if value == "" && f.DefValue != "" {
		value = fmt.Sprintf("%q", f.DefValue)
	}
	if value == "" {
		value = "STRING"
	}
	return words + "=" + value
}

// usageInWords is what f is for, with the variable that stands for it.
func usageInWords(f *pflag.Flag) string {
	t, ok := f.Value.(text)
	if !ok || t.env == "" {
		return f.Usage
	}
	return strings.TrimSuffix(f.Usage, ".") + " ($" + t.env + ")."
}

// writeColumns writes lines of two columns, the second of which is folded. One without a first is empty.
func writeColumns(b *strings.Builder, lines [][2]string, wide int) {
	left := 0
	for _, line := range lines {
		left = max(left, utf8.RuneCountInString(line[0]))
	}
	indent := strings.Repeat(" ", 2+left+4)
	for _, line := range lines {
		if line[0] == "" {
			b.WriteString("\n")
			continue
		}
		text := &strings.Builder{}
		writeFolded(text, line[1], indent, wide)
		fmt.Fprintf(b, "  %-*s    %s", left, line[0], strings.TrimPrefix(text.String(), indent))
	}
}

// writeFolded writes text in lines of at most wide columns, as far as its words allow, each of
// which begins with indent.
func writeFolded(b *strings.Builder, text, indent string, wide int) {
	const least = 20 // columns, however narrow the terminal is
	room := max(wide-len(indent), least)
	used := 0
	for _, word := range strings.Fields(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case used == 0:
			b.WriteString(indent)
		case used+1+size > room:
			b.WriteString("\n" + indent)
			used = 0
		default:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += size
	}
	b.WriteString("\n")
}
