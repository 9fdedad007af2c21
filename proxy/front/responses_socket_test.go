package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/front"
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
		for e.Lane == "hung" && lane != e.Lane { // on a slow machine it has begun, after 25 s without content
			e = s.next()
		}
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

func TestAWarmedUpResponseIsGoneOnFromWithNothingNew(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "recall"))
	for name, store := range map[string]string{"not stored": `,"store":false`, "stored": ""} {
		s := openResponses(t, w, key)
		before := w.Model.Requests()
		warm := s.answered(`"model":"recall","generate":false,"instructions":"Be warm.","input":[{"role":"developer","content":"rule"},{"role":"user","content":"uno"}]` + store)
		if len(warm.Output) != 0 || warm.ID == "" || w.Model.Requests() != before {
			t.Errorf("%s: %+v, and %d questions", name, warm, w.Model.Requests()-before)
		}
		r := s.answered(fmt.Sprintf(`"model":"recall","instructions":"Be brief.","input":[],"previous_response_id":%q%s`, warm.ID, store))
		if text := r.text(); !strings.Contains(text, "Be brief.") || strings.Contains(text, "warm") || !strings.Contains(text, "rule") || !strings.Contains(text, "user: uno") {
			t.Errorf("%s: it is told %q", name, text)
		}
		again := s.answered(fmt.Sprintf(`"model":"recall","input":"dos","previous_response_id":%q%s`, r.ID, store))
		if text := again.text(); !strings.Contains(text, "user: uno") || !strings.Contains(text, "user: dos") || strings.HasPrefix(text, "system: Be brief.") {
			t.Errorf("%s: then it is told %q", name, text)
		}
		e := s.refused(fmt.Sprintf(`"model":"recall","input":[],"previous_response_id":%q%s`, again.ID, store), 400, "")
		if e.Error.Param != "input" {
			t.Errorf("%s: nothing is asked: %+v", name, e.Error)
		}
	}
	if got := storedTalks(t, w); len(got) != 1 {
		t.Errorf("stored is %+v", got)
	}
}

func TestWhatIsWrongOnASocketIsSaidAndTheSocketStays(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo", "fail-500", "fail-400"))
	s := openResponses(t, w, key)
	for name, c := range map[string]struct {
		message, param string
		status         int
		code           string
	}{
		"no JSON":            {`{"type":`, "", 400, ""},
		"a list":             {`[]`, "", 400, ""},
		"no type":            {`{"model":"echo","input":"hi"}`, "type", 400, ""},
		"an unknown type":    {`{"type":"session.update"}`, "type", 400, ""},
		"a type that is 7":   {`{"type":7}`, "", 400, ""},
		"steering":           {`{"type":"response.steer","previous_response_id":"resp_1","input":"x"}`, "type", 400, ""},
		"no input":           {`{"type":"response.create","model":"echo"}`, "input", 400, ""},
		"nothing asked":      {`{"type":"response.create","model":"echo","input":[]}`, "input", 400, ""},
		"background":         {`{"type":"response.create","model":"echo","input":"hi","background":true}`, "background", 400, ""},
		"generate":           {`{"type":"response.create","model":"echo","input":"hi","generate":"no"}`, "", 400, ""},
		"an unknown model":   {`{"type":"response.create","model":"none","input":"hi"}`, "", 404, "model_not_found"},
		"an empty stream":    {`{"type":"response.create","model":"echo","input":"hi","stream_id":""}`, "stream_id", 400, "invalid_stream_id"},
		"a stream of signs":  {`{"type":"response.create","model":"echo","input":"hi","stream_id":"a b"}`, "stream_id", 400, "invalid_stream_id"},
		"a stream that is 7": {`{"type":"response.create","model":"echo","input":"hi","stream_id":7}`, "stream_id", 400, "invalid_stream_id"},
		"a long stream":      {`{"type":"response.create","model":"echo","input":"hi","stream_id":"` + strings.Repeat("x", 257) + `"}`, "stream_id", 400, "invalid_stream_id"},
		"two beginnings":     {`{"type":"response.create","model":"echo","input":"hi","previous_response_id":"resp_1","conversation":"conv_1"}`, "conversation", 400, ""},
		"a broken channel":   {`{"type":"response.create","model":"fail-500","input":"hi"}`, "", 502, "MODEL_ERROR"},
		"a refusal":          {`{"type":"response.create","model":"fail-400","input":"hi","store":false}`, "", 400, "scripted"},
	} {
		say(t, s.ws, c.message)
		e, _ := s.rest("")
		if e.Type != "error" || e.Status != c.status || e.Error == nil || e.Error.Param != c.param || c.code != "scripted" && e.Error.Code != c.code {
			t.Errorf("%s: %+v %+v", name, e, e.Error)
		}
		s.answered(`"model":"echo","store":false,"stream":true,"stream_id":null,"input":"hi"`)
	}
	if err := s.ws.WriteMessage(websocket.BinaryMessage, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.rest(""); e.Status != 400 || !strings.Contains(e.Message, "text") {
		t.Errorf("a binary message: %+v", e)
	}
	s.answered(`"model":"echo","store":false,"input":"hi"`)
	for range 25 {
		if s.ws.WriteMessage(websocket.TextMessage, []byte(`{"type":`)) != nil {
			break // the connection has ended
		}
	}
	for range 20 {
		if e, _ := s.rest(""); e.Status != 400 {
			t.Fatalf("at once: %+v", e)
		}
	}
	closesWith(t, s.ws, websocket.ClosePolicyViolation)
}

func TestAMessageThatIsTooLongEndsItsSocket(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"openai: {max_body: 100KiB}\nchannels:\n"+channel("up", "openai", "", "echo"))
	s := openResponses(t, w, key)
	if r := s.answered(fmt.Sprintf(`"model":"echo","store":false,"input":%q`, strings.Repeat("x", 90<<10))); len(r.text()) < 90<<10 {
		t.Errorf("a long message: %d bytes", len(r.text()))
	}
	say(t, s.ws, fmt.Sprintf(`{"type":"response.create","input":%q}`, strings.Repeat("x", 100<<10)))
	closesWith(t, s.ws, websocket.CloseMessageTooBig)
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
}

