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

	"github.com/spf13/cobra"
)

// options are the command line.
type options struct {
	Rounds     int
	Window     time.Duration
	Only       string
	Note       string
	Out        string
	Page       string
	Against    string
	Everything bool
	Consoles   int
	Render     string
}

// flags puts them into the command line of cmd.
func (o *options) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.Rounds, "rounds", 0, "How often everything is measured. Default 3; with --against 9.")
	flags.DurationVar(&o.Window, "window", 0, "How long each measurement takes. Default 2s; with --against 1s.")
	flags.StringVar(&o.Only, "only", "", "Measure only scenarios, with --against rows, whose name fits this `REGEXP`.")
	flags.StringVar(&o.Note, "note", "", "A remark for the result, such as what else the machine does.")
	flags.StringVar(&o.Out, "out", "benchmarks/results", "The folder of the results; empty: write none.")
	flags.StringVar(&o.Page, "page", "benchmarks/README.md", "The page with the table; empty: leave it.")
	flags.StringVar(&o.Against, "against", "", "Measure this `BINARY` of dragoman beside that of now, and nothing else; writes no result.")
	flags.BoolVar(&o.Everything, "everything", false, "Measure dragoman with all that can be switched on (traces at 1 %, a log in JSON, a watched file) beside itself without.")
	flags.IntVar(&o.Consoles, "consoles", 0, "Measure dragoman with `N` open consoles beside itself with none.")
	flags.StringVar(&o.Render, "render", "", "Measure nothing: put this `FILE`, a result, into the page.")
}

func main() {
	var o options
	cmd := &cobra.Command{Use: "compare", Short: "Measure dragoman beside its peers.", Args: cobra.NoArgs, SilenceUsage: true}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) }
	cmd.SetErrPrefix("compare:")
	o.flags(cmd)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := cmd.ExecuteContext(ctx)
	stop()
	if err != nil {
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
