package front

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// request writes a request to c and returns the answer, with its body.
func (h *house) request(c net.Conn, method, path, body string) (*http.Response, string) {
	h.t.Helper()
	ask := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-alice\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	if _, err := io.WriteString(c, ask); err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Error(err)
	}
	return resp, string(text)
}

// grace is how long the servers of these tests answer on open connections.
const grace = time.Second

func TestAServerThatStopsAnswersOnOpenConnectionsFirst(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		question := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, modelName)
		var held [7]net.Conn
		for i := range held {
			held[i] = h.dial()
			if resp, _ := h.request(held[i], "GET", "/v1/models", ""); resp.StatusCode != 200 || resp.Close {
				t.Fatalf("%d, close %v", resp.StatusCode, resp.Close)
			}
		}
		chat := h.socket("/chat")
		synctest.Wait()

		over := make(chan struct{})
		h.downs.Go(func() {
			defer close(over)
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			h.s.Retire(ctx)
			stop, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			h.s.Shutdown(stop)
		})
		synctest.Wait()
		h.leaves(chat)
		if resp, body := h.request(held[0], "GET", "/readyz", ""); resp.StatusCode != 503 || !resp.Close || !strings.Contains(body, "stopping") || !h.s.Stopping() {
			t.Errorf("readiness: %d %s, close %v", resp.StatusCode, body, resp.Close)
		}
		if resp, body := h.request(held[1], "GET", "/v1/models", ""); resp.StatusCode != 200 || !resp.Close {
			t.Errorf("a request: %d %s, close %v", resp.StatusCode, body, resp.Close)
		}
		asks := func(c net.Conn) <-chan string {
			got := make(chan string, 1)
			h.downs.Go(func() {
				resp, body := h.request(c, "POST", "/v1/chat/completions", question)
				got <- fmt.Sprintf("%d close %v retry %q %s", resp.StatusCode, resp.Close, resp.Header.Get("Retry-After"), body)
			})
			synctest.Wait()
			return got
		}
		first := asks(held[2])
		time.Sleep(grace - time.Millisecond)
		late := asks(held[3])
		time.Sleep(2 * time.Millisecond)
		if got := <-asks(held[4]); !strings.HasPrefix(got, `503 close true retry "1" `) || !strings.Contains(got, "shutting down") {
			t.Errorf("behind the grace: %s", got)
		}
		if resp, _ := h.request(held[5], "GET", "/readyz", ""); resp.StatusCode != 503 || !resp.Close {
			t.Errorf("readiness behind the grace: %d, close %v", resp.StatusCode, resp.Close)
		}
		for _, one := range []<-chan string{first, late} {
			if got := <-one; !strings.HasPrefix(got, "200 close true ") {
				t.Errorf("a question within the grace: %s", got)
			}
		}
		<-over
		if n, err := held[6].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("an idle connection is left open: %d %v", n, err)
		}
	})
}

func TestAServerThatStopsWaitsForNobodyWhereNoConnectionIsOpen(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		c := h.dial()
		if resp, _ := h.request(c, "GET", "/v1/models", ""); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		_ = c.Close()
		synctest.Wait()
		from := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		h.s.Retire(ctx)
		if took := time.Since(from); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
