package world

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recorder is a test that only notes what was reported.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Failed() bool        { return len(r.errors) > 0 }
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Error(args ...any)   { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

const small = "callers: {keys: [{name: a, key: sk-caller-key}]}\nchannels:\n  - {id: up, kind: openai, url: \"http://{MODEL}/v1\", keys: [channel-key-never-shown], models: [say]}\n"

func TestMain(m *testing.M) { Main(m) }

func TestASecretThatAClientSeesIsReported(t *testing.T) {
	t.Parallel()
	w := Start(t, small)
	c := &OpenAI{w: w, key: "sk-caller-key"}
	defer c.Close(t)
	if r := Put(t, c, Ask{Model: "say", Text: "harmless"}); r.Text != "harmless" {
		t.Fatal(r.Outcome())
	}
	rec := &recorder{TB: t}
	if w.checkSecrets(rec); rec.Failed() {
		t.Fatalf("a harmless answer is reported: %v", rec.errors)
	}
	Put(t, c, Ask{Model: "say", Text: "channel-key-never-shown", Stream: false})
	_, _ = w.Log.Write([]byte("key=sk-caller-key"))
	if w.checkSecrets(rec); len(rec.errors) != 2 {
		t.Errorf("reported: %v", rec.errors)
	}
	w.saw = nil // as it should have been
	w.Log.Reset()
}

func TestStreamsThatBreakTheRulesAreReported(t *testing.T) {
	t.Parallel()
	chunk := func(delta, reason string) string {
		return `data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{` + delta + `},"finish_reason":` + reason + "}]}\n\n"
	}
	role, text, stop := chunk(`"role":"assistant","content":""`, "null"), chunk(`"content":"x"`, "null"), chunk("", `"stop"`)
	usage := `data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}` + "\n\n"
	done := "data: [DONE]\n\n"
	start := `data: {"type":"start","conversationId":"c"}` + "\n\n"
	content := `data: {"type":"content","text":"x"}` + "\n\n"
	end := `data: {"type":"end","usage":{"promptTokens":1,"completionTokens":1,"totalTokens":2}}` + "\n\n"
	broke := `data: {"type":"error","error":"x","code":"MODEL_ERROR"}` + "\n\n"
	for name, c := range map[string]struct {
		good   bool
		front  string
		stream string
	}{
		"openai":             {true, "openai", role + text + stop + usage + done},
		"openai, a comment":  {true, "openai", role + ": keep-alive\n\n" + text + stop + usage + done},
		"no role":            {false, "openai", text + stop + usage + done},
		"two roles":          {false, "openai", role + role + text + stop + usage + done},
		"no finish":          {false, "openai", role + text + usage + done},
		"no usage":           {false, "openai", role + text + stop + done},
		"no end":             {false, "openai", role + text + stop + usage},
		"two ends":           {false, "openai", role + text + stop + usage + done + done},
		"text after finish":  {false, "openai", role + stop + text + usage + done},
		"half an event":      {false, "openai", role + text + stop + usage + "data: [DONE]\n"},
		"no blank line":      {false, "openai", strings.Replace(role+text+stop+usage+done, "\n\n", "\n", 1)},
		"rest":               {true, "rest", start + content + end},
		"rest, an error":     {true, "rest", start + content + broke},
		"no start":           {false, "rest", content + end},
		"two starts":         {false, "rest", start + start + content + end},
		"end and error":      {false, "rest", start + content + broke + end},
		"neither":            {false, "rest", start + content},
		"an empty text":      {false, "rest", start + strings.Replace(content, `"x"`, `""`, 1) + end},
		"an event of a name": {false, "rest", "event: message\n" + start + content + end},
	} {
		rec := &recorder{TB: t}
		h := &httpTurn{l: &line{}, stream: true, grammar: &openaiGrammar{c: &OpenAI{said: []said{{}}}}}
		if c.front == "rest" {
			h.grammar = &restGrammar{}
		}
		h.events.r = bufio.NewReader(strings.NewReader(c.stream))
		for {
			ev, err := h.events.next(rec)
			if err != nil {
				h.resp = emptyResponse()
				h.end(rec, err)
				break
			}
			h.event(rec, &h.reply, ev)
		}
		if rec.Failed() == c.good {
			t.Errorf("%s: good %v, but reported: %v", name, c.good, rec.errors)
		}
	}
}

func TestFramesThatBreakTheRulesAreReported(t *testing.T) {
	t.Parallel()
	frame := func(conversation, message, end string) string {
		return `{"conversation":` + conversation + `,"quota":0,"keyword":"","message":"` + message + `","end":` + end + `,"plan":false}` + "\n"
	}
	for name, c := range map[string]struct {
		good   bool
		frames []string
	}{
		"good":              {true, []string{frame("3", "", "false"), frame("0", "x", "false"), frame("0", "", "true")}},
		"an error":          {true, []string{frame("-1", "", "false"), frame("0", "MODEL_ERROR: x", "true")}},
		"no first frame":    {false, []string{frame("0", "x", "false"), frame("0", "", "true")}},
		"two first frames":  {false, []string{frame("3", "", "false"), frame("3", "x", "false"), frame("0", "", "true")}},
		"another order":     {false, []string{strings.Replace(frame("3", "", "false"), `"quota":0,"keyword":""`, `"keyword":"","quota":0`, 1), frame("0", "", "true")}},
		"a missing key":     {false, []string{frame("3", "", "false"), strings.Replace(frame("0", "", "true"), `,"plan":false`, ``, 1)}},
		"no newline":        {false, []string{frame("3", "", "false"), strings.TrimSuffix(frame("0", "", "true"), "\n")}},
		"not escaped":       {false, []string{frame("3", "", "false"), frame("0", "<b>", "false"), frame("0", "", "true")}},
		"a frame too early": {false, []string{frame("0", "", "true")}},
	} {
		rec := &recorder{TB: t}
		u := &ChatnioTurn{c: &Chatnio{}}
		for _, f := range c.frames {
			u.frame(rec, []byte(f))
		}
		if rec.Failed() == c.good {
			t.Errorf("%s: good %v, but reported: %v", name, c.good, rec.errors)
		}
	}
}

func TestRepliesThatBreakTheRulesAreReported(t *testing.T) {
	t.Parallel()
	reply := `{"chat_type":1,"msg_id":"r","ref_msg_id":"m","timestamp":NOW,"sender_type":2,"sender_id":"bot","receiver_id":"u","resp_code":0,"content_type":1,"content":"x"}`
	for name, c := range map[string]struct {
		good     bool
		from, to string
	}{
		"good":            {true, "", ""},
		"silent":          {true, `0,"content_type":1,"content":"x"`, `10,"content_type":1,"content":""`},
		"another ref":     {false, `"m"`, `"n"`},
		"another user":    {false, `"u"`, `"v"`},
		"another agent":   {false, `"bot"`, `"other"`},
		"a group":         {false, `"chat_type":1`, `"chat_type":2`},
		"no code":         {false, `"resp_code":0,`, ``},
		"empty but good":  {false, `"content":"x"`, `"content":""`},
		"an unknown code": {false, `"resp_code":0`, `"resp_code":7`},
	} {
		rec := &recorder{TB: t}
		i := &IAgent{sent: map[string]iagentAsk{"m": {"u", "", "bot"}}, got: map[string]*Reply{}, ids: map[string]bool{}, At: map[string]int{}}
		i.take(rec, []byte(strings.Replace(now(reply), c.from, c.to, 1)))
		if rec.Failed() == c.good {
			t.Errorf("%s: good %v, but reported: %v", name, c.good, rec.errors)
		}
	}
}

func now(s string) string {
	return strings.Replace(s, "NOW", strconv.FormatInt(time.Now().UnixMilli(), 10), 1)
}

func emptyResponse() *http.Response { return &http.Response{Body: http.NoBody} }
