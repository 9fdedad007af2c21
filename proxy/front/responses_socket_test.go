package front_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// responsesSocket is a client of the responses front on a socket.
type responsesSocket struct {
	t  *testing.T
	ws *websocket.Conn
}

// socketEvent is what matters of a message of the front on a socket.
type socketEvent struct {
	Type     string    `json:"type"`
	Sequence *int64    `json:"sequence_number"`
	Lane     string    `json:"stream_id"`
	Status   int       `json:"status"`
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Delta    string    `json:"delta"`
	Response *response `json:"response"`
	Headers  map[string]string
	Error    *struct{ Type, Code, Param, Message string } `json:"error"`
}

func (e *socketEvent) terminal() bool {
	switch e.Type {
	case "response.completed", "response.incomplete", "response.failed", "error":
		return true
	}
	return false
}

func openResponses(t *testing.T, w *world.World, as string) *responsesSocket {
	t.Helper()
	s := &responsesSocket{t, w.Socket(t, "/v1/responses", "Authorization", "Bearer "+as)}
	t.Cleanup(func() { _ = s.ws.Close() })
	return s
}

// create asks; members are those of the message besides its type.
func (s *responsesSocket) create(members string) {
	s.t.Helper()
	say(s.t, s.ws, `{"type":"response.create",`+members+`}`)
}

// next reads one message.
func (s *responsesSocket) next() *socketEvent {
	s.t.Helper()
	_ = s.ws.SetReadDeadline(time.Now().Add(world.Limit))
	kind, msg, err := s.ws.ReadMessage()
	if err != nil || kind != websocket.TextMessage {
		s.t.Fatalf("%d %s, %v", kind, msg, err)
	}
	var e socketEvent
	if err := json.Unmarshal(msg, &e); err != nil || e.Type == "" || e.Sequence == nil {
		s.t.Fatalf("%s: %v", msg, err)
	}
	return &e
}

// rest reads to the end of a response of the lane, whose messages must be numbered and lie between no
// others of that lane.
func (s *responsesSocket) rest(lane string) (last *socketEvent, deltas string) {
	s.t.Helper()
	for n := int64(0); ; n++ {
		e := s.next()
		if e.Lane != lane || *e.Sequence != n || n == 0 && e.Type != "response.created" && e.Type != "error" {
			s.t.Fatalf("message %d of %q is %+v with number %d", n, lane, *e, *e.Sequence)
		}
		if deltas += e.Delta; e.terminal() {
			return e, deltas
		}
	}
}

// answered asks, and expects a whole answer.
func (s *responsesSocket) answered(members string) *response {
	s.t.Helper()
	s.create(members)
	e, deltas := s.rest("")
	if e.Type != "response.completed" || e.Response.Status != "completed" || deltas != "" && !strings.HasPrefix(deltas, e.Response.text()) && e.Response.text() != "" {
		s.t.Fatalf("%s: %+v %+v", members, e, e.Error)
	}
	return e.Response
}

// refused asks, and expects an error.
func (s *responsesSocket) refused(members string, status int, code string) *socketEvent {
	s.t.Helper()
	s.create(members)
	e, _ := s.rest("")
	if e.Type != "error" || e.Status != status || e.Error == nil || e.Error.Code != code || e.Code != code || e.Error.Message == "" || e.Message != e.Error.Message {
		s.t.Fatalf("%s: %+v %+v", members, e, e.Error)
	}
	return e
}

func TestASocketGoesOnFromResponsesThatAreNotStored(t *testing.T) {
	t.Parallel()
	for _, of := range config.Kinds {
		kind := of.Name
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, twoCallers+"channels:\n"+channel("up", kind, "", "recall"))
			s := openResponses(t, w, key)
			previous := ""
			for i, word := range []string{"uno", "dos", "tres"} {
				r := s.answered(fmt.Sprintf(`"model":"recall","store":false,"input":%q%s`, word, previous))
				if !strings.Contains(r.text(), word) || i > 0 && !strings.Contains(r.text(), "uno") || r.ID == "" {
					t.Errorf("turn %d is told %q", i, r.text())
				}
				previous = fmt.Sprintf(`,"previous_response_id":%q`, r.ID)
			}
			if got := storedTalks(t, w); len(got) != 0 {
				t.Errorf("stored is %+v", got)
			}
			other := openResponses(t, w, key)
			other.refused(`"model":"recall","store":false,"input":"x"`+previous, 400, "previous_response_not_found")
			// What is not stored can become the beginning of what is.
			kept := s.answered(`"model":"recall","input":"quatro"` + previous)
			again := other.answered(fmt.Sprintf(`"model":"recall","input":"cinco","previous_response_id":%q`, kept.ID))
			for _, word := range []string{"uno", "dos", "tres", "quatro", "cinco"} {
				if !strings.Contains(again.text(), word) {
					t.Errorf("what was stored lacks %s: %q", word, again.text())
				}
			}
		})
	}
}
