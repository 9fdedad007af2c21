//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	proxyCore     = 0 // nothing but the measured proxy
	otherCore     = 1 // the model and the load
	key           = "sk-benchmark-caller"
	operatorToken = "benchmark-operator"
)

// bench has what measurements need: the programs, and a folder for what they
// write.
type bench struct {
	*options
	dir    string
	pinned bool
	nginx  string // its path; empty: there is none
	model  *process
	addr   string // of the model

	operator string // address of the operator's side of dragoman
	added    added
}

// loaded is what the load generator prints, as far as it is used here.
type loaded struct {
	Requests          int64     `json:"requests"`
	Events            int64     `json:"events"`
	RequestsPerSecond float64   `json:"requests_per_second"`
	EventsPerSecond   float64   `json:"events_per_second"`
	Latency           quantiles `json:"latency_us"`
	First             quantiles `json:"first_us"`
	Gap               quantiles `json:"gap_us"`
	Glued             int64     `json:"glued"`
	CPUPerRequest     float64   `json:"cpu_us_per_request"`
	CPUPerEvent       float64   `json:"cpu_us_per_event"`
	Busy              float64   `json:"busy"`
	Waited            float64   `json:"waited"`
	PeerBusy          float64   `json:"peer_busy"`
	LoadBusy          float64   `json:"load_busy"`
	RSSBefore         float64   `json:"rss_before_mib"`
	RSS               float64   `json:"rss_mib"`
	RSSPeak           float64   `json:"rss_peak_mib"`
	PrivateBefore     float64   `json:"private_before_mib"`
	Private           float64   `json:"private_mib"`
	KiBPerCaller      float64   `json:"kib_per_caller"`
	Failures          int64     `json:"failures"`
	Errors            []string  `json:"errors,omitempty"`
}

type quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// newBench builds the programs.
func newBench(ctx context.Context, o *options) (*bench, error) {
	b := &bench{options: o}
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 1 {
		b.pinned = true
	}
	if path, err := exec.LookPath("nginx"); err == nil {
		b.nginx = path
	} else if !o.paired() {
		fmt.Fprintln(os.Stderr, "compare: there is no nginx in the path: its column will be missing")
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "dragoman-compare-"); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.dir+"/", "./cmd/dragoman", "./benchmarks/load", "./benchmarks/compare/bareproxy")
	if out, err := build.CombinedOutput(); err != nil {
		b.close()
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return b, nil
}

func (b *bench) close() {
	b.model.stop()
	b.added.close()
	_ = os.RemoveAll(b.dir)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// measure measures all targets of a scenario in turns.
func (b *bench) measure(ctx context.Context, s scenario) (*measured, error) {
	m := &measured{Name: s.Name, Title: s.Title, Model: s.Model, Value: s.Value, Goal: s.Goal}
	targets := s.Targets
	if b.nginx == "" {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return t.Proxy == "nginx" })
	}
	for _, t := range targets {
		m.Rows = append(m.Rows, row{Target: t.Name, Proxy: t.Proxy, Goal: t.Goal})
	}
	rounds := b.Rounds
	if s.Rounds > 0 {
		rounds = min(rounds, s.Rounds)
	}
	return m, b.withModel(ctx, func() error {
		for round := range rounds {
			for i, t := range targets {
				l, err := b.undisturbed(ctx, s, t)
				if err != nil {
					return fmt.Errorf("%s: %w", t.Name, err)
				}
				m.Rows[i].Rounds = append(m.Rows[i].Rounds, l)
				fmt.Fprintf(os.Stderr, "%s %d/%d %s: %.2f %s\n", s.Name, round+1, rounds, t.Name, values[s.Value].of(l), values[s.Value].unit)
			}
		}
		return nil
	})
}

// withModel calls f while the model runs.
func (b *bench) withModel(ctx context.Context, f func() error) (err error) {
	if b.addr, err = freeAddr(); err != nil {
		return err
	}
	if b.model, err = b.start(otherCore, []string{"GOGC=800"}, b.path("dragoman"), "mock", "-q", "--listen", b.addr); err != nil {
		return err
	}
	defer func() { b.model.stop(); b.model = nil }()
	if err := b.model.await(ctx, b.addr); err != nil {
		return err
	}
	return f()
}

// undisturbed measures a target, and again when the machine had other things to do:
// paced events that arrive together were held up somewhere, and cost less than they
// should. The least disturbed measurement counts.
func (b *bench) undisturbed(ctx context.Context, s scenario, t target) (*loaded, error) {
	const tries, tolerated = 3, .05
	var best *loaded
	for range tries {
		l, err := b.one(ctx, s, t)
		if err != nil {
			return nil, err
		}
		if best == nil || l.gluedShare() < best.gluedShare() {
			best = l
		}
		if !s.Paced || best.gluedShare() <= tolerated {
			break
		}
	}
	return best, nil
}

func (l *loaded) gluedShare() float64 { return float64(l.Glued) / float64(max(1, l.Events)) }

// one starts the proxy of a target, loads it and stops it.
func (b *bench) one(ctx context.Context, s scenario, t target) (*loaded, error) {
	addr, proxy, err := b.proxy(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer proxy.stop()
	if t.Proxy == "dragoman" && t.Binary == "" {
		end, err := b.added.open(ctx, b.operator)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	measured := proxy
	if proxy == nil {
		measured = b.model
	}
	args := []string{
		b.path("load"), "--addr", addr, "--dialect", t.Dialect, "--model", t.model(s), "--key", key,
		"--window", (b.Window * max(1, timesOf(s.Windows))).String(), "--warmup", "700ms",
	}
	args = append(args, s.Load...)
	for _, pid := range measured.pids() {
		args = append(args, "--pid", strconv.Itoa(pid))
	}
	if proxy != nil {
		args = append(args, "--peer", strconv.Itoa(b.model.cmd.Process.Pid))
	}
	args = b.pin(otherCore, args)
	load := exec.CommandContext(ctx, args[0], args[1:]...)
	load.Env = append(os.Environ(), "GOGC=400")
	var failed bytes.Buffer
	load.Stderr = &failed
	out, err := load.Output()
	l := &loaded{}
	if jsonErr := json.Unmarshal(out, l); jsonErr != nil {
		return nil, fmt.Errorf("load: %w: %s", err, failed.Bytes())
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w: %d failures: %s", err, l.Failures, strings.Join(l.Errors, "; "))
	}
	return l, nil
}

// prefixes of a model's name choose the channel; to the script they mean nothing.
var prefixes = map[string]string{"openai": "oa-", "anthropic": "an-", "rest": "re-", "iagent": "ia-", "mock": "mo-"}

func (t target) model(s scenario) string { return prefixes[t.Channel] + s.Model }
