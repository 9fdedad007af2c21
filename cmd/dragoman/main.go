// Command dragoman is the gateway, and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// commands are all commands, in the order of the help. Each is one file. Without the name of
// one, the command line is that of the first. root is the command that they belong to.
func commands(root *cobra.Command) []entry {
	return []entry{
		&serveCommand{},
		&checkCommand{},
		keyCommand{},
		storeCommand{},
		&chatCommand{},
		&explainCommand{},
		&topCommand{},
		&mockCommand{},
		versionCommand{},
		&helpCommand{root: root},
		&completionCommand{root: root},
	}
}

func main() {
	cobra.MousetrapHelpText = "" // a click in the Explorer of Windows serves, as anywhere else
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	os.Exit(run(ctx, os.Args[1:], environment{in: os.Stdin, out: os.Stdout, err: os.Stderr, interrupts: interrupts, hangups: make(chan os.Signal, 1), handovers: make(chan os.Signal, 1)}))
}

// dialectWords names the dialects of clients, as a sentence does.
func dialectWords() string {
	var names []string
	for _, f := range front.All {
		names = append(names, f.Name())
	}
	return inWords(names, "and")
}

// run runs the command that args name and returns the exit code: 0 done, 1 it
// failed, 2 args make no sense.
func run(ctx context.Context, args []string, s environment) int {
	about := "One gateway between chat clients and chat back ends, any to any: " + dialectWords() + "."
	named, err := newCommandLine(s, about, commands).read(args, os.LookupEnv)
	if err != nil {
		fmt.Fprintln(s.err, "dragoman:", err)
		return 2
	}
	if named == nil {
		return 0 // the help, or what a shell asked, has been printed
	}
	if _, chats := named.(*chatCommand); !chats {
		var stop func()
		ctx, stop = untilInterrupt(ctx, s.interrupts)
		defer stop()
	}
	err = named.Run(ctx, s)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(s.err, "dragoman:", err)
	}
	return 1
}
