// Package redistest runs a redis-server for tests.
package redistest

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of a test. One goroutine uses it.
type Server struct {
	t    testing.TB
	path string
	dir  string
	port string
	more []string
	tls  bool
	cmd  *exec.Cmd
	gone chan struct{}
}

// Start runs a redis-server in a folder of its own until the test ends; more are
// further arguments. Where there is none the test is skipped, unless
// DRAGOMAN_TEST_ALL=1.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	return start(t, false, more)
}

// StartTLS is Start for a server that speaks TLS only, with the certificate and the key
// in these files.
func StartTLS(t testing.TB, cert, key string) *Server {
	t.Helper()
	return start(t, true, []string{"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"})
}

func start(t testing.TB, tls bool, more []string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
	case os.Getenv("DRAGOMAN_TEST_ALL") == "1":
		t.Fatal("there is no redis-server")
	default:
		t.Skip("there is no redis-server")
	}
	s := &Server{t: t, path: path, dir: t.TempDir(), more: more, tls: tls}
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// URL is the server's address, with the database db.
func (s *Server) URL(db int) string {
	if s.tls {
		return "rediss://127.0.0.1:" + s.port + "/" + strconv.Itoa(db)
	}
	return "redis://127.0.0.1:" + s.port + "/" + strconv.Itoa(db)
}

// Run starts the process, again on the port that it had, with an empty memory. The
// system gives out free ports; where another process was faster the next one is tried.
func (s *Server) Run() {
	s.t.Helper()
	for range 20 {
		port := s.port
		if port == "" {
			port = freePort(s.t)
		}
		ports := []string{"--port", port}
		if s.tls {
			ports = []string{"--port", "0", "--tls-port", port}
		}
		args := append(ports, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
			"--pidfile", filepath.Join(s.dir, "pid"))
		s.cmd, s.gone = exec.Command(s.path, append(args, s.more...)...), make(chan struct{})
		if err := s.cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		go func(cmd *exec.Cmd, gone chan struct{}) {
			defer close(gone)
			_ = cmd.Wait()
		}(s.cmd, s.gone)
		if s.answers(port) {
			s.port = port
			return
		}
		s.Kill()
	}
	s.t.Fatal("redis-server does not start")
}

// answers waits until the process listens; false: it ended.
func (s *Server) answers(port string) bool {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-s.gone:
			return false
		case <-look.C:
		}
	}
}

// Kill ends the process as a crash would, and waits for that.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	<-s.gone
	s.cmd = nil
}

// Info is what the server tells of itself, by name: https://redis.io/docs/latest/commands/info/.
// It speaks no TLS.
func (s *Server) Info(t testing.TB) map[string]string {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "INFO all\r\nQUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all
}

// Freeze makes the process hang, with its connections open, until Thaw.
func (s *Server) Freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func freePort(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}
