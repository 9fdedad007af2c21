package front

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// unheard dials an iagent socket that is read by the test only, and whose pings are
// not answered.
func (h *house) unheard() *websocket.Conn {
	h.t.Helper()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return h.dial(), nil }}
	ws, _, err := d.Dial("ws://x/ws/v1/chat?app_token=sk-alice", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	ws.SetPingHandler(func(string) error { return nil })
	return ws
}

func TestAClientThatReadsTooSlowlyIsToldSoWhenItReadsOn(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		ws := h.unheard()
		defer ws.Close()
		if err := ws.WriteMessage(websocket.TextMessage, []byte(agentAsk("m1", "u1"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeTimeout)
		if _, msg, err := ws.ReadMessage(); err != nil || !strings.Contains(string(msg), `"ref_msg_id":"m1"`) {
			t.Fatalf("got %s, %v", msg, err)
		}
		_, _, err := ws.ReadMessage()
		var end *websocket.CloseError
		if !errors.As(err, &end) || end.Code != websocket.CloseTryAgainLater {
			t.Errorf("got %v", err)
		}
	})
}

func TestAClientThatReadsInTimeIsNotTooSlow(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		ws := h.unheard()
		defer ws.Close()
		for i := range 3 {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(agentAsk(fmt.Sprint("m", i), "u1"))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(writeTimeout - time.Second)
			if _, msg, err := ws.ReadMessage(); err != nil || !strings.Contains(string(msg), `"resp_code":0`) {
				t.Fatalf("got %s, %v", msg, err)
			}
		}
	})
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		ws := h.unheard()
		defer ws.Close()
		if err := ws.WriteMessage(websocket.TextMessage, []byte(agentAsk("m1", "u1"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * writeTimeout)
		if n, err := ws.NetConn().Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

func TestAHandshakeDuringAShutdownIsA503(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		busy, idle := h.socket("/ws/v1/chat?app_token=sk-alice"), h.dial()
		defer idle.Close()
		busy.say(t, agentAsk("m1", "u1"))
		synctest.Wait()
		h.downs.Go(func() { h.shutdown(30 * time.Second) })
		synctest.Wait()
		fmt.Fprint(idle, "GET /ws/v1/chat?app_token=sk-alice HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(idle), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), `"code":"CHANNEL_UNAVAILABLE"`) {
			t.Errorf("got %d %v %s, %v", resp.StatusCode, resp.Header, body, err)
		}
		if frames := busy.rest(); len(frames) != 1 || !strings.Contains(frames[0], "w1 ") {
			t.Errorf("what ran got %v", frames)
		}
	})
}

// buggy is the stream of lateBug.
type buggy struct{ said bool }

func (b *buggy) Next() (translate.Event, error) {
	if b.said {
		panic("what is wrong is nobody's business")
	}
	b.said = true
	return translate.Event{Kind: translate.KindText, Text: []byte("well")}, nil
}
func (*buggy) Ready() bool  { return false }
func (*buggy) Close() error { return nil }

// traces has every exchange have a trace, and keeps none.
type traces struct{}

func (traces) On() bool           { return true }
func (traces) Sample() bool       { return false }
func (traces) Add(*journal.Ended) {}

const modelName = "echo"

// TestABugIsToldInTheFormOfEachDialect: 500 INTERNAL_ERROR (docs/rules/rest.md 2.6), or
// what the dialect has for it.
func TestABugIsToldInTheFormOfEachDialect(t *testing.T) {
	t.Parallel()
	forms := map[string]string{
		"openai":    `{"error":{"message":"internal error","type":"server_error","param":null,"code":"INTERNAL_ERROR"}}`,
		"anthropic": `"error":{"type":"api_error","message":"internal error"}`,
		"gemini":    `{"error":{"code":500,"message":"internal error","status":"INTERNAL"`,
		"rest":      `{"success":false,"error":"internal error","code":"INTERNAL_ERROR",`,
	}
	for name, d := range dialects {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " ", stream), func(t *testing.T) {
				if !stream {
					d.path = strings.Replace(strings.TrimSuffix(d.path, "/stream"), ":streamGenerateContent?alt=sse", ":generateContent", 1)
					d.body = strings.Replace(d.body, `"stream":true`, `"stream":false`, 1)
				}
				inHouse(t, bug, func(t *testing.T, h *house) {
					c := h.dial()
					defer c.Close()
					d.ask(t, c)
					resp, err := http.ReadResponse(bufio.NewReader(c), nil)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					if err != nil || resp.StatusCode != 500 || !strings.Contains(string(body), forms[name]) || resp.Header.Get("X-Request-Id") == "" {
						t.Errorf("got %d %v %s, %v", resp.StatusCode, resp.Header, body, err)
					}
					h.mustBeIdle()
				})
			})
		}
	}
	t.Run("iagent", func(t *testing.T) {
		inHouse(t, bug, func(t *testing.T, h *house) {
			s := h.socket("/ws/v1/chat?app_token=sk-alice")
			for _, id := range []string{"m1", "m2"} { // the connection goes on
				s.say(t, agentAsk(id, "u1"))
				var reply struct {
					Code    int    `json:"resp_code"`
					Ref     string `json:"ref_msg_id"`
					Content string `json:"content"`
				}
				if msg := <-s.in; json.Unmarshal([]byte(msg), &reply) != nil || reply.Code != 50 || reply.Ref != id || reply.Content != "INTERNAL_ERROR: internal error" {
					t.Errorf("got %s", msg)
				}
			}
			_ = s.Close()
			h.mustBeIdle()
		})
	})
	t.Run("chatnio", func(t *testing.T) {
		inHouse(t, bug, func(t *testing.T, h *house) {
			s := h.socket("/chat")
			s.say(t, chatHello)
			s.say(t, chatAsk)
			all := strings.Join(s.rest(), "\n")
			if !strings.Contains(all, "INTERNAL_ERROR: internal error") || strings.Count(all, `"end":true`) != 1 {
				t.Errorf("got %s", all)
			}
			if code := <-s.code; code != websocket.CloseInternalServerErr {
				t.Errorf("closed with %d", code)
			}
			h.mustBeIdle()
		})
	})
}

