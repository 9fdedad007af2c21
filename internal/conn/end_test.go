package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestTheEndIsNoticedBehindWhatNobodyReads(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	for name, leave := range map[string]func(*net.TCPConn) error{
		"close": (*net.TCPConn).Close,
		"half":  (*net.TCPConn).CloseWrite,
		"reset": func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client, _ := pair(t)
			if _, err := io.WriteString(client, "unread"); err != nil {
				t.Fatal(err)
			}
			_ = server.SetReadDeadline(time.Now().Add(time.Millisecond))
			if err := AwaitEnd(server); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("with a peer that is there: %v", err)
			}
			_ = server.SetReadDeadline(time.Time{})
			ended := make(chan error)
			go func() { ended <- AwaitEnd(server) }()
			if err := leave(client.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != io.EOF {
				t.Errorf("got %v", err)
			}
			if name == "reset" {
				return // and what was sent is lost
			}
			if got, err := io.ReadAll(server); err != nil || string(got) != "unread" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

func TestTheEndOfAConnectionThatIsNoSocketIsNotKnown(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	for _, c := range []net.Conn{ours, &Conn{Conn: ours}} {
		if err := AwaitEnd(c); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
}
