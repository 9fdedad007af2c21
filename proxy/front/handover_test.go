package front

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"
)

// leaves checks that nothing is accepted any more, and that a socket of chatnio's was told so.
func (h *house) leaves(chat *socket) {
	h.t.Helper()
	select {
	case <-h.ln.closed:
	default:
		h.t.Error("the listener is not closed")
	}
	if code := <-chat.code; code != websocket.CloseGoingAway {
		h.t.Errorf("chatnio got %d", code)
	}
}

func TestAHandoverEndsConnectionsBehindTheirAnswers(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		d := dialects["openai"]
		streams, idle, late := h.dial(), h.dial(), h.dial()
		in, rest := bufio.NewReader(streams), bufio.NewReader(idle)
		// One that has been answered, and waits for its next request.
		get := "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-alice\r\n\r\n"
		ask := func(c interface{ Write([]byte) (int, error) }, in *bufio.Reader) *http.Response {
			if _, err := c.Write([]byte(get)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = lines(resp, time.Now())
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%d %v", resp.StatusCode, err)
			}
			return resp
		}
		if resp := ask(idle, rest); resp.Close {
			t.Error("it ends before the handover")
		}
		chat, agent := h.socket("/chat"), h.socket("/ws/v1/chat?app_token=sk-alice")
		agent.say(t, agentAsk("m1", "u1"))
		d.ask(t, streams)
		synctest.Wait()

		over := make(chan time.Duration, 1)
		from := time.Now()
		h.downs.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			h.s.HandOver(ctx)
			over <- time.Since(from)
		})
		synctest.Wait()
		h.leaves(chat)
		if frames := agent.rest(); len(frames) != 1 || !strings.Contains(frames[0], "w1 ") {
			t.Errorf("iagent got %v", frames)
		}
		if code := <-agent.code; code != websocket.CloseServiceRestart {
			t.Errorf("iagent got %d", code)
		}
		// What comes on a connection that was open is answered, readiness included.
		if resp := ask(idle, rest); !resp.Close {
			t.Error("it goes on behind the handover")
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		all, err := lines(resp, from)
		if _, ok := when(all, d.end); !ok || err != nil {
			t.Errorf("the stream is cut: %v", all)
		}
		if resp := ask(streams, in); !resp.Close {
			t.Error("its connection goes on behind the handover")
		}
		if len(over) > 0 {
			t.Error("it does not wait for the last connection")
		}
		if resp := ask(late, bufio.NewReader(late)); !resp.Close {
			t.Error("the first answer of a connection does not end it")
		}
		if took := <-over; took >= time.Minute {
			t.Errorf("it waits for nothing, %v long", took)
		}
	})
}
