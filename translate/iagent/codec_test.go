package iagent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// asked is the message that the tests answer.
var asked = Message{ChatType: Group, ID: "m-1", Timestamp: 1767225600000, Group: "g9", SenderType: ByUser, Sender: "u7", Receiver: "agent-1", ContentType: Text, Content: "hello"}

const askedFrame = `{"chat_type":2,"msg_id":"m-1","timestamp":1767225600000,"group_id":"g9","sender_type":1,"sender_id":"u7","receiver_id":"agent-1","resp_code":0,"content_type":1,"content":"hello"}`

func TestRepliesBecomeTheEventsOfTheTranscripts(t *testing.T) {
	codectest.Golden(t, func(string) translate.Decoder { return Dialect.NewDecoder(nil) })
}

func TestTheDocumentedMessageIsReadAndWritten(t *testing.T) {
	t.Parallel()
	got, err := DecodeMessage([]byte(askedFrame))
	if err != nil || got != asked {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got := string(AppendMessage(nil, &asked)); got != askedFrame {
		t.Errorf("got %s", got)
	}
	media := Message{ChatType: Private, ID: "r-1", Ref: "m\"1", Timestamp: 5, SenderType: ByAgent, Sender: "a", Code: 10, ContentType: Image, Content: `{"file_ids":["001"]}`}
	want := `{"chat_type":1,"msg_id":"r-1","ref_msg_id":"m\"1","timestamp":5,"sender_type":2,"sender_id":"a","resp_code":10,"content_type":2,"content":"{\"file_ids\":[\"001\"]}"}`
	if got := string(AppendMessage(nil, &media)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestAnIllegalMessageIsRefusedForItsFirstFaultAndEchoed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, word string }{
		{askedFrame, `{`, "JSON object"},
		{askedFrame, `null`, "JSON object"},
		{askedFrame, `[1]`, "JSON object"},
		{askedFrame, `{"type":"ping"}`, "msg_id"},
		{`"msg_id":"m-1"`, `"msg_id":""`, "msg_id is required"},
		{`"msg_id":"m-1"`, `"msg_id":5`, "msg_id must be a string"},
		{`"m-1"`, `"` + strings.Repeat("x", 129) + `"`, "128"},
		{`"chat_type":2`, `"chat_type":3`, "chat_type"},
		{`"chat_type":2`, `"chat_type":"2"`, "chat_type"},
		{`"chat_type":2`, `"chat_type":1.5`, "chat_type"},
		{`"group_id":"g9"`, `"group_id":""`, "group_id is required"},
		{`"group_id":"g9"`, `"group_id":9`, "group_id must be a string"},
		{`"sender_type":1`, `"sender_type":2`, "sender_type"},
		{`"sender_id":"u7"`, `"sender_id":null`, "sender_id is required"},
		{`"receiver_id":"agent-1"`, `"receiver_id":[]`, "receiver_id"},
		{`1767225600000`, `0`, "timestamp"},
		{`1767225600000`, `"1767225600000"`, "timestamp"},
		{`"content_type":1`, `"content_type":5`, "content_type"},
		{`"content":"hello"`, `"content":""`, "content is required"},
		{`"content":"hello"`, `"content":{"x":1}`, "content must be a string"},
		{`"content_type":1`, `"content_type":2`, "file_ids"},
		{`"content_type":1,"content":"hello"`, `"content_type":3,"content":"{\"file_ids\":[]}"`, "file_ids"},
		{`"content_type":1,"content":"hello"`, `"content_type":3,"content":"[1]"`, "file_ids"},
	} {
		frame := strings.Replace(askedFrame, c.from, c.to, 1)
		m, err := DecodeMessage([]byte(frame))
		if err == nil || err.Code != translate.CodeValidation || !strings.Contains(err.Message, c.word) {
			t.Errorf("%s: got %v", frame, err)
			continue
		}
		if !strings.Contains(c.from, "{") && !strings.Contains(c.from, "sender_id") && m.Sender != "u7" {
			t.Errorf("%s: the sender was not read", frame)
		}
		reply := AppendIllegal(nil, Reply(&m, "r-1", 5, "fallback"), err)
		back, bad := DecodeReply(reply)
		if bad != nil || back.Code != CodeIllegal || back.Content != err.Message || back.Sender == "" || back.ChatType == 0 || back.Ref != m.ID {
			t.Errorf("%s: answered with %s", frame, reply)
		}
	}
}

func TestWhatAClientNeedNotSayIsNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, frame := range []string{
		`{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"u","content_type":1,"content":"x"}`,
		`{"chat_type":1,"msg_id":"m","timestamp":1.5,"group_id":null,"sender_type":1,"sender_id":"u","receiver_id":null,"resp_code":"no","content_type":1,"content":"x","more":{}}`,
		`{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"u","content_type":4,"content":"{\"file_id\":7}"}`,
		`{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"u","content_type":2,"content":"{\"file_ids\":[\"001\",\"002\"]}"}`,
	} {
		if m, err := DecodeMessage([]byte(frame)); err != nil || m.Sender != "u" {
			t.Errorf("%s: %+v, %v", frame, m, err)
		}
	}
}

