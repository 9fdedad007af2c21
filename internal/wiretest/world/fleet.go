package world

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
)

// With these variables of the environment [Start] makes a fleet: several processes of the
// program Program on a database of the PostgreSQL at Store and one of the Redis at Shared, which
// has [fleettest.Databases] of them, behind a balancer that gives each request and socket to
// another one. The world has neither Gateway nor Store nor front then.
const (
	Program = "DRAGOMAN_TEST_FLEET"
	Store   = "DRAGOMAN_TEST_FLEET_STORE"
	Shared  = "DRAGOMAN_TEST_FLEET_SHARED"
)

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
	text += "\nstore: {url: \"{STORE}\"}\nshared: {url: \"{SHARED}\"}\n"
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
	f := fleettest.Open(t, o)
	w.Addr, w.Log.of = f.Addr, f.Log
	t.Cleanup(func() {
		for _, r := range f.Replicas {
			if t.Failed() && r.Addr() != "" {
				_ = r.Stop() // so that its last lines are there
			}
		}
		f.Close()
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
