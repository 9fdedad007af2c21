package rest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAnswersBecomeTheEventsOfTheTranscripts(t *testing.T) {
	codectest.Golden(t, func(string) translate.Decoder { return Dialect.NewDecoder(nil) })
}

func TestAQuestionIsReadInEveryForm(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Ask{
		`{"message":"hi","userId":"7"}`:                                                       {Message: "hi", User: "7"},
		`{"message":" hi\n","userId":7,"groupId":99,"preset":"p","stream":true}`:              {Message: " hi\n", User: "7", Group: "99", Preset: "p"},
		`{"message":"hi","userId":12345678901234567890,"groupId":null,"preset":null}`:         {Message: "hi", User: "12345678901234567890"},
		`{"message":"hi","userId":1e3,"groupId":""}`:                                          {Message: "hi", User: "1000"},
		`{"message":"hi","userId":"7","presetId":"q"}`:                                        {Message: "hi", User: "7", Preset: "q"},
		`{"message":"hi","userId":"7","preset":"p","presetId":"q","conversationId":"conv_1"}`: {Message: "hi", User: "7", Preset: "p", Conversation: "conv_1"},
		" {\"message\":\"hi\",\"userId\":-5}\n":                                               {Message: "hi", User: "-5"},
	} {
		if got, err := DecodeAsk([]byte(body)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
}

func TestABadQuestionIsAValidationErrorThatNamesTheField(t *testing.T) {
	t.Parallel()
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `[]`: "JSON", `null`: "JSON", `"x"`: "JSON", `{"message":"hi","userId":"7"`: "JSON",
		`{"message":"hi","userId":"7"} x`:                      "JSON",
		`{"message":"hi","userId":"7",}`:                       "JSON",
		`{"userId":"7"}`:                                       "message is required",
		`{"message":" \n","userId":"7"}`:                       "message is required",
		`{"message":5,"userId":"7"}`:                           "message must be a string",
		`{"message":"hi"}`:                                     "userId is required",
		`{"message":"hi","userId":""}`:                         "userId is required",
		`{"message":"hi","userId":1.5}`:                        "userId must be a string",
		`{"message":"hi","userId":1e300}`:                      "userId must be a string",
		`{"message":"hi","userId":true}`:                       "userId must be a string",
		`{"message":"hi","userId":"7","groupId":[]}`:           "groupId",
		`{"message":"hi","userId":"7","preset":5}`:             "preset",
		`{"message":"hi","userId":"7","presetId":{}}`:          "presetId",
		`{"message":"hi","userId":"7","conversationId":["x"]}`: "conversationId",
	})
}

func TestTheQuestionThatIsSent(t *testing.T) {
	t.Parallel()
	n := 5
	history := []translate.Message{translate.TextMessage(translate.RoleSystem, "s"), translate.TextMessage(translate.RoleUser, "hi \"<x>\"")}
	for _, c := range []struct {
		req  translate.Request
		want string
		drop []string
	}{
		{translate.Request{Messages: history[1:], Model: "m", User: "u", Group: "g"},
			`{"message":"hi \"<x>\"","userId":"u","groupId":"g","preset":"m"}`, nil},
		{translate.Request{Messages: history, Model: "m", User: "u", Group: "g", Memory: translate.Memory{ID: "dm-1", InSync: true}},
			`{"message":"hi \"<x>\"","userId":"dm-1","preset":"m"}`, nil},
		{translate.Request{Messages: history, Params: translate.Params{MaxTokens: &n}, Web: true},
			`{"message":"hi \"<x>\"","userId":"dragoman"}`, []string{"max_tokens", "web", "history"}},
	} {
		got, err := Dialect.AppendRequest(nil, &c.req)
		if err != nil || string(got) != c.want {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
		if d := cmp.Diff(c.drop, c.req.Dropped); d != "" {
			t.Error(d)
		}
	}
	if _, err := Dialect.AppendRequest(nil, &translate.Request{}); err == nil {
		t.Error("nothing was asked, and sent")
	}
}

func TestRequestsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	codectest.RequestRoundTrip(t, Dialect, &translate.Request{Dialect: "rest", User: "u", Group: "g", Model: "m",
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "ключ \u2028 😀")}},
		func(req *translate.Request) { req.Model, req.Preset = "", req.Model })
}