func TestAMessageBecomesARequest(t *testing.T) {
	t.Parallel()
	var got translate.Request
	if err := Dialect.DecodeRequest(&got, []byte(askedFrame)); err != nil {
		t.Fatal(err)
	}
	want := translate.Request{Dialect: "iagent", User: "u7", Group: "g9", Preset: "agent-1",
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hello")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for kind, name := range map[int]string{Image: "image", Voice: "voice", Video: "video"} {
		m := Message{ChatType: Private, Group: "ignored", Sender: "u", ContentType: kind, Content: `{"file_ids":["1"]}`}
		m.Request(&got)
		want := translate.Part{Kind: translate.PartMedia, MediaType: name, Text: m.Content}
		if d := cmp.Diff(want, got.Messages[0].Parts[0]); d != "" || got.Group != "" {
			t.Errorf("%s in group %q", d, got.Group)
		}
	}
	var e *translate.Error
	if err := Dialect.DecodeRequest(&got, []byte(`{}`)); !errors.As(err, &e) || e.Code != translate.CodeValidation {
		t.Errorf("got %v", err)
	}
}

func TestTheMessageThatIsSent(t *testing.T) {
	t.Parallel()
	n := 5
	q := []translate.Message{translate.TextMessage(translate.RoleSystem, "s"), translate.TextMessage(translate.RoleUser, "hi")}
	media := []translate.Message{{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartMedia, MediaType: "voice", Text: `{"file_ids":["1"]}`}}}}
	mixed := []translate.Message{{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartText, Text: "hi"}, media[0].Parts[0]}}}
	for _, c := range []struct {
		req  translate.Request
		want Message
		drop []string
	}{
		{translate.Request{Messages: q[1:], User: "u", Group: "g", Model: "m"},
			Message{ChatType: Group, Group: "g", Sender: "u", Receiver: "m", ContentType: Text, Content: "hi"}, nil},
		{translate.Request{Messages: q, User: "u", Group: "g", Memory: translate.Memory{ID: "dm-1", InSync: true}},
			Message{ChatType: Private, Sender: "dm-1", Receiver: "agent", ContentType: Text, Content: "hi"}, nil},
		{translate.Request{Messages: q, Params: translate.Params{MaxTokens: &n}},
			Message{ChatType: Private, Sender: "dragoman", Receiver: "agent", ContentType: Text, Content: "hi"}, []string{"max_tokens", "history"}},
		{translate.Request{Messages: media},
			Message{ChatType: Private, Sender: "dragoman", Receiver: "agent", ContentType: Voice, Content: `{"file_ids":["1"]}`}, nil},
		{translate.Request{Messages: mixed},
			Message{ChatType: Private, Sender: "dragoman", Receiver: "agent", ContentType: Text, Content: "hi"}, []string{"media"}},
	} {
		frame, err := AppendAsk(nil, &c.req, "m-1", 7, "agent")
		if err != nil {
			t.Error(err)
			continue
		}
		c.want.ID, c.want.Timestamp, c.want.SenderType = "m-1", 7, ByUser
		got, bad := DecodeMessage(frame)
		if d := cmp.Diff(c.want, got); d != "" || bad != nil {
			t.Error(d, bad)
		}
		if d := cmp.Diff(c.drop, c.req.Dropped); d != "" {
			t.Error(d)
		}
	}
	for _, req := range []*translate.Request{{}, {Messages: []translate.Message{translate.TextMessage(translate.RoleUser, " ")}}} {
		if _, err := Dialect.AppendRequest(nil, req); err == nil {
			t.Error("nothing was asked, and sent")
		}
	}
}

func TestRequestsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	codectest.RequestRoundTrip(t, Dialect, &translate.Request{Dialect: "iagent", User: "u", Group: "g", Model: "m",
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "ключ \u2028 😀")}},
		func(req *translate.Request) { req.Model, req.Preset = "", req.Model })
}

func TestAnswersAreOneFrameToWhoeverAsked(t *testing.T) {
	t.Parallel()
	head := `{"chat_type":2,"msg_id":"r-1","ref_msg_id":"m-1","timestamp":9,"group_id":"g9","sender_type":2,"sender_id":"agent-1","receiver_id":"u7","resp_code":`
	text := []translate.Part{{Kind: translate.PartReasoning, Text: "hm"}, {Kind: translate.PartText, Text: "hi there"}}
	e := NewReply(asked, translate.Envelope{ID: "r-1"}, "other", 9)
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{e.AppendWhole(nil, &translate.Answer{Parts: text, Finish: translate.FinishLength}), head + `0,"content_type":1,"content":"hi there"}`},
		{e.AppendWhole(nil, &translate.Answer{Parts: text, Finish: translate.FinishSilent}), head + `10,"content_type":1,"content":""}`},
		{e.AppendWhole(nil, &translate.Answer{Parts: text[:1], Finish: translate.FinishStop}), head + `10,"content_type":1,"content":""}`},
		{e.AppendError(nil, &translate.Error{Code: translate.CodeRateLimited, Retry: 12 * time.Second}, false), head + `50,"content_type":1,"content":"RATE_LIMITED: retry after 12s"}`},
		{e.AppendError(nil, &translate.Error{Code: translate.CodeValidation, Message: "too long"}, true), head + `50,"content_type":1,"content":"VALIDATION_ERROR: too long"}`},
		{e.Append(nil, translate.Event{Kind: translate.KindText, Text: []byte("x")}), ""},
		{e.AppendTail(nil), ""},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

func TestAReplyToAStrangerComesFromTheDefaultAgent(t *testing.T) {
	t.Parallel()
	private := Message{ChatType: Private, ID: "m", Group: "ignored", Sender: "u"}
	got := Reply(&private, "r", 5, "agent-1")
	want := Message{ChatType: Private, ID: "r", Ref: "m", Timestamp: 5, SenderType: ByAgent, Sender: "agent-1", Receiver: "u", ContentType: Text}
	if got != want {
		t.Errorf("got %+v", got)
	}
}

func TestAnswersSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	a := translate.Answer{Finish: translate.FinishStop, Parts: []translate.Part{{Kind: translate.PartText, Text: "Hello\n<b> 😀"}}}
	req := &translate.Request{User: "u", Group: "g", Preset: "p"}
	frame := Dialect.NewEncoder(req, translate.Envelope{ID: "r-1", Created: 5}).AppendWhole(nil, &a)
	want := "start id=r-1\ntext \"Hello\\n<b> 😀\"\nfinish stop\ndone\n"
	if got := codectest.Replay(Dialect.NewDecoder(nil), frame); got != want {
		t.Errorf("got %s", got)
	}
	m, err := DecodeReply(frame)
	if err != nil || m.Group != "g" || m.Receiver != "u" || m.Sender != "p" {
		t.Fatalf("got %+v, %v", m, err)
	}
	evs, err := Dialect.NewDecoder(nil).Decode(nil, frame)
	if err != nil || len(evs) != 3 || string(evs[1].Text) != a.Text() {
		t.Errorf("got %v, %v", evs, err)
	}
}

func TestAReplyIsReadWithEveryTolerance(t *testing.T) {
	t.Parallel()
	got, err := DecodeReply([]byte(`{"chat_type":"2","msg_id":"r","timestamp":"1767225600000","sender_type":2,"resp_code":"10","content_type":2,"content":{"file_id": 7},"more":1}`))
	want := Message{ChatType: Group, ID: "r", Timestamp: 1767225600000, SenderType: ByAgent, Code: 10, ContentType: Image, Content: `{"file_id":7}`}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, frame := range []string{``, `[]`, `"x"`, `{"a"`} {
		var e *translate.Error
		if _, err := DecodeReply([]byte(frame)); !errors.As(err, &e) || e.Fault != translate.FaultBroken {
			t.Errorf("%q: %v", frame, err)
		}
	}
}
