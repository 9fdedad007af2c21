package front

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy/metrics"
)

// The first frame of a turn is out before the question waits for anything: a client that
// leaves before it has taken that leaves a question that was let in.
func TestAClientThatLeavesBeforeItsFirstFrameLeavesATrace(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return h.dial(), nil }}
		ws, _, err := d.Dial("ws://x/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range []string{chatHello, chatAsk} {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // nobody reads the first frame
		if n := h.g.Running(); n != 1 {
			t.Errorf("%d questions run", n)
		}
		if err := ws.NetConn().Close(); err != nil {
			t.Error(err)
		}
		h.mustBeIdle()
		left := uint64(0)
		for _, s := range h.g.Metrics() {
			for _, x := range s.Exchanges {
				if x.Outcome == metrics.Canceled {
					left += x.N
				}
			}
		}
		if left != 1 {
			t.Errorf("%d questions were left by their clients", left)
		}
	})
}
