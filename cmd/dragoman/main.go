// Command dragoman is the gateway, and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// commands is the command line. Each command is one file.
type commands struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve all fronts. Without a file: a quick start that needs none."`
	Check   checkCommand   `cmd:"" help:"Say what is wrong with a configuration file."`
	Key     keyCommand     `cmd:"" help:"Make, list and revoke keys of callers in the store, also while a server runs on it."`
	Store   storeCommand   `cmd:"" help:"Look after the file of the store, while no server runs on it."`
	Chat    chatCommand    `cmd:"" help:"Talk in the terminal, in any dialect, to dragoman or to any real server."`
	Explain explainCommand `cmd:"" help:"Say why a question went where it went, or where one would go."`
	Top     topCommand     `cmd:"" help:"Show how a running gateway and its channels stand, live."`
	Mock    mockCommand    `cmd:"" help:"Serve a scripted model in every dialect, with faults chosen by model name: docs/mock.md."`
	Version versionCommand `cmd:"" help:"Print the version, the commit and the Go version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	os.Exit(run(ctx, os.Args[1:], environment{in: os.Stdin, out: os.Stdout, err: os.Stderr, interrupts: interrupts, hangups: make(chan os.Signal, 1), handovers: make(chan os.Signal, 1), grace: front.Grace}))
}

// dialectWords names the dialects of clients, as a sentence does.
func dialectWords() string {
	var names []string
	for _, f := range front.All {
		names = append(names, f.Name())
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// run runs the command that args name and returns the exit code: 0 done, 1 it
// failed, 2 args make no sense.
func run(ctx context.Context, args []string, s environment) int {
	var cmd commands
	exited := -1
	parser, err := kong.New(&cmd,
		kong.Name("dragoman"),
		kong.Description("One gateway between chat clients and chat back ends, any to any: "+dialectWords()+"."),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exited = code }),
		kong.Bind(s),
		chatWords(),
	)
	if err != nil {
		fmt.Fprintln(s.err, "dragoman:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(s.err, "dragoman:", err)
		return 2
	}
	if parsed.Command() != "chat" {
		var stop func()
		ctx, stop = untilInterrupt(ctx, s.interrupts)
		defer stop()
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run()
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(s.err, "dragoman:", err)
	}
	return 1
}
