// Package pgtest runs a PostgreSQL server for tests.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Password is that of the role of [Server.URL].
const Password = "a pass/word&?"

// Server is a PostgreSQL of a test, whose databases survive [Server.Kill]. Databases are made
// by any goroutine; the rest is for one.
type Server struct {
	t    testing.TB
	bin  string // folder of the programs
	dir  string
	port string
	args []string
	as   *syscall.Credential // nil: the user of the test
	made atomic.Int64
	cmd  *exec.Cmd
	out  *bytes.Buffer
	gone chan struct{}
}

// Start runs a server in a folder of its own until the test ends, as a user without rights
// where the test runs as root. Each of settings is one of postgresql.conf, as name=value;
// the disk is not waited for unless they say fsync=on. Where there is no PostgreSQL the test
// is skipped, unless DRAGOMAN_TEST_ALL=1.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	bin := programs()
	switch {
	case bin != "":
	case os.Getenv("DRAGOMAN_TEST_ALL") == "1":
		t.Fatal("there is no PostgreSQL")
	default:
		t.Skip("there is no PostgreSQL")
	}
	s := &Server{t: t, bin: bin, as: unprivileged(t)}
	for _, one := range append([]string{"fsync=off", "max_connections=300", "unix_socket_directories=", "listen_addresses=127.0.0.1"}, settings...) {
		s.args = append(s.args, "-c", one)
	}
	s.initialise()
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// programs is the folder of the newest PostgreSQL; empty: there is none.
func programs() string {
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil { // the others lie where it does
			return filepath.Dir(real)
		}
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is well formed
	if len(all) == 0 {
		return ""
	}
	newest := slices.MaxFunc(all, func(a, b string) int { return major(a) - major(b) })
	return filepath.Dir(newest)
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// unprivileged is who runs the server: PostgreSQL refuses to run as root.
func unprivileged(t testing.TB) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, bad := strconv.ParseUint(u.Gid, 10, 32)
		if err == nil && bad == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Fatal("the test runs as root, and there is no user postgres or nobody to run PostgreSQL as")
	return nil
}

func (s *Server) initialise() {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "dragoman-pg-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.t.Error(err)
		}
	})
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
	cmd := s.command("initdb", "-D", s.data(), "-U", "tester", "--pwfile", secret, "--auth-host", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("initdb: %v\n%s", err, out)
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}

// Run starts the process, again on the port that it had. The system gives out free ports;
// where another process was faster the next one is tried.
func (s *Server) Run() {
	s.t.Helper()
	for range 20 {
		port := s.port
		if port == "" {
			port = freePort(s.t)
		}
		s.out, s.gone = &bytes.Buffer{}, make(chan struct{})
		s.cmd = s.command("postgres", append([]string{"-D", s.data(), "-p", port}, s.args...)...)
		s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
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
	s.t.Fatalf("PostgreSQL does not start:\n%s", s.out)
}

// answers waits until the server takes questions; false: it ended.
func (s *Server) answers(port string) bool {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		conn, err := pgx.Connect(s.t.Context(), address(port, "postgres"))
		if err == nil {
			_ = conn.Close(s.t.Context())
			return true
		}
		select {
		case <-s.gone:
			return false
		case <-look.C:
		}
	}
}

// URL is the address of the database db.
func (s *Server) URL(db string) string { return address(s.port, db) }

// Port is that on which it listens at 127.0.0.1.
func (s *Server) Port() string { return s.port }

func address(port, db string) string {
	return "postgres://tester:a%20pass%2Fword%26%3F@127.0.0.1:" + port + "/" + db + "?sslmode=disable"
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", s.made.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// Exec runs statements in the database db.
func (s *Server) Exec(t testing.TB, db string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(db))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, one := range statements {
		if _, err := conn.Exec(ctx, one); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
}

// Kill ends the process as a crash would, and waits for that.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
	<-s.gone
	s.cmd = nil
}

func freePort(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// Programs is the folder of PostgreSQL's programs.
func (s *Server) Programs() string { return s.bin }

// NameOf is the name of the database at url, which [Server.Database] returned.
func NameOf(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before[strings.LastIndexByte(before, '/')+1:]
}