func TestALimitRefusesAQuestionOfASocketAndNotTheSocket(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+", limits: small}]}\nlimits: {small: {requests: 2/h}}\nchannels:\n"+channel("up", "openai", "", "echo"))
	s := openResponses(t, w, key)
	first := s.answered(`"model":"echo","store":false,"input":"one"`)
	s.answered(`"model":"echo","store":false,"input":"two"`)
	for range 2 {
		e := s.refused(`"model":"echo","store":false,"input":"three"`, 429, "rate_limit_exceeded")
		if e.Headers["Retry-After"] == "" || e.Headers["RateLimit"] == "" {
			t.Errorf("headers %v", e.Headers)
		}
	}
	// Nothing is generated, and nothing counted.
	s.answered(fmt.Sprintf(`"model":"echo","store":false,"generate":false,"input":"three","previous_response_id":%q`, first.ID))
}

func TestAFailureEndsAResponseOnceAndForgetsItsBeginning(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo", "fail-500", "long-6-cut"))
	s := openResponses(t, w, key)
	chain := func() string { return s.answered(`"model":"echo","store":false,"input":"one"`).ID }
	for _, model := range []string{"fail-500", "long-6-cut"} {
		previous := chain()
		s.create(fmt.Sprintf(`"model":%q,"store":false,"input":"two","previous_response_id":%q,"stream_id":"other"`, model, previous))
		if e, _ := s.rest("other"); e.Type == "response.completed" {
			t.Errorf("%s: %+v", model, e)
		}
		// It was another stream's, which goes on.
		s.create(fmt.Sprintf(`"model":%q,"store":false,"input":"two","previous_response_id":%q`, model, previous))
		e, deltas := s.rest("")
		if model == "fail-500" && (e.Type != "error" || e.Status != 502 || deltas != "") {
			t.Errorf("%s: %+v behind %q", model, e, deltas)
		}
		if model != "fail-500" && (e.Type != "response.failed" || e.Response.Status != "failed" || e.Response.Error == nil || deltas == "") {
			t.Errorf("%s: %+v behind %q", model, e, deltas)
		}
		s.refused(fmt.Sprintf(`"model":"echo","store":false,"input":"two","previous_response_id":%q`, previous), 400, "previous_response_not_found")
	}
	for members, code := range map[string]string{`"model":"echo","temperature":"x"`: "", `"model":"nobody"`: "model_not_found"} {
		previous, status := chain(), 400
		if code != "" {
			status = 404
		}
		s.refused(fmt.Sprintf(`%s,"store":false,"input":"two","previous_response_id":%q`, members, previous), status, code)
		s.refused(fmt.Sprintf(`"model":"echo","store":false,"input":"two","previous_response_id":%q`, previous), 400, "previous_response_not_found")
	}
	s.answered(`"model":"echo","store":false,"input":"three"`)
}

