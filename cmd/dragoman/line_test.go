//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// generations are gateways in processes of their own, each of which has taken over from the
// one before.
type generations struct {
	t    *testing.T
	conf string // path of the configuration
	out  string // path of what all of them have printed, log and greeting
	addr string // of the fronts
	ops  string // of operators
	said <-chan string
	pids []int // the newest one last
	ends sync.WaitGroup
}

const lineConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "sqlite:%s"}
callers: {keys: [{name: alice, key: %s}]}
presets: {default: {model: echo}}
channels: [{id: m, kind: mock, models: [echo, {name: slow, upstream: long-20-slow-%d}]}]
drain: %s
handover: %t
`

// startLine starts the first one with text as its configuration; wrap, if there is one, is the
// command that starts it.
func startLine(t *testing.T, text string, files []*os.File, wrap ...string) *generations {
	t.Helper()
	at, said := supervisor(t)
	dir := t.TempDir()
	l := &generations{t: t, conf: filepath.Join(dir, "dragoman.yaml"), out: filepath.Join(dir, "out"), said: said}
	l.write(text)
	out, err := os.Create(l.out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	args := append(wrap, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), serveArgs+"="+strings.Join([]string{"serve", "-c", l.conf}, "\n"), "NOTIFY_SOCKET="+at)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, files
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.pids = []int{cmd.Process.Pid}
	l.ends.Go(func() { _ = cmd.Wait() })
	t.Cleanup(func() {
		for _, pid := range l.pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		l.ends.Wait()
		if t.Failed() {
			t.Logf("what they said:\n%s", l.printed())
		}
	})
	l.hears("READY=1")
	m := regexp.MustCompile(`rest +https?://([^/]+)/[\s\S]*operators +(https?://\S+)`).FindStringSubmatch(l.printed())
	if m == nil {
		t.Fatal("it did not say where it is")
	}
	l.addr, l.ops = m[1], m[2]
	return l
}

func (l *generations) write(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.conf, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *generations) printed() string {
	text, err := os.ReadFile(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

// hears waits for a word to the supervisor that begins with what, and returns the rest of it.
func (l *generations) hears(what string) string {
	l.t.Helper()
	late := time.After(2 * time.Minute)
	for {
		select {
		case word := <-l.said:
			if rest, ok := strings.CutPrefix(word, what); ok {
				return rest
			}
		case <-late:
			l.t.Fatalf("the supervisor was not told %s", what)
		}
	}
}

// logged waits until they have printed what n times.
func (l *generations) logged(what string, n int) {
	l.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); strings.Count(l.printed(), what) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("they have not said %q %d times", what, n)
		}
	}
}

func (l *generations) signal(s syscall.Signal) {
	l.t.Helper()
	if err := syscall.Kill(l.pids[len(l.pids)-1], s); err != nil {
		l.t.Fatal(err)
	}
}

// handOver has another one take over, and returns when the one before has ended.
func (l *generations) handOver() {
	l.t.Helper()
	l.signal(syscall.SIGUSR2)
	l.takenOver()
}

// takenOver returns when another one has taken over and the one before has ended.
func (l *generations) takenOver() {
	l.t.Helper()
	pid, err := strconv.Atoi(l.hears("MAINPID="))
	if err != nil {
		l.t.Fatal(err)
	}
	l.pids = append(l.pids, pid)
	l.logged("the process before has ended\"", len(l.pids)-1)
}

// stop ends the newest one as an operator would.
func (l *generations) stop() {
	l.t.Helper()
	l.signal(syscall.SIGTERM)
	l.hears("STOPPING=1")
	l.ended(l.pids[len(l.pids)-1])
}

// ended waits until a process has.
func (l *generations) ended(pid int) {
	l.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("process %d does not end", pid)
		}
	}
}
