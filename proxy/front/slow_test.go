package front_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A deadline that one answer left behind must not end a later, longer one on the
// same connection.
func TestAnAnswerInOnePieceDoesNotBoundAStreamAfterIt(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("a", "mock", "", "echo", "long-20-slow-20"))
	conn, err := net.Dial("tcp", w.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, body := range []string{
		`{"model":"echo","messages":[{"role":"user","content":"hi"}]}`,
		`{"model":"long-20-slow-20","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
	}
	fmt.Fprint(conn, "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(all), "w19 ") || !strings.Contains(string(all), "data: [DONE]") {
		t.Errorf("got %s, %v", all, err)
	}
}
