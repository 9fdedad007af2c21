// Command dragoman is the gateway, and the tools around it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line. Each command is one file.
type commands struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve all fronts. Without a file: a quick start that needs none."`
	Check   checkCommand   `cmd:"" help:"Say what is wrong with a configuration file."`
	Mock    mockCommand    `cmd:"" help:"Serve a scripted model in every dialect, with faults chosen by model name."`
	Version versionCommand `cmd:"" help:"Print the version, the commit and the Go version."`
}

// surroundings are what commands may touch of the process.
type surroundings struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], surroundings{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run runs the command that args name and returns the exit code: 0 done, 1 it
// failed, 2 args make no sense.
func run(ctx context.Context, args []string, s surroundings) int {
	var cmd commands
	exited := -1
	parser, err := kong.New(&cmd,
		kong.Name("dragoman"),
		kong.Description("One gateway between chat clients and chat back ends: chatnio, rest, iagent, openai and anthropic, any to any."),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
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
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(s.err, "dragoman:", err)
		return 1
	}
	return 0
}
