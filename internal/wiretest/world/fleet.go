package world

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

// With these variables of the environment [Start] makes a fleet: several processes of the
// program Program on a database of the PostgreSQL at Store and one of the Redis at Shared, which
// has [fleettest.Databases] of them, behind a balancer that gives each request and socket to
// another one. The Store of the world is one more client of that database; it has neither
// Gateway nor front then.
const (
	Program = "DRAGOMAN_TEST_FLEET"
	Store   = "DRAGOMAN_TEST_FLEET_STORE"
	Shared  = "DRAGOMAN_TEST_FLEET_SHARED"
	// Clocks is by how many seconds the clock of each is off, with commas between; empty: none.
	Clocks = "DRAGOMAN_TEST_FLEET_CLOCKS"
)

// NoBubble is why a test in a bubble of testing/synctest skips itself where worlds are fleets. The
// test around the bubble passes none the less.
const NoBubble = "processes are in no bubble"

// Fleet reports whether worlds are fleets.
func Fleet() bool { return os.Getenv(Program) != "" }

// startFleet is Start of one.
func startFleet(t testing.TB, text string) *World {
	t.Helper()
	if strings.Contains(text, "store:") || strings.Contains(text, "shared:") {
		t.Skip("the test has a store of its own")
	}
	w := &World{Log: &Log{}, Model: mockmodel.New(mockmodel.Options{Log: t.Logf}), place: loopback()}
	behind := w.listen(t, "model")
	w.model = behind.Addr().String()
	w.serve.Go(func() {
		if err := w.Model.Serve(behind); err != nil {
			t.Errorf("the model: %v", err)
		}
	})
	text = strings.ReplaceAll(text, "{MODEL}", w.model)
	var err error
	if w.Conf, err = config.Load([]byte(text), "test.yaml", os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	// Three processes and all clients share a few cores: nobody counts alone for a late answer.
	text += "\nstore: {url: \"{STORE}\"}\nshared: {url: \"{SHARED}\", wait: 2s}\n"
	if !strings.Contains(text, "drain:") {
		text += "drain: 1s\n"
	}
	if !strings.Contains(text, "admin:") {
		text += "admin: {listen: \"127.0.0.1:0\", token: operator-token}\n"
	}
	if !strings.Contains(text, "trusted_proxies:") {
		text += "trusted_proxies: [127.0.0.1]\n"
	}
	o := fleettest.Options{Text: text, Verbose: true, Program: func(args ...string) *exec.Cmd { return exec.Command(os.Getenv(Program), args...) }}
	o.Store, o.Shared = fleettest.Place(t, os.Getenv(Store), os.Getenv(Shared))
	for clock := range strings.SplitSeq(os.Getenv(Clocks), ",") {
		if n, err := strconv.Atoi(clock); err == nil {
			o.Clocks = append(o.Clocks, n)
		}
	}
	f := fleettest.Open(t, o)
	w.Addr, w.Log.of = f.Addr, f.Log
	if w.Store, err = postgres.Open(o.Store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range f.Replicas {
			if t.Failed() && r.Addr() != "" {
				_ = r.Stop() // so that its last lines are there
			}
		}
		f.Close()
		_ = w.Store.Close()
		w.Model.Close()
		w.serve.Wait()
		w.endFleet(t)
	})
	return w
}

// endFleet checks what processes that have ended have left.
func (w *World) endFleet(t testing.TB) {
	t.Helper()
	w.checkSecrets(t)
	if t.Failed() {
		t.Logf("the logs of the gateways:\n%s", w.Log)
	}
	if s := w.Log.String(); strings.Contains(s, "msg=panic") {
		t.Errorf("a gateway panicked:\n%s", s)
	}
}