func TestEventsAreFramedAsDocumented(t *testing.T) {
	t.Parallel()
	e := Dialect.NewEncoder(nil, translate.Envelope{Talk: func() string { return "conv_1" }})
	steps := []struct {
		ev   translate.Event
		want string
	}{
		{translate.Event{Kind: translate.KindReasoning, Text: []byte("hm")}, ""},
		{codectest.Text("I'm <"), `data: {"type":"start","conversationId":"conv_1"}` + "\n\n" + `data: {"type":"content","text":"I'm <"}` + "\n\n"},
		{translate.Event{Kind: translate.KindStart, ID: []byte("remote"), Usage: translate.Usage{Input: 5}}, ""},
		{codectest.Text(""), ""},
		{codectest.Text("a\n"), `data: {"type":"content","text":"a\n"}` + "\n\n"},
		{translate.Event{Kind: translate.KindToolStart, Name: []byte("f")}, ""},
		{translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop}, ""},
		{translate.Event{Kind: translate.KindUsage, Usage: translate.Usage{Input: 5, Output: 3}}, ""},
	}
	for _, s := range steps {
		if got := string(e.Append(nil, s.ev)); got != s.want {
			t.Errorf("got %q, want %q", got, s.want)
		}
	}
	want := `data: {"type":"end","usage":{"promptTokens":5,"completionTokens":3,"totalTokens":8}}` + "\n\n"
	if got := string(e.AppendTail(nil)); got != want {
		t.Errorf("got %q", got)
	}
}

func TestTheStartIsWrittenOnceAndAlways(t *testing.T) {
	t.Parallel()
	start := `data: {"type":"start","conversationId":"c"}` + "\n\n"
	e := Dialect.NewEncoder(nil, translate.Envelope{Talk: func() string { return "c" }})
	if got := string(e.Append(nil, translate.Event{Kind: translate.KindStart})); got != start {
		t.Errorf("got %q", got)
	}
	if got := string(e.Append(nil, translate.Event{Kind: translate.KindStart})); got != "" {
		t.Errorf("a second start: %q", got)
	}
	e = Dialect.NewEncoder(nil, translate.Envelope{Talk: func() string { return "c" }})
	want := start + `data: {"type":"end","usage":{"promptTokens":0,"completionTokens":0,"totalTokens":0}}` + "\n\n"
	if got := string(e.AppendTail(e.Append(nil, translate.Event{Kind: translate.KindFinish}))); got != want {
		t.Errorf("an empty answer: %q", got)
	}
}

func TestARuneThatCameInTwoPiecesIsSentInOne(t *testing.T) {
	t.Parallel()
	codectest.Runes(t, func() translate.Encoder { return Dialect.NewEncoder(nil, translate.Envelope{}) }, func(frame []byte) (string, bool) {
		var ev struct{ Type, Text string }
		if err := json.Unmarshal(frame, &ev); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		return ev.Text, ev.Type == "content"
	})
}

