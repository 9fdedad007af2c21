package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/store"
)

// head is that of a request to the operator's side, without the empty line.
func head(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n", method, path, operatorToken, length)
}

// trickle sends text byte by byte, until the connection is cut.
func trickle(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// slowOperators are clients of the operator's side that do less than they should, and
// when each is cut off.
var slowOperators = []struct {
	name string
	do   func(net.Conn)
	want string
}{
	{"connects and says nothing", func(net.Conn) {}, "10 s"},
	{"sends its head a byte a second", func(c net.Conn) { trickle(c, head("GET", "/api/keys", 0)) }, "10 s with 400"},
	{"sends its body a byte a second", func(c net.Conn) {
		_, _ = io.WriteString(c, head("POST", "/api/keys", 100)+"\r\n")
		trickle(c, strings.Repeat(" ", 100))
	}, "10 s with 400"},
	{"sends a body without a token a byte a second", func(c net.Conn) {
		_, _ = io.WriteString(c, strings.Replace(head("POST", "/api/keys", 100), operatorToken, "x", 1)+"\r\n")
		trickle(c, strings.Repeat(" ", 100))
	}, "10 s with 401"},
	{"reads nothing of a long answer", func(c net.Conn) { _, _ = io.WriteString(c, head("GET", "/api/ledger?limit=1000", 0)+"\r\n") }, "60 s"},
	{"reads a byte a second of that answer", func(c net.Conn) {
		_, _ = io.WriteString(c, head("GET", "/api/ledger?limit=1000", 0)+"\r\n")
		for b := make([]byte, 1); ; time.Sleep(time.Second) {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}, "60 s"},
	{"asks nothing more after an answer", func(c net.Conn) {
		_, _ = io.WriteString(c, head("GET", "/api/keys", 0)+"\r\n")
		_, _ = http.ReadResponse(bufio.NewReader(c), nil)
	}, "120 s"},
}

// playOperator lets one client do what it does, and says what becomes of it.
func playOperator(t *testing.T, do func(net.Conn)) string {
	d := newDesk(t)
	rows := make([]store.Entry, 1000)
	for i := range rows {
		rows[i] = store.Entry{Request: fmt.Sprint("req_", i), At: 1}
	}
	if err := d.st.(store.Ledger).Record(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	n := simnet.New(1)
	ln, err := n.Listen("admin:1")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.s.Serve(ln) }()
	c, err := n.Dial(context.Background(), "admin:1")
	if err != nil {
		t.Fatal(err)
	}
	began, acted := time.Now(), make(chan struct{})
	go func() { defer close(acted); do(c) }()
	for n.Accepted("admin:1") > 0 && time.Since(began) < time.Hour {
		time.Sleep(100 * time.Millisecond)
	}
	is := fmt.Sprintf("%.0f s", time.Since(began).Seconds())
	<-acted
	if rest, _ := io.ReadAll(c); strings.HasPrefix(string(rest), "HTTP/1.1 4") {
		is += " with " + string(rest[9:12])
	}
	_ = c.Close()
	d.s.Shutdown(t.Context())
	if err := <-served; err != nil {
		t.Error(err)
	}
	return is
}

func TestSlowOperatorsAreCutOff(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range slowOperators {
		t.Run(row.name, func(t *testing.T) {
			is := ""
			synctest.Test(t, func(t *testing.T) { is = playOperator(t, row.do) })
			if is != row.want {
				t.Errorf("cut off after %s, want %s", is, row.want)
			}
			if line := "| " + row.name + " | " + is + " |\n"; !strings.Contains(string(text), line) {
				t.Errorf("docs/hardening.md does not say %s", line)
			}
		})
	}
}
