package redis_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// server is a redis-server of a test, on a socket of its own port.
type server struct {
	t    testing.TB
	path string
	dir  string
	port string
	cmd  *exec.Cmd
}

// start runs a redis-server until the test ends. Where there is none the test is
// skipped, unless DRAGOMAN_TEST_ALL=1.
func start(t testing.TB, more ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("DRAGOMAN_TEST_ALL") == "1" {
			t.Fatal("there is no redis-server")
		}
		t.Skip("there is no redis-server")
	}
	s := &server{t: t, path: path, dir: t.TempDir()}
	s.run(more...)
	t.Cleanup(s.stop)
	return s
}

// run starts the process. It chooses a port the first time: the system gives out free
// ones, and where another process was faster the next one is tried.
func (s *server) run(more ...string) {
	s.t.Helper()
	for range 20 {
		port := s.port
		if port == "" {
			port = freePort(s.t)
		}
		out := &bytes.Buffer{}
		args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
			"--pidfile", filepath.Join(s.dir, "pid")}, more...)
		s.cmd = exec.Command(s.path, args...)
		s.cmd.Stdout, s.cmd.Stderr = out, out
		if err := s.cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		if s.answers(port) {
			s.port = port
			return
		}
		s.stop()
	}
	s.t.Fatal("redis-server does not start")
}

func (s *server) answers(port string) bool {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = s.cmd.Process.Wait()
	}()
	s.cmd.Cancel = func() error { <-gone; return nil }
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		c, err := dial(port)
		if err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-gone:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}

func (s *server) url() string { return "redis://127.0.0.1:" + s.port + "/0" }

// stop kills the process, as a crash would, and waits for it.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	_ = s.cmd.Cancel()
	s.cmd = nil
}

// freeze makes the process hang until thaw.
func (s *server) freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) thaw()   { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *server) connect() *redis.Server {
	s.t.Helper()
	c, err := redis.New(s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func freePort(t testing.TB) string {
	ln, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return strconv.Itoa(portOf(ln))
}
