// Command soak keeps a gateway under mixed load for a long time, hostile clients and
// back ends among it, and fails when the gateway grows or a good client gets anything
// but its answer. See benchmarks/README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are the command line.
type options struct {
	Dragoman      string        `help:"The binary to soak." required:"" type:"existingfile"`
	Dir           string        `help:"Folder for its files. Default: a temporary one."`
	For           time.Duration `help:"How long." default:"20m"`
	Settle        time.Duration `help:"From when on nothing may grow." default:"5m"`
	Every         time.Duration `help:"How often to look." default:"5s"`
	Streams       int           `help:"Streams that are open at any time." default:"2000"`
	Pieces        int           `help:"How many pieces a stream has, a second apart." default:"60"`
	Sockets       int           `help:"WebSockets that are open at any time, half of them chatnio's, half of them iagent's." default:"2000"`
	Conversations int           `help:"Conversations that grow all the time." default:"40"`
	Turns         int           `help:"How many turns each of them grows by." default:"500"`
	Rate          float64       `help:"Further questions per second." default:"500"`
	Hostile       int           `help:"Hostile clients at any time." default:"60"`
	Bad           float64       `help:"Questions per second to hostile back ends." default:"10"`
	RSS           float64       `help:"By which share the resident memory may grow after Settle." default:"0.10"`
	Count         float64       `help:"By which share goroutines and descriptors may grow after Settle." default:"0.02"`
	Seed          uint64        `help:"Of everything that is left to chance." default:"1"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("soak"), kong.Description("Keep a gateway under mixed and hostile load, and fail when it grows or answers wrongly."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}
