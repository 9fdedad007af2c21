package front_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const siteSecret = "a-secret-of-thirty-two-characters"

const siteConf = `
callers:
  anonymous: {models: [free, mock-free, say]}
  keys:
    - {name: alice, key: sk-alice}
    - {name: bob, key: sk-bob, models: [mock-echo]}
    - {name: late, key: sk-late, expires: 2020-01-01T00:00:00Z}
    - {name: plain, key: plain-key}
  jwt: {secret: ` + siteSecret + `}
channels:
  - id: up
    kind: openai
    url: http://{MODEL}/v1
    keys: [sk-of-the-channel]
    models: [mock-echo, free, mock-free, say, recall, long-400-slow-5, hang, fail-500, empty]
`

// site is a gateway as chatnio's clients see it.
type site struct {
	*world.World
	client *http.Client
}

func openSite(t *testing.T, conf string) *site {
	t.Helper()
	w := world.Start(t, conf)
	return &site{World: w, client: &http.Client{
		Timeout: world.Limit,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return w.Dial(t), nil },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signed returns a token of somebody else's making.
func signed(t *testing.T, name string, life time.Duration) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"username": name, "password": "0123456789abcdef", "exp": time.Now().Add(life).Unix(),
	}).SignedString([]byte(siteSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call makes one request; headers are pairs of names and values.
func (s *site) call(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

// want makes a call as key and fails t if the answer is not the one wanted.
func (s *site) want(t *testing.T, key, method, path, body string, status int, answer string) {
	t.Helper()
	resp, got := s.call(t, method, path, body, "Authorization", key)
	if resp.StatusCode != status || got != answer {
		t.Errorf("%s %s %s as %q: got %d %s, want %d %s", method, path, body, key, resp.StatusCode, got, status, answer)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		t.Errorf("%s: Content-Type %q", path, kind)
	}
}

// loadedChat is a conversation as /conversation/load shows it.
type loadedChat struct {
	UserID  int64 `json:"user_id"`
	ID      int64
	Name    string
	Message []struct{ Role, Content string }
	Model   string
	Shared  bool
}

// said is the messages of a conversation in short: "user: a | assistant: b".
func (l *loadedChat) said() string {
	var parts []string
	for _, m := range l.Message {
		parts = append(parts, m.Role+": "+m.Content)
	}
	return strings.Join(parts, " | ")
}

func (s *site) load(t *testing.T, key string, number int64) *loadedChat {
	t.Helper()
	_, body := s.call(t, "GET", "/conversation/load?id="+itoa(number), "", "Authorization", key)
	var answer struct {
		Status bool
		Data   loadedChat
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || !answer.Status {
		t.Fatalf("loading %d: %v in %s", number, err, body)
	}
	return &answer.Data
}

func (s *site) list(t *testing.T, key string) []loadedChat {
	t.Helper()
	_, body := s.call(t, "GET", "/conversation/list", "", "Authorization", key)
	var answer struct {
		Status bool
		Data   []loadedChat
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || !answer.Status || answer.Data == nil {
		t.Fatalf("listing: %v in %s", err, body)
	}
	return answer.Data
}

func itoa(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// sock is one chatnio connection.
type sock struct {
	t  *testing.T
	ws *websocket.Conn
}

// dial opens a socket and sends frames on it.
func (s *site) dial(t *testing.T, path string, frames ...string) *sock {
	t.Helper()
	k := &sock{t: t, ws: s.Socket(t, path)}
	k.say(frames...)
	return k
}

// enter opens a socket as key on a conversation; 0 begins a new one.
func (s *site) enter(t *testing.T, key string, number int64) *sock {
	t.Helper()
	if number == 0 {
		number = -1
	}
	return s.dial(t, "/chat", `{"token":"`+key+`","id":`+itoa(number)+`}`)
}

func (k *sock) say(frames ...string) {
	k.t.Helper()
	for _, f := range frames {
		if err := k.ws.WriteMessage(websocket.TextMessage, []byte(f)); err != nil {
			k.t.Fatal(err)
		}
	}
}

// ask sends a question and returns its turn.
func (k *sock) ask(model, text string) *played {
	k.t.Helper()
	k.say(chatFrame(model, text))
	return k.turn()
}

func chatFrame(model, text string) string {
	b, _ := json.Marshal(map[string]any{"type": "chat", "message": text, "web": false, "model": model})
	return string(b)
}

// played is one turn as its frames tell it.
type played struct {
	number int64
	text   string
	fault  string // message of the end frame
	frames []string
}

type wireFrame struct {
	Conversation *int64
	Quota        *float64
	Keyword      *string
	Message      *string
	End, Plan    *bool
}

// frame reads the next frame, whose six keys are all there.
func (k *sock) frame() (wireFrame, string) {
	k.t.Helper()
	_, msg, err := k.ws.ReadMessage()
	if err != nil {
		k.t.Fatalf("no frame: %v", err)
	}
	var f wireFrame
	if err := json.Unmarshal(msg, &f); err != nil || f.Conversation == nil || f.Quota == nil || f.Keyword == nil || f.Message == nil || f.End == nil || f.Plan == nil {
		k.t.Fatalf("not a whole frame: %s (%v)", msg, err)
	}
	return f, string(msg)
}

// turn reads one turn up to its end frame.
func (k *sock) turn() *played {
	k.t.Helper()
	p := &played{}
	for {
		f, raw := k.frame()
		p.frames = append(p.frames, raw)
		if first := len(p.frames) == 1; first != (*f.Conversation != 0) || first && *f.End {
			k.t.Fatalf("a turn begins with a number, and only then: %q", p.frames)
		}
		if len(p.frames) == 1 {
			p.number = *f.Conversation
		}
		if *f.End {
			p.fault = *f.Message
			return p
		}
		p.text += *f.Message
	}
}

// leave closes the socket: the close is answered, and nothing was left on it.
func (k *sock) leave() {
	k.t.Helper()
	defer func() { _ = k.ws.Close() }()
	_ = k.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(world.Limit))
	_, msg, err := k.ws.ReadMessage()
	var end *websocket.CloseError
	if !errors.As(err, &end) || end.Code != websocket.CloseNormalClosure {
		k.t.Errorf("the close was answered with %q, %v", msg, err)
	}
}
