package front_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// tightConf lets one caller hold 4 MiB.
var tightConf = "bodies: 16MiB\n" + bodiesOf("1MiB") + "presets: {hang: {model: hang}, echo: {model: echo}}\n" + callers +
	`channels: [{id: up, kind: openai, url: "http://{MODEL}/v1", keys: [` + channelKey + `], models: [echo, hang]}]
`

const (
	tightShare = 4 << 20
	bobsKey    = "sk-bob-caller-key"
)

// heldAtMost fails when more is held than one caller may.
func heldAtMost(t *testing.T, w *world.World, most int) {
	t.Helper()
	if held := w.BodiesHeld(); held > most {
		t.Errorf("%d bytes are held, at most %d", held, most)
	}
}

// say sends one text message.
func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	_ = ws.SetWriteDeadline(time.Now().Add(world.Limit))
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Errorf("sending: %v", err)
	}
}

// chatOf is a chatnio frame that asks model with n bytes.
func chatOf(model string, n int) string {
	return fmt.Sprintf(`{"type":"chat","model":%q,"message":%q}`, model, strings.Repeat("x", n))
}

func TestFramesOfACallersChatnioSocketsAreBoundedTogether(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	var open []*websocket.Conn
	for range 7 { // whose messages, read at the same time, find the room that is spared
		ws := w.Socket(t, "/chat?token="+key)
		open = append(open, ws)
		for range 12 {
			say(t, ws, chatOf("hang", 100_000))
			heldAtMost(t, w, tightShare)
		}
	}
	w.Eventually(t, "frames wait", func() bool { return w.BodiesHeld() > tightShare/2 })
	c := world.NewChatnio(w, bobsKey, 0)
	defer c.Close(t)
	if r := world.Put(t, c, world.Ask{Model: "echo", Text: strings.Repeat("y", 500_000)}); !r.Ended || !strings.HasPrefix(r.Text, "Hello, you said") {
		t.Errorf("another caller: %.100s", r.Outcome())
	}
	for _, ws := range open {
		_ = ws.Close()
	}
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
}

// questionOf is an iagent message for a preset with n bytes.
func questionOf(id, preset string, n int) string {
	return fmt.Sprintf(`{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":%q,"content_type":1,"content":%q}`, id, id, preset, strings.Repeat("x", n))
}

func TestQuestionsOfACallersIAgentSocketsAreBoundedTogether(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	const n = 60
	for socket := range 2 {
		ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
		defer func() { _ = ws.Close() }()
		go func() {
			for i := range n {
				if ws.WriteMessage(websocket.TextMessage, []byte(questionOf(fmt.Sprint(socket, "-", i), "echo", 200_000))) != nil {
					return
				}
			}
		}()
		for range n {
			_ = ws.SetReadDeadline(time.Now().Add(world.Limit))
			_, msg, err := ws.ReadMessage()
			if err != nil || !strings.Contains(string(msg), `"resp_code":0`) {
				t.Fatalf("%.200s, %v", msg, err)
			}
			heldAtMost(t, w, 2*tightShare) // an answer that waits to be read is counted, but not refused
		}
	}
}

func TestAnIAgentQuestionForWhichThereIsNoRoomIsRefused(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	for i := range 3 {
		say(t, ws, questionOf(fmt.Sprint("m", i), "hang", 400_000))
	}
	say(t, ws, questionOf("more", "hang", 400_000))
	_, msg, err := ws.ReadMessage()
	if err != nil || !strings.Contains(string(msg), `"ref_msg_id":"more"`) || !strings.Contains(string(msg), "CHANNEL_UNAVAILABLE") {
		t.Errorf("%.200s, %v", msg, err)
	}
	heldAtMost(t, w, tightShare)
	if answer := exchange(t, ws, questionOf("short", "echo", 100)); !strings.Contains(answer, `"resp_code":0`) {
		t.Errorf("a short one: %s", answer)
	}
	_ = ws.Close()
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
}

func TestMessagesUnderWayAreBoundedTogether(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	for _, path := range []string{"/chat?token=" + key, "/chat", "/ws/v1/chat?app_token=" + key} {
		var refused atomic.Int32
		var readers sync.WaitGroup
		var open []*websocket.Conn
		for range 9 {
			ws := w.Socket(t, path)
			open = append(open, ws)
			out, err := ws.NextWriter(websocket.TextMessage)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = out.Write([]byte(strings.Repeat("x", 700_000))) // and no last fragment
			readers.Go(func() {
				if _, _, err := ws.ReadMessage(); websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
					refused.Add(1)
				}
			})
			heldAtMost(t, w, tightShare)
		}
		w.Eventually(t, "there is no room for the others", func() bool { return refused.Load() > 2 })
		heldAtMost(t, w, tightShare)
		for _, ws := range open {
			_ = ws.Close()
		}
		readers.Wait()
		if refused.Load() == int32(len(open)) {
			t.Errorf("%s: all are closed", path)
		}
		w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
	}
}

func TestACallerHasOnlySoManySockets(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "chatnio: {sockets: 3}\niagent: {sockets: 2}\n"+tightConf)
	var open []*websocket.Conn
	for range 3 {
		open = append(open, w.Socket(t, "/chat"))
	}
	if resp := w.Refused(t, "/chat"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a fourth from one address: %d", resp.StatusCode)
	}
	for _, ws := range open {
		say(t, ws, `{"token":"`+key+`","id":-1}`)
		say(t, ws, chatOf("echo", 10))
		if _, _, err := ws.ReadMessage(); err != nil { // it has signed in
			t.Fatal(err)
		}
	}
	more := w.Socket(t, "/chat")
	say(t, more, `{"token":"`+key+`","id":-1}`)
	closesWith(t, more, websocket.CloseTryAgainLater)
	other := w.Socket(t, "/chat?token="+bobsKey)
	say(t, other, chatOf("echo", 10))
	if _, _, err := other.ReadMessage(); err != nil {
		t.Errorf("another caller: %v", err)
	}
	_ = open[0].Close()
	w.Eventually(t, "there is a place again", func() bool {
		ws := w.Socket(t, "/chat?token="+key)
		defer func() { _ = ws.Close() }()
		say(t, ws, chatOf("echo", 10))
		_, _, err := ws.ReadMessage()
		return err == nil
	})
	for range 2 {
		defer func(ws *websocket.Conn) { _ = ws.Close() }(w.Socket(t, "/ws/v1/chat?app_token="+key))
	}
	if resp := w.Refused(t, "/ws/v1/chat?app_token="+key); resp.StatusCode != 429 {
		t.Errorf("a third iagent socket: %d", resp.StatusCode)
	}
	for _, ws := range append(open[1:], more, other) {
		_ = ws.Close()
	}
}