func TestAResponseThatThereIsNoRoomForIsAnsweredAndNotRemembered(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo"))
	const size = 30 << 20
	var halves []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		halves = append(halves, c)
		fmt.Fprintf(c, "POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, size, strings.Repeat("a", size-1))
	}
	w.Eventually(t, "two halves are held", func() bool { return w.BodiesHeld() >= 2*size-(1<<20) })
	s := openResponses(t, w, key)
	r := s.answered(`"model":"echo","store":false,"input":"one"`)
	s.refused(fmt.Sprintf(`"model":"echo","store":false,"input":"two","previous_response_id":%q`, r.ID), 400, "previous_response_not_found")
	for _, c := range halves {
		_ = c.Close()
	}
}

func TestClosingASocketCancelsItsAnswers(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "long-400-slow-20", "hang"))
	s := openResponses(t, w, key)
	s.create(`"model":"hang","input":"one","stream_id":"a"`)
	s.create(`"model":"long-400-slow-20","input":"one"`)
	for s.next().Delta == "" {
	}
	w.Eventually(t, "both are asked", func() bool { return w.Model.Active() == 2 })
	_ = s.ws.Close()
	w.Eventually(t, "both are left, and nothing is stored", func() bool {
		return w.Model.Active() == 0 && w.Model.Left() == 2 && w.Gateway.Running() == 0 && len(w.Front().Sockets()) == 0
	})
	if got := storedTalks(t, w); len(got) != 0 {
		t.Errorf("stored is %+v", got)
	}
}

func TestACapturedExchangeOfASocketHasAllItsForms(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"responses", "openai"} {
		w := world.Start(t, twoCallers+"channels:\n"+channel("up", kind, "", "echo"))
		s := openResponses(t, w, key)
		if _, err := w.Gateway.Captures().On("alice", "me", time.Hour); err != nil {
			t.Fatal(err)
		}
		s.answered(`"model":"echo","store":false,"input":"tell"`)
		f := keptForms(t, w)
		if want := `{"type":"response.create","model":"echo","store":false,"input":"tell"}`; f.Asked.Text != want {
			t.Errorf("%s: asked as %+v", kind, f.Asked)
		}
		if told := f.Told.Text; strings.Count(told, "\n") < 5 || !strings.Contains(told, `{"type":"response.completed"`) || strings.Contains(told, "event:") {
			t.Errorf("%s: told %q", kind, told)
		}
	}
}

// As behind a stream over HTTP.
func TestAnAnswerGoesOnWithoutItsSocketWhereItsChannelFinishes(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "on_leave: finish", "long-50-slow-20"))
	for _, keep := range []string{"true", "false"} {
		s := openResponses(t, w, key)
		s.create(fmt.Sprintf(`"model":"long-50-slow-20","store":%s,"input":%q`, keep, strings.Repeat("x", 500_000)))
		for s.next().Delta == "" {
		}
		_ = s.ws.Close()
	}
	w.Eventually(t, "both are over, and all is given back", func() bool { return w.Gateway.Running() == 0 && w.BodiesHeld() == 0 })
	if n := strings.Count(w.Log.String(), "code=ok"); n != 2 || w.Model.Left() != 0 {
		t.Errorf("%d answers went on, %d were left", n, w.Model.Left())
	}
	if got := storedTalks(t, w); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("stored is %+v", got)
	}
}

