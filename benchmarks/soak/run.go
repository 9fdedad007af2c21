package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// run is a soak under way.
type run struct {
	options
	gateway, operator string // addresses
	client            *http.Client
	chance            func(worker int) *rand.Rand
	work              sync.WaitGroup

	serial            atomic.Int64 // of iagent messages
	answered, refused atomic.Int64 // of good clients; of hostile ones

	mu       sync.Mutex
	failures int
	examples []string
}

const (
	adminToken = "soak-operator-0123456789abcdef"
	callers    = 40 // keys, so that no caller is bounded by what one caller may do
)

// key is the key of one of the callers.
func key(n int) string { return fmt.Sprintf("sk-soak-%04d-5up3r5ecret", n%callers) }

// run starts everything, looks on, stops everything, and says what came of it.
func (o options) run(ctx context.Context, out io.Writer) error {
	if o.Settle >= o.For {
		return errors.New("settle must be shorter than the soak")
	}
	dir, err := o.folder()
	if err != nil {
		return err
	}
	r := &run{options: o}
	r.chance = func(worker int) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, uint64(worker))) }
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.Streams + 1000, DisableCompression: true}}

	back, err := openHostile()
	if err != nil {
		return err
	}
	defer back.close()
	model, addr, err := o.startModel(dir)
	if err != nil {
		return err
	}
	defer stop(model)
	gateway, err := r.startGateway(dir, addr, back)
	if err != nil {
		return err
	}
	defer stop(gateway)

	life, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	r.start(life)
	verdict := r.watch(life, out, gateway.Process.Pid)
	cancel()
	r.client.CloseIdleConnections()
	r.work.Wait()
	return errors.Join(verdict, r.verdict(out), ctx.Err())
}

// folder is where the files go.
func (o options) folder() (string, error) {
	if o.Dir != "" {
		return o.Dir, os.MkdirAll(o.Dir, 0o700)
	}
	return os.MkdirTemp("", "dragoman-soak-")
}

// start starts all clients.
func (r *run) start(ctx context.Context) {
	n := 0
	crowd := func(count int, client func(ctx context.Context, worker int, chance *rand.Rand)) {
		for i := range count {
			worker := n
			n++
			r.work.Go(func() {
				defer r.survive()
				client(ctx, i, r.chance(worker))
			})
		}
	}
	crowd(r.Streams, r.stream)
	crowd(r.Sockets/2, r.chatnioSocket)
	crowd(r.Sockets-r.Sockets/2, r.iagentSocket)
	crowd(r.Conversations, r.grow)
	crowd(r.Hostile, r.attack)
	askers := int(r.Rate/10) + 1
	crowd(askers, r.asker(r.Rate/float64(askers)))
	if r.Bad > 0 {
		crowd(8, r.sufferer(r.Bad/8))
	}
}

// survive makes a panic of a client a failure of the soak.
func (r *run) survive() {
	if p := recover(); p != nil {
		r.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}

// fail counts what must not happen to a good client.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	if len(r.examples) < 20 {
		r.examples = append(r.examples, time.Now().Format("15:04:05 ")+err.Error())
	}
}

// verdict tells what good clients met.
func (r *run) verdict(out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(out, "good clients: %d answers, %d failures; hostile ones: %d attempts\n", r.answered.Load(), r.failures, r.refused.Load())
	for _, e := range r.examples {
		_, _ = fmt.Fprintln(out, "  ", e)
	}
	if r.failures > 0 {
		return fmt.Errorf("%d failures of good clients", r.failures)
	}
	return nil
}

// startModel starts a scripted model and waits for its address.
func (o options) startModel(dir string) (*exec.Cmd, string, error) {
	out, w := io.Pipe()
	cmd, err := o.startProcess(dir, w, "mock", "--listen=127.0.0.1:0", "--quiet")
	if err != nil {
		return nil, "", err
	}
	var line string
	if _, err := fmt.Fscanln(io.MultiReader(out), new(string), new(string), new(string), &line); err != nil {
		return nil, "", errors.Join(fmt.Errorf("the model says nothing: %w", err), kill(cmd))
	}
	go func() {
		defer func() { _ = recover() }()
		_, _ = io.Copy(io.Discard, out)
	}()
	return cmd, strings.TrimPrefix(line, "http://"), nil
}

