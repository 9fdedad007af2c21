package micro

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// crowdSlots is how many messages of a connection are open in BenchmarkMessages.
const crowdSlots = 256

// BenchmarkMessages asks on one iagent connection, 256 messages open, each of another
// user, whose conversation begins anew after twenty turns. One operation is one
// answered message; with a channel of kind iagent the model that answers on four
// connections is part of the figure.
func BenchmarkMessages(b *testing.B) {
	for _, kind := range []string{"mock", "iagent"} {
		b.Run(kind, func(b *testing.B) {
			channel := fmt.Sprintf("- {id: a, kind: mock, models: [%s]}\n", models)
			if kind == "iagent" {
				channel = fmt.Sprintf("- {id: a, kind: iagent, url: \"ws://%s/ws/v1/chat\", keys: [k], models: [%s]}\n", serveModel(b), models)
			}
			g, conf, log := openGateway(b, channel)
			addr := serveFronts(b, front.New(conf, g, log))
			ws, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws/v1/chat?app_token="+key, nil)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
			defer func() { _ = ws.Close() }()
			c := crowd{ws: ws}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range crowdSlots {
				c.ask(b, i)
			}
			for range b.N {
				c.ask(b, c.answer(b))
			}
			b.StopTimer()
			for range crowdSlots {
				c.answer(b)
			}
		})
	}
}

// crowd is the client's end of an iagent connection.
type crowd struct {
	ws    *websocket.Conn
	turns [crowdSlots]int
	buf   []byte
}

func (c *crowd) ask(b *testing.B, slot int) {
	n := c.turns[slot]
	c.turns[slot]++
	c.buf = fmt.Appendf(c.buf[:0], `{"chat_type":1,"msg_id":"m-%d-%d","timestamp":1767225600000,"sender_type":1,"sender_id":"u%d-%d","receiver_id":"long-1-forget",`+
		`"resp_code":0,"content_type":1,"content":"hello there"}`, slot, n, slot, n/20)
	if err := c.ws.WriteMessage(websocket.TextMessage, c.buf); err != nil {
		b.Fatal(err)
	}
}

// answer returns the slot of the next answer.
func (c *crowd) answer(b *testing.B) (slot int) {
	_, msg, err := c.ws.ReadMessage()
	if err != nil {
		b.Fatal(err)
	}
	_, id, _ := bytes.Cut(msg, []byte(`"ref_msg_id":"m-`))
	turn := 0
	if _, err := fmt.Sscanf(string(id[:min(len(id), 30)]), "%d-%d\"", &slot, &turn); err != nil || turn != c.turns[slot]-1 || !bytes.Contains(msg, []byte(`"resp_code":0`)) {
		b.Fatalf("not the answer: %s", msg)
	}
	return slot
}
