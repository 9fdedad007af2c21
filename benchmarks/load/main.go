// Command load asks a chat server, in any of the five dialects, as fast as it
// answers or at a fixed rate, checks every piece of every answer and prints what
// was measured as one JSON object.
//
// The model's name is a script of the scripted model (`dragoman mock` lists its
// words) and must hold long-N or burst-N: those number their pieces, so an answer
// with a piece lost, doubled or out of order ends the run with status 1. Whole
// answers over HTTP can be had from echo as well: then the questions are numbered,
// and every answer has to repeat its own.
//
// With --rate the times of asking are fixed beforehand and an answer's latency
// counts from the time at which its question was due: a server that stands still
// for a second is charged for every question of that second, not for one.
package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// options are the command line.
type options struct {
	Name    string
	Addr    string
	Prefix  string
	Dialect string
	Key     string
	Model   string
	Stream  bool
	Bytes   int
	Callers int
	Slots   int
	Turns   int
	Rate    float64
	Warmup  time.Duration
	Window  time.Duration
	Ramp    time.Duration
	Drain   time.Duration
	Cut     bool
	Idle    bool
	Pid     []int
	Peer    []int
}

// flags puts them into the command line of cmd.
func (o *options) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Name, "name", "", "Name of the run, repeated in the result.")
	flags.StringVar(&o.Addr, "addr", "", "The server to ask, as `HOST:PORT`.")
	flags.StringVar(&o.Prefix, "prefix", "", "Put before every path.")
	flags.StringVar(&o.Dialect, "dialect", "openai", "openai, anthropic, rest, chatnio or iagent.")
	flags.StringVar(&o.Key, "key", "any", "The key to show.")
	flags.StringVar(&o.Model, "model", "long-100", "The model: a script with long-N or burst-N.")
	flags.BoolVar(&o.Stream, "stream", false, "openai, anthropic, rest: ask for streams.")
	flags.IntVar(&o.Bytes, "bytes", 900, "With echo: how long a question is, and so its answer.")
	flags.IntVar(&o.Callers, "callers", 64, "How many connections ask.")
	flags.IntVar(&o.Slots, "slots", 1, "iagent: how many messages of one connection may wait for their answers.")
	flags.IntVar(&o.Turns, "turns", 20, "rest, chatnio, iagent: how many turns until a new conversation begins.")
	flags.Float64Var(&o.Rate, "rate", 0, "Ask this often per second, whatever the answers do. 0: ask again once answered.")
	flags.DurationVar(&o.Warmup, "warmup", time.Second, "How long to ask before anything is measured.")
	flags.DurationVar(&o.Window, "window", 5*time.Second, "How long to measure.")
	flags.DurationVar(&o.Ramp, "ramp", 0, "Spread the first questions over this time.")
	flags.DurationVar(&o.Drain, "drain", 10*time.Second, "How long answers may still take at the end.")
	flags.BoolVar(&o.Cut, "cut", false, "Leave answers unfinished at the end: for long streams.")
	flags.BoolVar(&o.Idle, "idle", false, "Open the connections, ask nothing, and measure the memory.")
	flags.IntSliceVar(&o.Pid, "pid", nil, "The `PID` of a measured process; may be repeated.")
	flags.IntSliceVar(&o.Peer, "peer", nil, "The `PID` of another process that must not be the limit, such as the model.")
	_ = cmd.MarkFlagRequired("addr")
}

func main() {
	var o options
	failed := false
	cmd := &cobra.Command{Use: "load", Short: "Ask a chat server under load, check every answer, and print what it cost.", Args: cobra.NoArgs, SilenceUsage: true}
	cmd.RunE = func(*cobra.Command, []string) error {
		r, err := o.run()
		if err != nil {
			return err
		}
		failed = r.Failures > 0
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	cmd.SetErrPrefix("load:")
	o.flags(cmd)
	if cmd.Execute() != nil || failed {
		os.Exit(1)
	}
}
