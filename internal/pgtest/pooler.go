package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pooler is a PgBouncer of a test, which gives each transaction another connection.
type Pooler struct{ port string }

// StartPooler runs one before s until the test ends. Where there is none the test is skipped,
// unless DRAGOMAN_TEST_ALL=1.
func StartPooler(t testing.TB, s *Server) *Pooler {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	switch {
	case err == nil:
	case os.Getenv("DRAGOMAN_TEST_ALL") == "1":
		t.Fatal("there is no pgbouncer")
	default:
		t.Skip("there is no pgbouncer")
	}
	dir, err := os.MkdirTemp(s.dir, "pooler-")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		p := &Pooler{port: freePort(t)}
		text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = trust\nauth_file = %s\npool_mode = transaction\nmax_client_conn = 1000\ndefault_pool_size = 8\n",
			s.port, p.port, filepath.Join(dir, "users"))
		p.write(t, filepath.Join(dir, "conf"), text)
		p.write(t, filepath.Join(dir, "users"), fmt.Sprintf("\"tester\" \"%s\"\n", Password))
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, filepath.Join(dir, "conf"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = cmd.Wait()
		}()
		if p.answers(gone) {
			t.Cleanup(func() {
				_ = cmd.Process.Kill() // it may have ended
				<-gone
			})
			return p
		}
	}
	t.Fatal("pgbouncer does not start")
	return nil
}

func (p *Pooler) write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answers waits until the process listens; false: it ended.
func (p *Pooler) answers(gone chan struct{}) bool {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if c, err := net.Dial("tcp", "127.0.0.1:"+p.port); err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-gone:
			return false
		case <-look.C:
		}
	}
}

// Through returns url, which s returned, by way of the pooler.
func (p *Pooler) Through(s *Server, url string) string {
	return strings.Replace(url, "127.0.0.1:"+s.port, "127.0.0.1:"+p.port, 1)
}
