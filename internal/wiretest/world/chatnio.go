package world

import (
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// socket dials a WebSocket of the gateway.
func (w *World) socket(t testing.TB, path string, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return w.Dial(t), nil }}
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ws, resp, err := d.Dial("ws://"+w.Addr+path, h)
	if err == nil {
		_ = ws.SetReadDeadline(time.Now().Add(w.place.Patience))
	}
	return ws, resp, err
}

// Socket dials a WebSocket of the gateway, for tests that send frames by
// themselves.
func (w *World) Socket(t testing.TB, path string, headers ...string) *websocket.Conn {
	t.Helper()
	ws, _, err := w.socket(t, path, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// Refused dials a WebSocket that must be refused, and returns the response.
func (w *World) Refused(t testing.TB, path string, headers ...string) *http.Response {
	t.Helper()
	ws, resp, err := w.socket(t, path, headers...)
	if err == nil {
		_ = ws.Close()
		t.Fatalf("%s was upgraded", path)
	}
	if resp == nil {
		t.Fatal(err)
	}
	return resp
}

// farewell closes a WebSocket: the close is answered with 1000, and nothing comes
// before the answer (docs/rules/chatnio.md 8.7).
func farewell(t testing.TB, ws *websocket.Conn) {
	t.Helper()
	defer func() { _ = ws.Close() }()
	_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(Limit))
	_, msg, err := ws.ReadMessage()
	var end *websocket.CloseError
	if err == nil {
		t.Errorf("a frame that nobody waits for: %s", msg)
	} else if !errors.As(err, &end) || end.Code != websocket.CloseNormalClosure {
		t.Errorf("the close was answered with %v", err)
	}
}

// Chatnio is a client of the chatnio front: one socket, one conversation. It
// checks docs/rules/chatnio.md 5 and 8.
type Chatnio struct {
	w   *World
	key string
	// Number is the conversation to open; 0: a new one.
	Number int64
	ws     *websocket.Conn
}

// NewChatnio returns a client with key that goes on with conversation number, or
// begins a new one when that is 0.
func NewChatnio(w *World, key string, number int64) *Chatnio {
	return &Chatnio{w: w, key: key, Number: number}
}

// Front implements [Client].
func (*Chatnio) Front() string { return "chatnio" }

// Streams implements [Client].
func (*Chatnio) Streams() bool { return true }

// Close implements [Client].
func (c *Chatnio) Close(t testing.TB) {
	t.Helper()
	if c.ws != nil {
		farewell(t, c.ws)
	}
}

// Send writes a frame, after opening the socket and signing in if that was not
// done.
func (c *Chatnio) Send(t testing.TB, v any) {
	t.Helper()
	c.SendText(t, string(encode(t, v)))
}

// SendText is Send for what need not be JSON.
func (c *Chatnio) SendText(t testing.TB, text string) {
	t.Helper()
	if c.ws == nil {
		c.ws = c.w.Socket(t, "/chat")
		id := c.Number
		if id == 0 {
			id = -1
		}
		c.Send(t, map[string]any{"token": c.key, "id": id})
	}
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Begin implements [Client].
func (c *Chatnio) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	frame := map[string]any{"type": "chat", "message": a.Text, "web": false, "model": a.Model}
	if a.Type != "" {
		frame["type"] = a.Type
	}
	if a.Context != 0 {
		frame["context"] = a.Context
	}
	c.Send(t, frame)
	return c.Read()
}

// Read returns the next turn on the socket, which was asked for already.
func (c *Chatnio) Read() *ChatnioTurn { return &ChatnioTurn{c: c} }

// ChatnioTurn is one turn on a socket.
type ChatnioTurn struct {
	c      *Chatnio
	frames int
	over   bool
	reply  Reply
}

// Reply implements [Turn].
func (u *ChatnioTurn) Reply() *Reply { return &u.reply }

// Leave implements [Turn].
func (u *ChatnioTurn) Leave() { _ = u.c.ws.Close(); u.c.ws = nil }

// All reads the turn to its end.
func (u *ChatnioTurn) All(t testing.TB) *Reply {
	t.Helper()
	for u.Next(t) {
	}
	return &u.reply
}

// Next implements [Turn].
func (u *ChatnioTurn) Next(t testing.TB) bool {
	t.Helper()
	for !u.over {
		kind, msg, err := u.c.ws.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			t.Errorf("the turn does not end with an end frame: %d %v", kind, err)
			u.over = true
			break
		}
		if u.frame(t, msg) {
			return true
		}
	}
	return false
}

// frameKeys are the six keys, in their order (docs/rules/chatnio.md 5.1).
var frameKeys = []string{"conversation", "quota", "keyword", "message", "end", "plan"}

func (u *ChatnioTurn) frame(t testing.TB, msg []byte) (piece bool) {
	t.Helper()
	checkKeys(t, msg)
	var f struct {
		Conversation int64   `json:"conversation"`
		Quota        float64 `json:"quota"`
		Keyword      string  `json:"keyword"`
		Message      string  `json:"message"`
		End          bool    `json:"end"`
		Plan         bool    `json:"plan"`
	}
	if !read(t, msg, &f) {
		return false
	}
	if !strings.HasSuffix(string(msg), "}\n") || strings.ContainsAny(string(msg), "<>&\u2028\u2029") {
		t.Errorf("a frame without its newline, or not escaped: %q", msg)
	}
	r := &u.reply
	first := u.frames == 0
	u.frames++
	switch {
	case first && (f.Conversation == 0 || f.Message != "" || f.End || f.Quota != 0):
		t.Errorf("not the first frame of a turn: %s", msg)
	case !first && f.Conversation != 0:
		t.Errorf("a further frame with a conversation: %s", msg)
	case f.Quota < 0 || math.IsNaN(f.Quota):
		t.Errorf("a negative quota: %s", msg)
	}
	if first {
		r.Number = f.Conversation
		if r.Number > 0 {
			u.c.Number = r.Number
		}
	}
	if f.End {
		u.over = true
		r.Quota = f.Quota
		if f.Message == "" {
			r.Ended = true
		} else {
			r.readText(f.Message)
		}
		return false
	}
	return f.Message != "" && r.piece(t, f.Message)
}

func checkKeys(t testing.TB, msg []byte) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(msg)))
	var keys []string
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		t.Errorf("not an object: %s", msg)
		return
	}
	for dec.More() {
		tok, err := dec.Token()
		key, ok := tok.(string)
		if err != nil || !ok {
			t.Errorf("not a key: %v in %s", tok, msg)
			return
		}
		keys = append(keys, key)
		if _, err := dec.Token(); err != nil {
			t.Errorf("%v in %s", err, msg)
			return
		}
	}
	if strings.Join(keys, " ") != strings.Join(frameKeys, " ") {
		t.Errorf("the keys of a frame are %v: %s", keys, msg)
	}
}
