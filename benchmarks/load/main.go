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
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"
)

// options are the command line.
type options struct {
	Name    string        `help:"Name of the run, repeated in the result."`
	Addr    string        `help:"Host and port to ask." required:"" placeholder:"HOST:PORT"`
	Prefix  string        `help:"Put before every path."`
	Dialect string        `help:"openai, anthropic, rest, chatnio or iagent." enum:"openai,anthropic,rest,chatnio,iagent" default:"openai"`
	Key     string        `help:"The key to show." default:"any"`
	Model   string        `help:"The model: a script with long-N or burst-N." default:"long-100"`
	Stream  bool          `help:"openai, anthropic, rest: ask for streams."`
	Bytes   int           `help:"With echo: how long a question is, and so its answer." default:"900"`
	Callers int           `help:"How many connections ask." default:"64"`
	Slots   int           `help:"iagent: how many messages of one connection may wait for their answers." default:"1"`
	Turns   int           `help:"rest, chatnio, iagent: how many turns until a new conversation begins." default:"20"`
	Rate    float64       `help:"Ask this often per second, whatever the answers do. 0: ask again once answered."`
	Warmup  time.Duration `help:"How long to ask before anything is measured." default:"1s"`
	Window  time.Duration `help:"How long to measure." default:"5s"`
	Ramp    time.Duration `help:"Spread the first questions over this time."`
	Drain   time.Duration `help:"How long answers may still take at the end." default:"10s"`
	Cut     bool          `help:"Leave answers unfinished at the end: for long streams."`
	Idle    bool          `help:"Open the connections, ask nothing, and measure the memory."`
	Pid     []int         `help:"The measured processes." placeholder:"PID"`
	Peer    []int         `help:"Another process that must not be the limit, such as the model." placeholder:"PID"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("load"), kong.Description("Ask a chat server under load, check every answer, and print what it cost."))
	r, err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	if r.Failures > 0 {
		os.Exit(1)
	}
}