func TestStreamsOfASocketAreAnsweredAtTheSameTimeEachInItsOrder(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo", "recall", "hang"))
	s := openResponses(t, w, key)
	s.create(`"model":"hang","store":false,"input":"x","stream_id":"hung"`)
	s.create(`"model":"echo","store":false,"input":"x","stream_id":"hung"`) // waits for ever
	root := s.answered(`"model":"recall","store":false,"input":"root"`)
	for i := range 31 { // forks of it, one after the other
		lane := fmt.Sprint("fork.", i)
		s.create(fmt.Sprintf(`"model":"recall","store":false,"input":"leaf","previous_response_id":%q,"stream_id":%q`, root.ID, lane))
		if e, _ := s.rest(lane); e.Type != "response.completed" || !strings.Contains(e.Response.text(), "root") {
			t.Fatalf("%s: %+v", lane, e)
		}
	}
	s.create(`"model":"echo","store":false,"input":"x","stream_id":"more"`)
	if e, _ := s.rest("more"); e.Status != 400 || e.Code != "websocket_stream_limit_reached" || e.Error.Param != "stream_id" {
		t.Errorf("one stream too many: %+v", e)
	}
	s.create(`"model":"echo","store":false,"input":"x","stream_id":"fork.30"`)
	s.rest("fork.30")
	s.answered(`"model":"echo","store":false,"input":"x"`)
	k := theSocket(t, w, "it is listed", func(k *front.Socket) bool { return k.Front == "responses" && k.Turns == 1 && k.Queued == 1 })
	if list := w.Front().Sockets(); k.Caller != "alice" || len(list) != 1 || list[0] != (front.Sockets{Front: "responses", Caller: "alice", Open: 1}) {
		t.Errorf("%+v, %+v", k, list)
	}
	if !w.Front().CloseSocket(k.ID) {
		t.Error("it is not open")
	}
	closesWith(t, s.ws, websocket.ClosePolicyViolation)
	w.Eventually(t, "nothing runs", func() bool { return w.Gateway.Running() == 0 && w.BodiesHeld() == 0 })
}

func TestMessagesOfASocketThatCannotWaitAreRefused(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo", "hang"))
	s := openResponses(t, w, key)
	s.create(`"model":"hang","store":false,"input":"x"`)
	w.Eventually(t, "it is asked", func() bool { return w.Model.Active() == 1 })
	for range 64 {
		s.create(`"model":"echo","store":false,"input":"x"`)
	}
	s.create(`"model":"echo","store":false,"input":"x","stream_id":"full"`)
	if e, _ := s.rest("full"); e.Status != 429 || e.Code != "rate_limit_exceeded" || e.Headers["Retry-After"] == "" {
		t.Errorf("the queue is full: %+v", e)
	}
	for range 1024 - 64 + 1 { // the last one ends it, behind which nothing may be unread
		if s.ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"response.create","model":"echo","input":"x"}`)) != nil {
			break
		}
	}
	closesWith(t, s.ws, websocket.CloseTryAgainLater)
	w.Eventually(t, "nothing runs", func() bool { return w.Gateway.Running() == 0 })
}

func TestTheHandshakeOfAResponsesSocketIsRefusedAsARequestIs(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"openai: {sockets: 1}\nchannels:\n"+channel("up", "openai", "", "echo"))
	for _, bad := range [][]string{nil, {"Authorization", "Bearer sk-nobody"}} {
		if resp := w.Refused(t, "/v1/responses", bad...); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("with %v: %d %v", bad, resp.StatusCode, resp.Header)
		}
	}
	if status, h, body := w.Do(t, "GET", "/v1/responses", "", "Authorization", "Bearer "+key); status != 426 || h.Get("Upgrade") != "websocket" || !strings.Contains(body, `"error"`) {
		t.Errorf("without an upgrade: %d %v %s", status, h, body)
	}
	s := openResponses(t, w, key)
	if resp := w.Refused(t, "/v1/responses", "Authorization", "Bearer "+key); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %v", resp.StatusCode, resp.Header)
	}
	openResponses(t, w, otherKey).answered(`"model":"echo","input":"hi"`)
	_ = s.ws.Close()
	w.Eventually(t, "there is room again", func() bool { return len(w.Front().Sockets()) == 1 })
	openResponses(t, w, key).answered(`"model":"echo","input":"hi"`)
}

func TestAPageOfAnotherOriginHasOnASocketOnlyWhatItSaidThere(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {anonymous: {}, keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("up", "openai", "", "recall"))
	own := &responsesSocket{t, w.Socket(t, "/v1/responses")}
	kept := own.answered(`"model":"recall","input":"uno"`)
	own.answered(fmt.Sprintf(`"model":"recall","input":"dos","previous_response_id":%q`, kept.ID))
	page := &responsesSocket{t, w.Socket(t, "/v1/responses", "Origin", "https://elsewhere.example")}
	e := page.refused(fmt.Sprintf(`"model":"recall","input":"dos","previous_response_id":%q`, kept.ID), 403, "permission_denied")
	if !strings.Contains(e.Message, "another origin") {
		t.Errorf("%+v", e)
	}
	said := page.answered(`"model":"recall","input":"tres"`)
	if r := page.answered(fmt.Sprintf(`"model":"recall","input":"quatro","previous_response_id":%q`, said.ID)); !strings.Contains(r.text(), "tres") {
		t.Errorf("it is told %q", r.text())
	}
	own.refused(fmt.Sprintf(`"model":"recall","input":"x","previous_response_id":%q`, said.ID), 400, "previous_response_not_found")
	_, _ = own.ws.Close(), page.ws.Close()
}

func TestAResultOfAToolGoesOnOnASocket(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"openai", "anthropic", "responses", "gemini"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, twoCallers+"channels:\n"+channel("up", kind, "", "tool"))
			s := openResponses(t, w, key)
			const tools = `"model":"tool","store":false,"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}}]`
			one := s.answered(tools + `,"input":"weather?"`)
			last := one.Output[len(one.Output)-1]
			if last.Type != "function_call" || last.Name != "look" {
				t.Fatalf("no call: %+v", one.Output)
			}
			two := s.answered(fmt.Sprintf(`%s,"previous_response_id":%q,"input":[{"type":"function_call_output","call_id":%q,"output":"sunny"}]`, tools, one.ID, last.CallID))
			if !strings.Contains(two.text(), "sunny") {
				t.Errorf("the result did not arrive: %q", two.text())
			}
			if kind == "responses" {
				return // whose answer passed through, with ids of its own
			}
			three := s.answered(fmt.Sprintf(`%s,"input":[{"role":"user","content":"weather?"},{"type":"item_reference","id":%q},{"type":"function_call_output","call_id":%q,"output":"rainy"}]`, tools, last.ID, last.CallID))
			if !strings.Contains(three.text(), "rainy") {
				t.Errorf("the result of a referred call did not arrive: %q", three.text())
			}
		})
	}
}