// startGateway writes the configuration, starts the gateway and waits until it is well.
func (r *run) startGateway(dir, model string, back *hostile) (*exec.Cmd, error) {
	var err error
	if r.gateway, err = freeAddr(); err != nil {
		return nil, err
	}
	if r.operator, err = freeAddr(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "soak.yaml")
	if err := os.WriteFile(file, []byte(r.configuration(model, back)), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		return nil, err
	}
	cmd, err := r.startProcess(dir, log, "serve", "-c", file)
	if err != nil {
		return nil, err
	}
	for range 200 {
		if answer, err := r.client.Get("http://" + r.operator + "/api/health"); err == nil {
			_ = answer.Body.Close()
			return cmd, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("the gateway does not start: see %s", log.Name()), kill(cmd))
}

func (o options) startProcess(dir string, out io.Writer, args ...string) (*exec.Cmd, error) {
	program, err := filepath.Abs(o.Dragoman)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	return cmd, cmd.Start()
}

// stop ends a process, politely at first.
func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(20*time.Second, func() {
		defer func() { _ = recover() }()
		_ = kill(cmd)
	})
	defer timer.Stop()
	_ = cmd.Wait()
}

func kill(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// configuration is that of the gateway: good channels, a channel for each kind of
// hostile back end, many callers, and anonymous ones who are mostly refused.
func (r *run) configuration(model string, back *hostile) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: %s\nadmin: {listen: %s, token: %s}\nstore: {url: \"sqlite:soak.db\"}\n", r.gateway, r.operator, adminToken)
	fmt.Fprintf(&b, "callers:\n  anonymous: {limits: public, models: [echo]}\n  keys:\n")
	for n := range callers {
		fmt.Fprintf(&b, "    - {name: caller-%d, key: %s}\n", n, key(n))
	}
	fmt.Fprintf(&b, "limits: {public: {requests: 5/m, concurrent: 2}}\npresets: {default: {model: echo}}\nchannels:\n")
	models := fmt.Sprintf("[{name: echo, upstream: echo-forget}, {name: numbers, upstream: long-%d-slow-1000-forget}]", r.Pieces)
	for i, kind := range []string{"openai", "anthropic"} {
		fmt.Fprintf(&b, "  - {id: good-%d, kind: %s, url: \"http://%s/v1\", keys: [any], models: %s}\n", i, kind, model, models)
	}
	for i, kind := range []string{"openai", "anthropic"} {
		for _, word := range badScripts {
			fmt.Fprintf(&b, "  - {id: %s-%d, kind: %s, url: \"http://%s/v1\", keys: [any], models: [{name: bad-%s-%d, upstream: %s}]}\n", word, i, kind, model, word, i, word)
		}
		for n := range hostileWays {
			fmt.Fprintf(&b, "  - {id: way-%d-%d, kind: %s, url: \"http://%s/%d/v1\", keys: [any], models: [bad-way%d-%d]}\n", n, i, kind, back.addr(), n, n, i)
		}
	}
	return b.String()
}

// badScripts are scripts of the scripted model that end badly.
var badScripts = []string{"fail-500", "fail-429-retry-1", "fail-401", "drop", "hang", "stall", "stallmid", "cut0", "cut", "garbage", "garbagemid", "empty", "blank", "error200", "errormid", "noend"}

// badModels are the models of all hostile back ends.
func badModels() (names []string) {
	for i := range 2 {
		for _, word := range badScripts {
			names = append(names, fmt.Sprintf("bad-%s-%d", word, i))
		}
		for n := range hostileWays {
			names = append(names, "bad-way"+strconv.Itoa(n)+"-"+strconv.Itoa(i))
		}
	}
	return names
}
