// Package fleettest runs several gateways for tests, each a process of its own, on one store
// and one shared server, behind a balancer that gives each request and each socket to
// another one of them.
package fleettest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// Options say what a fleet is.
type Options struct {
	// Program makes the command that runs a gateway with these arguments.
	Program func(args ...string) *exec.Cmd
	// Text is the configuration of all. {STORE} and {SHARED} stand in it for the two URLs, and
	// {NAME} for the name of the replica: r1, r2 and so on.
	Text string
	// Store and Shared are the URLs of the servers. The one of the store gets the name of the
	// replica as its application_name, by which the server tells the replicas apart.
	Store, Shared string
	Replicas      int // 0: 3
	// Clocks is by how many seconds the clock of each replica is off, where Program runs what
	// [BuildOff] has built; nil: by none.
	Clocks  []int
	Verbose bool // they log what is normally not worth a line
}

// Fleet is some gateways and their balancer. Replicas and balancer end with the test.
type Fleet struct {
	Addr     string // of the balancer, host:port
	Replicas []*Replica

	t        testing.TB
	options  Options
	balancer *balancer
	said     logtest.Log // by the balancer
}

// Start starts a fleet, and returns when all of its gateways serve.
func Start(t testing.TB, o Options) *Fleet {
	t.Helper()
	f := Open(t, o)
	t.Cleanup(f.Close)
	return f
}

// Open is Start for a caller who calls Close.
func Open(t testing.TB, o Options) *Fleet {
	t.Helper()
	if o.Replicas == 0 {
		o.Replicas = 3
	}
	f := &Fleet{t: t, options: o}
	dir, err := os.MkdirTemp("", "dragoman-fleet-")
	if err != nil {
		t.Fatal(err)
	}
	for i := range o.Replicas {
		name := fmt.Sprint("r", i+1)
		r := &Replica{Name: name, of: f, n: i, conf: filepath.Join(dir, name+".yaml")}
		r.Write(o.Text)
		f.Replicas = append(f.Replicas, r)
	}
	f.balancer = newBalancer(t, f)
	f.Addr = f.balancer.ln.Addr().String()
	var all sync.WaitGroup
	failed := make([]error, len(f.Replicas))
	for i, r := range f.Replicas {
		all.Go(func() { failed[i] = r.Start() })
	}
	all.Wait()
	for i, err := range failed {
		if err != nil {
			f.Close()
			t.Fatalf("%s does not start: %v", f.Replicas[i].Name, err)
		}
	}
	return f
}

// Close ends what still runs, and waits for that.
func (f *Fleet) Close() {
	for _, r := range f.Replicas {
		r.Kill()
	}
	f.balancer.close()
	if err := os.RemoveAll(filepath.Dir(f.Replicas[0].conf)); err != nil {
		f.t.Error(err)
	}
}

// Log is what all of them have logged.
func (f *Fleet) Log() string {
	var all strings.Builder
	for _, r := range f.Replicas {
		fmt.Fprintf(&all, "%s:\n%s\n", r.Name, r.Log())
	}
	fmt.Fprintf(&all, "balancer:\n%s\n", f.said.String())
	return all.String()
}
