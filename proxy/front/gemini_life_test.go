package front

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// White space between two values is nothing to a reader of JSON.
func TestASilentListIsKeptAliveWithWhiteSpace(t *testing.T) {
	for script, values := range map[string]int{"long-2-slow-50000": 3, "long-2-first-40000-slow-50000": 3} {
		t.Run(script, func(t *testing.T) {
			silentList(t, script, values)
		})
	}
}

func silentList(t *testing.T, script string, values int) {
	inHouse(t, script, func(t *testing.T, h *house) {
		c := h.dial()
		defer c.Close()
		const body = `{"contents":[{"parts":[{"text":"hi"}]}]}`
		from := time.Now()
		if _, err := fmt.Fprintf(c, "POST /v1beta/models/echo:streamGenerateContent HTTP/1.1\r\nHost: x\r\nx-goog-api-key: sk-alice\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took > statusGate {
			t.Errorf("the head came after %v", took)
		}
		var all []byte
		buf := make([]byte, 64)
		for last := time.Now(); err == nil; last = time.Now() {
			var n int
			n, err = resp.Body.Read(buf)
			all = append(all, buf[:n]...)
			if silence := time.Since(last); silence > keepAlive+time.Second {
				t.Errorf("silence of %v behind %q", silence, all)
			}
		}
		var list []json.RawMessage
		if err != io.EOF || json.Unmarshal(all, &list) != nil || len(list) != values || resp.Header.Get("Content-Type") != jsonList.kind {
			t.Errorf("%v, %v: %q", err, resp.Header, all)
		}
	})
}