func TestAnAnswerOfTheSameDialectPassesThroughASocket(t *testing.T) {
	t.Parallel()
	const first = `{"type":"response.created","response":{"id":"resp_up","object":"response","status":"in_progress","model":"up","output":[]},"sequence_number":0}`
	const search = `{"type":"response.web_search_call.completed","item_id":"ws_1","output_index":0,"sequence_number":1}`
	const text = `{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"found","logprobs":[],"sequence_number":2}`
	const end = `{"type":"response.completed","response":{"id":"resp_up","object":"response","status":"completed","model":"up","output":[{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"found","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}},"sequence_number":3}`
	for name, events := range map[string][]string{
		"named": {"event: response.created\ndata: " + first, "event: response.web_search_call.completed\ndata: " + search, ": a comment", "event: response.output_text.delta\ndata: " + text, "event: response.completed\ndata: " + end},
		"bare":  {"data: " + first, "data:" + search, "data: " + text, "data: " + end, "data: [DONE]"},
		"split": {"data: " + first, "data: " + search, "data: " + text, "data: " + strings.Replace(end, `,"sequence`, ",\ndata: \"sequence", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newBackEnd(t, func(w http.ResponseWriter, _ string) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, strings.Join(events, "\n\n")+"\n\n")
			})
			w := world.Start(t, twoCallers+fmt.Sprintf("channels:\n  - {id: up, kind: responses, url: %q, keys: [%s], models: [up]}\n", up.url, channelKey))
			s := openResponses(t, w, key)
			s.create(`"stream_id":"main","generate":true,"model":"up","store":false,"tools":[{"type":"web_search"}],"metadata":{"a":"b"},"input":"hi"`)
			for i, want := range []string{first, search, text, end} {
				_ = s.ws.SetReadDeadline(time.Now().Add(world.Limit))
				_, msg, err := s.ws.ReadMessage()
				if want = strings.TrimSuffix(want, "}") + `,"stream_id":"main"}`; err != nil || strings.ReplaceAll(string(msg), `, "`, `,"`) != want {
					t.Errorf("message %d is %s, %v, want %s", i, msg, err, want)
				}
			}
			const asked = `{"model":"up","store":false,"tools":[{"type":"web_search"}],"metadata":{"a":"b"},"input":"hi","stream":true}`
			if got := up.questions(); len(got) != 1 || got[0] != asked {
				t.Errorf("the channel was asked %v, want %s", got, asked)
			}
			s.create(`"model":"up","store":false,"previous_response_id":"resp_up","input":"and?"`)
			s.rest("")
			if got := up.questions(); len(got) != 1 || !strings.Contains(got[0], "found") || strings.Contains(got[0], "resp_up") || strings.Contains(got[0], "response.create") {
				t.Errorf("then it was asked %v", got)
			}
		})
	}
}