// A bug is told once, whichever goroutine it is met on, and by the id and the trace of the question that met it.
func TestABugIsLoggedOnceWithTheTraceOfItsQuestion(t *testing.T) {
	t.Parallel()
	ask := map[string]func(*testing.T, *house){
		"iagent": func(t *testing.T, h *house) {
			s := h.socket("/ws/v1/chat?app_token=sk-alice")
			s.say(t, agentAsk("m1", "u1"))
			<-s.in
			_ = s.Close()
		},
		"chatnio": func(t *testing.T, h *house) {
			s := h.socket("/chat")
			s.say(t, chatHello)
			s.say(t, chatAsk)
			s.rest()
		},
	}
	for _, name := range []string{"openai", "rest"} {
		d, whole := dialects[name], dialects[name]
		whole.path, whole.body = strings.TrimSuffix(d.path, "/stream"), strings.Replace(d.body, `"stream":true`, `"stream":false`, 1)
		for kind, d := range map[string]dialect{" streamed": d, " whole": whole} {
			ask[name+kind] = func(t *testing.T, h *house) {
				c := h.dial()
				defer c.Close()
				d.ask(t, c)
				_, _ = io.Copy(io.Discard, io.MultiReader(io.LimitReader(c, 1), c))
			}
		}
	}
	for name, ask := range ask {
		for _, script := range []string{bug, lateBug} {
			t.Run(name+" "+script, func(t *testing.T) {
				inHouse(t, script, func(t *testing.T, h *house) {
					ask(t, h)
					h.mustBeIdle()
					bugs := 0
					for line := range strings.Lines(h.log.String()) {
						if strings.Contains(line, "msg=panic") {
							bugs++
						}
						if !strings.Contains(line, " trace=") || !strings.Contains(line, " id=req_") {
							t.Errorf("without an id or a trace: %s", line)
						}
					}
					if bugs != 1 {
						t.Errorf("told %d times:\n%s", bugs, h.log.String())
					}
				})
			})
		}
	}
}

// fill asks as many questions as a connection may have under way, and one more, which
// waits.
func fill(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	for i := range inFlightLimit + 1 {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(agentAsk(fmt.Sprint("m", i), fmt.Sprint("u", i)))); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
}

func TestAPingThatFailsEndsTheQuestionsOfAConnectionThatIsNotRead(t *testing.T) {
	inHouse(t, "hang", func(t *testing.T, h *house) {
		ws := h.unheard()
		fill(t, ws)
		_ = ws.NetConn().Close()
		time.Sleep(pingEvery)
		h.mustBeIdle()
	})
}

func TestAConnectionThatWasFullForLongIsReadOn(t *testing.T) {
	inHouse(t, "long-1-first-100000", func(t *testing.T, h *house) {
		ws, from, full := h.unheard(), time.Now(), true
		ws.SetPingHandler(func(string) error {
			if !full {
				return ws.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
			}
			return nil
		})
		fill(t, ws)
		for i := range inFlightLimit + 1 {
			full = i < inFlightLimit
			if _, msg, err := ws.ReadMessage(); err != nil || !strings.Contains(string(msg), `"resp_code":0`) {
				t.Fatalf("after %v: %s, %v", time.Since(from), msg, err)
			}
		}
		if took := time.Since(from); took < 2*readDeadline {
			t.Errorf("the connection was full for less than %v", took)
		}
		_ = ws.Close()
	})
}
