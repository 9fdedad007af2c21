//go:build unix

// Command compare measures dragoman beside nginx, a bare fasthttp proxy and the
// model itself: the same questions, the same machine, in turns. It writes a dated
// result and puts its table into the page that explains it. With --against it measures
// another binary of dragoman beside that of now instead, in pairs, prints the ratios and
// ends with status 1 where one is worse; with --everything and --consoles dragoman beside itself.
//
// It runs on Linux only and wants nginx in the path; without it that column is
// missing.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// options are the command line.
type options struct {
	Rounds     int           `help:"How often everything is measured. Default 3; with --against 9."`
	Window     time.Duration `help:"How long each measurement takes. Default 2s; with --against 1s."`
	Only       string        `help:"Measure only scenarios, with --against rows, whose name fits this expression." placeholder:"REGEXP"`
	Note       string        `help:"A remark for the result, such as what else the machine does."`
	Out        string        `help:"The folder of the results; empty: write none." default:"benchmarks/results"`
	Page       string        `help:"The page with the table; empty: leave it." default:"benchmarks/README.md"`
	Against    string        `help:"Measure this binary of dragoman beside that of now, and nothing else; writes no result." placeholder:"BINARY"`
	Everything bool          `help:"Measure dragoman with all that can be switched on (traces at 1 %, a log in JSON, a watched file) beside itself without."`
	Consoles   int           `help:"Measure dragoman with so many open consoles beside itself with none." placeholder:"N"`
	Render     string        `help:"Measure nothing: put this result into the page." placeholder:"FILE"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Name("compare"), kong.Description("Measure dragoman beside its peers."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// fill sets what was not said.
func (o *options) fill() {
	rounds, window := 3, 2*time.Second
	if o.paired() {
		rounds, window = pairedRounds, time.Second
	}
	if o.Rounds <= 0 {
		o.Rounds = rounds
	}
	if o.Window <= 0 {
		o.Window = window
	}
}

func (o *options) run(ctx context.Context) error {
	if o.Render != "" {
		res, err := readResult(o.Render)
		if err != nil {
			return err
		}
		return res.intoPage(o.Page, filepath.Base(o.Render))
	}
	only, err := regexp.Compile(o.Only)
	if err != nil {
		return err
	}
	if o.Against != "" {
		if o.Against, err = program(o.Against); err != nil {
			return err
		}
	}
	o.fill()
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if o.paired() {
		b.add()
		return b.against(ctx, cmp.Or(o.Against, b.path("dragoman")), only)
	}
	res := &result{Date: time.Now().UTC().Truncate(time.Second), Note: o.Note, Rounds: o.Rounds, Window: o.Window.String(), Machine: machine(), Versions: b.versions(), Pinned: b.pinned}
	for _, s := range scenarios() {
		if !only.MatchString(s.Name) {
			continue
		}
		measured, err := b.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		res.Scenarios = append(res.Scenarios, measured)
	}
	name := "-"
	if o.Out != "" {
		if name, err = res.write(o.Out); err != nil {
			return err
		}
	}
	fmt.Print(res.table())
	if o.Page == "" || o.Out == "" || o.Only != "" {
		return nil
	}
	return res.intoPage(o.Page, name)
}
