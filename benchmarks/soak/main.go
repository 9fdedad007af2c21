// Command soak keeps a gateway under mixed load for a long time, hostile clients and
// back ends among it, and fails when the gateway grows or a good client gets anything
// but its answer. See benchmarks/README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// options are the command line.
type options struct {
	Dragoman      string
	Dir           string
	For           time.Duration
	Settle        time.Duration
	Every         time.Duration
	Streams       int
	Pieces        int
	Sockets       int
	Conversations int
	Turns         int
	Rate          float64
	Hostile       int
	Bad           float64
	RSS           float64
	Count         float64
	Seed          uint64
}

// flags puts them into the command line of cmd.
func (o *options) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Dragoman, "dragoman", "", "The binary to soak.")
	flags.StringVar(&o.Dir, "dir", "", "Folder for its files. Default: a temporary one.")
	flags.DurationVar(&o.For, "for", 20*time.Minute, "How long.")
	flags.DurationVar(&o.Settle, "settle", 5*time.Minute, "From when on nothing may grow.")
	flags.DurationVar(&o.Every, "every", 5*time.Second, "How often to look.")
	flags.IntVar(&o.Streams, "streams", 2000, "Streams that are open at any time.")
	flags.IntVar(&o.Pieces, "pieces", 60, "How many pieces a stream has, a second apart.")
	flags.IntVar(&o.Sockets, "sockets", 2000, "WebSockets that are open at any time, half of them chatnio's, half of them iagent's.")
	flags.IntVar(&o.Conversations, "conversations", 40, "Conversations that grow all the time.")
	flags.IntVar(&o.Turns, "turns", 500, "How many turns each of them grows by.")
	flags.Float64Var(&o.Rate, "rate", 500, "Further questions per second.")
	flags.IntVar(&o.Hostile, "hostile", 60, "Hostile clients at any time.")
	flags.Float64Var(&o.Bad, "bad", 10, "Questions per second to hostile back ends.")
	flags.Float64Var(&o.RSS, "rss", 0.10, "By which share the resident memory may grow after Settle.")
	flags.Float64Var(&o.Count, "count", 0.02, "By which share goroutines and descriptors may grow after Settle.")
	flags.Uint64Var(&o.Seed, "seed", 1, "Of everything that is left to chance.")
	_ = cmd.MarkFlagRequired("dragoman")
}

func main() {
	var o options
	cmd := &cobra.Command{Use: "soak", Short: "Keep a gateway under mixed and hostile load, and fail when it grows or answers wrongly.", Args: cobra.NoArgs, SilenceUsage: true}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), os.Stdout) }
	cmd.SetErrPrefix("soak:")
	o.flags(cmd)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := cmd.ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}
