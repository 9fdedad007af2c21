package conn

import (
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns both ends of one accepted connection.
func pair(t *testing.T) (server *Conn, client net.Conn, ln *Listener) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln = Listen(raw)
	client, err = net.Dial("tcp", raw.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); ln.CloseAll(); _ = ln.Close() })
	return Of(accepted), client, ln
}

func TestAClientThatLeavesIsNoticed(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*net.TCPConn) error{
		"close": (*net.TCPConn).Close,
		"half":  (*net.TCPConn).CloseWrite,
		"reset": func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, looks := range []int{0, maxLooks} { // a glance, a wait
				server, client, _ := pair(t)
				gone := make(chan struct{})
				server.Watch(time.Hour, func() { close(gone) })
				server.mu.Lock()
				server.looks = looks
				server.timer.Reset(0)
				server.mu.Unlock()
				if err := leave(client.(*net.TCPConn)); err != nil {
					t.Fatal(err)
				}
				<-gone
				server.Unwatch()
			}
		})
	}
}

func TestBytesThatCameWhileWatchingAreNotLost(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	for range 50 {
		server.Watch(0, func() { t.Error("the client is still there") })
		if _, err := io.WriteString(client, "next request"); err != nil {
			t.Fatal(err)
		}
		server.Unwatch()
		got := make([]byte, len("next request"))
		if _, err := io.ReadFull(server, got); err != nil || string(got) != "next request" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
}

func TestAWatchedConnectionCanStillBeWritten(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	server.Watch(0, func() { t.Error("the client is still there") })
	if _, err := io.WriteString(server, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	server.Unwatch()
}

func TestUnwatchBeforeTheDelayReadsNothing(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	server.Watch(time.Hour, func() { t.Error("never watched") })
	server.Unwatch()
	if _, err := io.WriteString(client, "y"); err != nil {
		t.Fatal(err)
	}
	if server.hasByte {
		t.Error("a byte was taken")
	}
}

func TestCloseAllClosesWhatIsOpen(t *testing.T) {
	t.Parallel()
	_, client, ln := pair(t)
	if ln.Open() != 1 {
		t.Fatalf("%d open, want 1", ln.Open())
	}
	ln.CloseAll()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client's connection is still open")
	}
	if ln.Open() != 0 {
		t.Errorf("%d open, want 0", ln.Open())
	}
}
