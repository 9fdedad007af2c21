package conn

import (
	"io"
	"net"
	"runtime"
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
	ln = Listen(raw, Options{})
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

// leavings are the ways in which a client leaves.
var leavings = map[string]func(*net.TCPConn) error{
	"close": (*net.TCPConn).Close,
	"half":  (*net.TCPConn).CloseWrite,
	"reset": func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() },
}

// watches are the ways in which that is noticed: how server is made to use each.
var watches = map[string]func(server *Conn, ln *Listener){
	"lookout": func(*Conn, *Listener) {},
	"glance":  func(_ *Conn, ln *Listener) { ln.ends.close() },
	"wait": func(server *Conn, ln *Listener) {
		ln.ends.close()
		server.mu.Lock()
		server.looks = maxLooks
		server.mu.Unlock()
	},
}

func TestAClientThatLeavesIsNoticed(t *testing.T) {
	t.Parallel()
	for name, leave := range leavings {
		for by, prepare := range watches {
			t.Run(name+" by "+by, func(t *testing.T) {
				t.Parallel()
				server, client, ln := pair(t)
				gone := make(chan struct{})
				server.Watch(time.Hour, func() { close(gone) })
				prepare(server, ln)
				server.timer.Reset(0)
				if err := leave(client.(*net.TCPConn)); err != nil {
					t.Fatal(err)
				}
				<-gone
				server.Unwatch()
			})
		}
	}
}

func TestAClientThatHasLeftIsNoticedByTheNextWatch(t *testing.T) {
	t.Parallel()
	for name, leave := range leavings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client, _ := pair(t)
			server.Watch(0, func() { t.Error("the client is still there") })
			if runtime.GOOS == "linux" {
				for looked := false; !looked; runtime.Gosched() {
					server.mu.Lock()
					looked = server.post != 0
					server.mu.Unlock()
				}
			}
			server.Unwatch()
			if err := leave(client.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				gone := make(chan struct{})
				server.Watch(0, func() { close(gone) })
				<-gone
				server.Unwatch()
			}
		})
	}
}

func TestAClientThatLeavesBehindItsNextRequestIsNoticed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	server, client, _ := pair(t)
	gone := make(chan struct{})
	server.Watch(0, func() { close(gone) })
	if _, err := io.WriteString(client, "next"); err != nil {
		t.Fatal(err)
	}
	_ = client.(*net.TCPConn).CloseWrite()
	<-gone
	server.Unwatch()
	if got, err := io.ReadAll(server); err != nil || string(got) != "next" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestBytesThatCameWhileWatchingAreNotLost(t *testing.T) {
	t.Parallel()
	for by, prepare := range watches {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			server, client, ln := pair(t)
			for range 50 {
				server.Watch(time.Hour, func() { t.Error("the client is still there") })
				prepare(server, ln)
				server.timer.Reset(0)
				if _, err := io.WriteString(client, "next request"); err != nil {
					t.Fatal(err)
				}
				server.Unwatch()
				got := make([]byte, len("next request"))
				if _, err := io.ReadFull(server, got); err != nil || string(got) != "next request" {
					t.Fatalf("read %q, %v", got, err)
				}
			}
		})
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

func TestWhatIsPutBackIsReadAgainBeforeAllElse(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	if _, err := io.WriteString(client, "abc"); err != nil {
		t.Fatal(err)
	}
	if err := server.Await(); err != nil {
		t.Fatal(err)
	}
	var got [5]byte
	if _, err := io.ReadFull(server, got[:1]); err != nil {
		t.Fatal(err)
	}
	server.Unread([]byte("xy"))
	if err := server.Await(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, got[1:]); err != nil || string(got[:]) != "axybc" {
		t.Errorf("%q, %v", got, err)
	}
	_ = client.Close()
	if err := server.Await(); err != io.EOF {
		t.Errorf("%v at the end", err)
	}
}

func TestAConnectionThatIsHandedOverLosesItsDeadlinesWithoutAWord(t *testing.T) {
	t.Parallel()
	server, _, _ := pair(t)
	_ = server.Close()
	if err := server.SetDeadline(time.Time{}); err == nil {
		t.Error("no error for a closed connection")
	}
	server.HandOver()
	if err := server.SetDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	name := Again(server)
	if other := Again(name); Of(name) != server || Of(other) != server || name == other {
		t.Error("a connection is not itself under another name, or not under another one")
	}
	if err := name.SetDeadline(time.Time{}); err == nil {
		t.Error("no error for a closed connection that was handed back")
	}
}