func TestErrorsAreWrittenAsAnEnvelopeOrAsAnEvent(t *testing.T) {
	t.Parallel()
	secret := &translate.Refusal{Status: 413, Message: "sk-secret at https://host.example"}
	for _, c := range []struct {
		err  translate.Error
		want string
	}{
		{translate.Error{Code: translate.CodeRateLimited, Message: "slow \"down\"", Retry: time.Second}, `"error":"slow \"down\"","code":"RATE_LIMITED"`},
		{translate.Error{Code: translate.CodeModel, Timeout: true, Message: "late"}, `"error":"late","code":"MODEL_ERROR","details":{"reason":"timeout"}`},
		{translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "refused", Upstream: secret}, `"error":"refused","code":"MODEL_ERROR","details":{"status":413}`},
		{translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultDenied, Message: "none", Upstream: secret}, `"error":"none","code":"CHANNEL_UNAVAILABLE"`},
		{translate.Error{Code: translate.CodeInternal}, `"error":"INTERNAL_ERROR","code":"INTERNAL_ERROR"`},
	} {
		e := Dialect.NewEncoder(nil, translate.Envelope{})
		if got, want := string(e.AppendError(nil, &c.err, false)), `{"success":false,`+c.want+`}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := string(e.AppendError(nil, &c.err, true)), `data: {"type":"error",`+c.want+"}\n\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	got := string(AppendUnknownPath(nil, &translate.Error{Code: translate.CodeNotFound, Message: "no such path"}))
	if want := `{"success":false,"error":"no such path","code":"NOT_FOUND","status":false,"message":"no such path"}`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestErrorsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []*translate.Error{
		translate.FromStatus(429, translate.Refusal{}, 0),
		translate.FromStatus(504, translate.Refusal{}, 0),
		translate.FromStatus(413, translate.Refusal{}, 0),
		translate.Broken("it broke", nil),
		{Code: translate.CodeUnavailable, Fault: translate.FaultBroken, Message: "none"},
	} {
		body := Dialect.NewEncoder(nil, translate.Envelope{}).AppendError(nil, want, false)
		_, err := Dialect.NewDecoder(nil).DecodeWhole(nil, want.Status(), body)
		var got *translate.Error
		if !errors.As(err, &got) || got.Code != want.Code || got.Fault != want.Fault || got.Timeout != want.Timeout || got.Status() != want.Status() {
			t.Errorf("%v became %v", want, err)
		}
	}
}

func TestAnswersSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	a := translate.Answer{ID: "remote", Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "hm"}, {Kind: translate.PartText, Text: "Hello\n<b>"}},
		Usage: translate.Usage{Input: 4, Output: 2}}
	body := Dialect.NewEncoder(nil, translate.Envelope{Talk: func() string { return "conv_1" }}).AppendWhole(nil, &a)
	want := `{"success":true,"data":{"response":"Hello\n<b>","conversationId":"conv_1","usage":{"promptTokens":4,"completionTokens":2,"totalTokens":6}}}`
	if string(body) != want {
		t.Errorf("got %s", body)
	}
	got := codectest.ReplayWhole(Dialect.NewDecoder(nil), 200, body)
	if want := "start id=conv_1\ntext \"Hello\\n<b>\"\nfinish stop in=4 out=2\ndone\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestListsAnswerAsDocumented(t *testing.T) {
	t.Parallel()
	for _, step := range []struct{ got, want string }{
		{string(AppendList(nil, nil, 0)), `{"success":true,"data":{"conversations":[],"total":0}}`},
		{string(AppendList(nil, []Item{{ID: "conv_1", User: "u", Group: "g", Count: 2, LastMessage: "hi", Updated: 1767225600000}, {ID: "conv_2"}}, 9)),
			`{"success":true,"data":{"conversations":[{"id":"conv_1","userId":"u","groupId":"g","messageCount":2,"lastMessage":"hi","updatedAt":1767225600000},` +
				`{"id":"conv_2","userId":"","messageCount":0,"lastMessage":"","updatedAt":0}],"total":9}}`},
		{string(AppendConversation(nil, "c", nil)), `{"success":true,"data":{"id":"c","messages":[]}}`},
		{string(AppendConversation(nil, "c", []Entry{{Role: translate.RoleSystem, Content: "s"}, {Role: translate.RoleUser, Content: "a\"", At: 1}, {Role: translate.RoleAssistant, Content: "b", At: 2}})),
			`{"success":true,"data":{"id":"c","messages":[{"role":"user","content":"a\"","timestamp":1},{"role":"assistant","content":"b","timestamp":2}]}}`},
		{string(AppendOK(nil)), `{"success":true}`},
		{string(AppendCleared(nil)), `{"success":true,"message":"Context cleared"}`},
	} {
		if step.got != step.want {
			t.Errorf("got  %s\nwant %s", step.got, step.want)
		}
	}
}

func TestAnExcerptCountsCharacters(t *testing.T) {
	t.Parallel()
	if got := Excerpt(strings.Repeat("你", 101)); got != strings.Repeat("你", 100) {
		t.Errorf("got %d bytes", len(got))
	}
	if got := Excerpt("short"); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestEventsThatSayNothingAndOtherEndMarksAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, frames := range map[string][]string{
		"harmless":            {"ping", "null", `"ping"`, "[]", "17644", `{"text":"x"}`, "heartbeat", `{"type":"end"}`},
		"a small end mark":    {`{"text":"x"}`, "[done]"},
		"an end mark quoted":  {`{"text":"x"}`, `"[DONE]"`},
		"without brackets":    {`{"text":"x"}`, "DONE"},
		"harmless lines":      {"ping\n{\"text\":\"x\"}\nnull\n[done]"},
		"errors that are not": {`{"error":null,"text":"x"}`, `{"error":{},"text":""}`, `{"error":[]}`, `{"error":"","type":"end"}`},
	} {
		d, text, ended := Dialect.NewDecoder(&translate.Request{}), "", false
		for _, f := range frames {
			evs, err := d.Decode(nil, []byte(f))
			if err != nil {
				t.Errorf("%s: %q: %v", name, f, err)
			}
			for _, ev := range evs {
				text += string(ev.Text)
				ended = ended || ev.Kind == translate.KindFinish
			}
		}
		if text != "x" || !ended || !d.Done() {
			t.Errorf("%s: %q, ended %v", name, text, ended)
		}
	}
}
