package fleettest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// Replica is one gateway of a fleet, which may be ended and started again. It is safe for
// concurrent use, but for Start, Stop and Kill.
type Replica struct {
	Name string

	of   *Fleet
	n    int    // its place among them
	conf string // path of its file
	cmd  *exec.Cmd
	read sync.WaitGroup // what it prints

	mu      sync.Mutex
	addr    string // of the fronts; empty: it does not run
	ops     string // of operators, http://host:port
	resting bool   // the balancer leaves it out
	comes   int    // connections that the balancer is about to make

	log logtest.Log
}

// Write writes its configuration, see [Options].
func (r *Replica) Write(text string) {
	o := r.of.options
	store := o.Store
	if u, err := url.Parse(store); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		q := u.Query()
		q.Set("application_name", r.Name)
		u.RawQuery = q.Encode()
		store = u.String()
	}
	text = strings.NewReplacer("{STORE}", store, "{SHARED}", o.Shared, "{NAME}", r.Name).Replace(text)
	if err := os.WriteFile(r.conf, []byte(text), 0o600); err != nil {
		r.of.t.Error(err)
	}
}

// Config is the path of its configuration.
func (r *Replica) Config() string { return r.conf }

// Start starts the process, and returns when it serves.
func (r *Replica) Start() error {
	args := []string{"serve", "-c", r.conf, "--listen", "127.0.0.1:0"}
	if r.of.options.Verbose {
		args = append(args, "--verbose")
	}
	cmd := r.of.options.Program(args...)
	cmd.Stderr = &r.log
	if clocks := r.of.options.Clocks; len(clocks) > 0 {
		if cmd.Env == nil {
			cmd.Env = os.Environ()
		}
		cmd.Env = append(cmd.Env, fmt.Sprint(clockOff, "=", clocks[r.n%len(clocks)]))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	addr, ops := "", ""
	lines := bufio.NewScanner(out)
	for ops == "" && lines.Scan() {
		word, at, ok := strings.Cut(strings.TrimSpace(lines.Text()), " http://")
		switch at = strings.TrimSpace(at); {
		case !ok:
		case strings.TrimSpace(word) == "rest":
			addr, _, _ = strings.Cut(at, "/")
		case strings.TrimSpace(word) == "operators":
			ops = "http://" + at
		}
	}
	if ops == "" {
		return errors.Join(fmt.Errorf("it has said\n%s", r.Log()), cmd.Wait())
	}
	r.cmd = cmd
	r.read.Go(func() { _, _ = io.Copy(io.Discard, out) })
	r.mu.Lock()
	r.addr, r.ops, r.resting = addr, ops, false
	r.mu.Unlock()
	return nil
}

// Kill ends the process as a crash would, and waits for that.
func (r *Replica) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill() // it may have ended
	_ = r.gone()
}

// Stop takes it out of the balancer and, when no connection is on its way any more, ends it
// as an operator would. The error is what it ended with.
func (r *Replica) Stop() error {
	r.Rest(true)
	for r.awaited() > 0 {
		time.Sleep(time.Millisecond)
	}
	// Whatever was connected before this call has been accepted when it is answered.
	resp, err := http.Get("http://" + r.Addr() + "/livez")
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.gone()
}

func (r *Replica) gone() error {
	r.read.Wait()
	err := r.cmd.Wait()
	r.cmd = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr, r.ops = "", ""
	return err
}

// Rest has the balancer leave the replica out, or not any more.
func (r *Replica) Rest(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resting = on
}

// Signal sends the process a signal.
func (r *Replica) Signal(s syscall.Signal) error { return r.cmd.Process.Signal(s) }

// Addr is where its fronts are, host:port; empty: it does not run.
func (r *Replica) Addr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr
}

// Operators is where its operator's side is, http://host:port.
func (r *Replica) Operators() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops
}

// Log is what it has logged, whichever process it was.
func (r *Replica) Log() string { return r.log.String() }

// serving is where the balancer finds it; empty: nowhere. The balancer calls connected once
// it has a connection, or will have none.
func (r *Replica) serving() (addr string, connected func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resting || r.addr == "" {
		return "", nil
	}
	r.comes++
	return r.addr, sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.comes--
	})
}

func (r *Replica) awaited() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.comes
}
