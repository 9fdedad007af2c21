package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// theSocket waits until there is one socket of which ok is true, and returns it.
func theSocket(t *testing.T, w *world.World, what string, ok func(*front.Socket) bool) (k front.Socket) {
	t.Helper()
	w.Eventually(t, what, func() bool {
		for _, one := range w.Front().OpenSockets() {
			if ok(&one) {
				k = one
				return true
			}
		}
		return false
	})
	return k
}

func TestOperatorsSeeOpenSocketsAndCloseOne(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	began := time.Now().Add(-time.Second)
	chat := w.Socket(t, "/chat?token="+key)
	defer func() { _ = chat.Close() }()
	theSocket(t, w, "an idle socket is listed", func(k *front.Socket) bool { return k.Front == "chatnio" && k.Caller == "alice" && k.Turns == 0 })
	for range 3 {
		say(t, chat, chatOf("hang", 10))
	}
	busy := theSocket(t, w, "a turn runs and two wait", func(k *front.Socket) bool { return k.Turns == 1 && k.Queued == 2 })
	if busy.Address != "127.0.0.0/24" || busy.Since.Before(began) || busy.Heard.Before(busy.Since.Truncate(time.Millisecond)) || !busy.Ping.IsZero() || busy.Request == "" {
		t.Errorf("%+v", busy)
	}
	crowd := w.Socket(t, "/ws/v1/chat?app_token="+bobsKey)
	defer func() { _ = crowd.Close() }()
	say(t, crowd, questionOf("m1", "hang", 10))
	other := theSocket(t, w, "a question runs on iagent", func(k *front.Socket) bool { return k.Front == "iagent" && k.Turns == 1 })
	if other.Caller != "bob" || other.ID == busy.ID {
		t.Errorf("%+v", other)
	}
	stranger := w.Socket(t, "/chat")
	defer func() { _ = stranger.Close() }()
	theSocket(t, w, "one that has not signed in", func(k *front.Socket) bool { return k.Front == "chatnio" && k.Caller == "" })

	if w.Front().CloseSocket("s0") {
		t.Error("a socket was closed that was never open")
	}
	if !w.Front().CloseSocket(busy.ID) || !w.Front().CloseSocket(other.ID) {
		t.Error("sockets that are open were not closed")
	}
	closesWith(t, chat, websocket.ClosePolicyViolation)
	closesWith(t, crowd, websocket.ClosePolicyViolation)
	w.Eventually(t, "the others are gone and nothing runs", func() bool {
		list := w.Front().OpenSockets()
		return len(list) == 1 && list[0].Caller == "" && w.Gateway.Running() == 0
	})
}

func TestASocketThatRestsIsClosedAndItsPongsAreSeen(t *testing.T) {
	t.Parallel()
	w := world.Start(t, tightConf)
	chat := w.Socket(t, "/chat?token="+key)
	defer func() { _ = chat.Close() }()
	if err := chat.WriteControl(websocket.PongMessage, nil, time.Now().Add(world.Limit)); err != nil {
		t.Fatal(err)
	}
	k := theSocket(t, w, "a pong is seen", func(k *front.Socket) bool { return !k.Ping.IsZero() })
	if strings.Contains(k.Address, "127.0.0.1") {
		t.Errorf("the address of a client is told: %s", k.Address)
	}
	if !w.Front().CloseSocket(k.ID) {
		t.Error("it was not closed")
	}
	closesWith(t, chat, websocket.ClosePolicyViolation)
}

// A connection that is kept behind a streamed answer is no stream any more.
func TestAStreamThatIsOverIsNotCounted(t *testing.T) {
	t.Parallel()
	ends := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, oddEvent(`{"content":"hello"}`, "null"))
		w.(http.Flusher).Flush()
		select {
		case <-ends:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, oddEvent(`{}`, "stop")+oddDone)
	}))
	t.Cleanup(up.Close)
	w := oddWorld(t, oddChannel("up", up.URL, 1))
	c := w.Dial(t)
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	socket := w.Socket(t, "/chat?token="+key)
	defer func() { _ = socket.Close() }()
	for range 2 {
		const body = `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`
		if _, err := fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Eventually(t, "it is a stream", func() bool { _, sockets, streams := w.Front().Open(); return sockets == 1 && streams == 1 })
		ends <- struct{}{}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		w.Eventually(t, "it is none, and its connection is kept", func() bool {
			connections, sockets, streams := w.Front().Open()
			return connections == 2 && sockets == 1 && streams == 0 && w.Gateway.Running() == 0
		})
	}
}
