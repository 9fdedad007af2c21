//go:build unix

package conn

import (
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestAReadOfOneByteKeepsWhatCameWithIt(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	for range 3 {
		if _, err := io.WriteString(client, "request"); err != nil {
			t.Fatal(err)
		}
		var got [7]byte
		if n, err := server.Read(got[:1]); n != 1 || err != nil || got[0] != 'r' {
			t.Fatalf("%d, %v, %q", n, err, got)
		}
		if _, err := io.ReadFull(server, got[1:]); err != nil || string(got[:]) != "request" {
			t.Fatalf("%v, %q", err, got)
		}
		if server.readAhead.buf != nil {
			t.Fatal("a buffer is held though nothing is in it")
		}
	}
}

func TestWhatTheWatcherTookComesBehindWhatCameWithAFirstByte(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	var got [6]byte
	if _, err := io.WriteString(client, "abc"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, got[:1]); err != nil {
		t.Fatal(err)
	}
	server.Watch(0, func() { t.Error("the client is still there") })
	if _, err := io.WriteString(client, "def"); err != nil {
		t.Fatal(err)
	}
	server.Unwatch()
	for i := range got[1:] {
		if _, err := io.ReadFull(server, got[1+i:2+i]); err != nil {
			t.Fatal(err)
		}
	}
	if string(got[:]) != "abcdef" {
		t.Errorf("%q", got)
	}
}

func TestAWaitForAFirstByteEndsAtItsDeadlineAndWithTheConnection(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	var b [1]byte
	_ = server.SetReadDeadline(time.Unix(1, 0))
	if _, err := server.Read(b[:]); !os.IsTimeout(err) {
		t.Errorf("%v at the deadline", err)
	}
	_ = server.SetReadDeadline(time.Time{})
	_ = client.(*net.TCPConn).CloseWrite()
	if _, err := server.Read(b[:]); err != io.EOF {
		t.Errorf("%v at the end", err)
	}
}

func TestTheHeadOfAClientThatBeginsTLSIsOver(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	if _, err := io.WriteString(client, "\x16\x03\x01\x02\x00\x01"); err != nil {
		t.Fatal(err)
	}
	var got [64]byte
	n, err := server.Read(got[:1])
	if n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err = server.Read(got[1:]); err != nil || string(got[:1+n]) != "\x16"+headEnd || !server.AtHead() {
		t.Errorf("%v, %q", err, got[:1+n])
	}
}
