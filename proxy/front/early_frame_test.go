package front_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A client may not send frames before it has the answer to its handshake (RFC 6455
// 4.1), but some do. They are read, and what the socket reads after them is its own:
// never what another connection brings meanwhile.
func TestFramesThatComeWithTheHandshakeAreReadAndNothingOfOtherConnections(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	const first, second = `{"token":"` + key + `","id":-1}`, `{"type":"chat","message":"hi there","model":"echo"}`
	for range 20 {
		s := dialRaw(t, w, "/chat", wsFrame(fin|opText, first))
		for range 3 {
			// Requests that could be given what the socket still reads with.
			other := w.Dial(t)
			if _, err := io.WriteString(other, post("/api/chat", askAs("u", "hi"))); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(other), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("another connection: %+v, %v", resp, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		s.send(wsFrame(fin|opText, second))
		for n := 0; ; n++ {
			op, text, err := s.next()
			if err != nil || op != opText {
				t.Fatalf("frame %d: %x %q, %v", n, op, text, err)
			}
			if bytes.Contains(text, []byte(`"end":true`)) {
				break
			}
		}
		_ = s.conn.Close()
	}
}
