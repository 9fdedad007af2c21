//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program under way.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
}

// start runs a program on one core, with its output in a file named after it.
func (b *bench) start(core int, env []string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(b.dir, filepath.Base(args[0])+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	args = b.pin(core, args)
	p := &process{cmd: exec.Command(args[0], args[1:]...), log: log, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, b.dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		_ = log.Close()
		return nil, err
	}
	go func() {
		defer func() { _ = recover() }()
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// pin puts taskset before a command. It replaces itself by the command, so that
// the process is the same.
func (b *bench) pin(core int, args []string) []string {
	if !b.pinned {
		return args
	}
	return append([]string{"taskset", "-c", strconv.Itoa(core)}, args...)
}

// stop ends the process with its children: at first politely.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
	}
	_ = p.log.Close()
}

// pids are the process and its children.
func (p *process) pids() []int {
	list := []int{p.cmd.Process.Pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", list[0], list[0]))
	if err != nil {
		return list
	}
	for _, f := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// await returns when addr accepts connections.
func (p *process) await(ctx context.Context, addr string) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at once", p.cmd.Args)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not listen on %s", p.cmd.Args, addr)
}

// awaitChild returns when the process has a child: nginx listens before its worker
// runs.
func (p *process) awaitChild(ctx context.Context) error {
	for range 1000 {
		if len(p.pids()) > 1 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s has no worker", p.cmd.Args)
}

// freeAddr is an address on which nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
