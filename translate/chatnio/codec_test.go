package chatnio

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestServerFramesBecomeTheEventsOfTheTranscripts(t *testing.T) {
	codectest.Golden(t, func(name string) translate.Decoder {
		return &Decoder{ExpectSigned: name == "signed-refused"}
	})
}

func TestTheFirstFrameIsReadInEveryForm(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]Auth{
		`{"token":"sk-1","id":-1}`:                                  {Token: "sk-1", ID: -1},
		`{"token":" Bearer  sk-1 ","id":7}`:                         {Token: "sk-1", ID: 7},
		`{"token":"bearer a.b.c","id":"7"}`:                         {Token: "a.b.c", ID: 7},
		`{"token":"sk-1","id":-1.0,"ref":"abc"}`:                    {Token: "sk-1", ID: -1, Ref: "abc"},
		`{"token":"sk-1","id":" 12 ","more":[1]}`:                   {Token: "sk-1", ID: 12},
		`{"token":"sk-1","id":null}`:                                {Token: "sk-1", ID: -1},
		`{"token":"sk-1","id":""}`:                                  {Token: "sk-1", ID: -1},
		`{}`:                                                        {ID: -1},
		`{"token":null}`:                                            {ID: -1},
		`{"token":"anonymous","id":-1}`:                             {ID: -1},
		`{"token":"Bearer anonymous","id":0}`:                       {ID: 0},
		`{"token":"{\"token\":\"sk-1\",\"id\":-1}"}`:                {Token: "sk-1", ID: -1},
		`{"token":"{\"token\":\"Bearer sk-1\",\"id\":\"5\"}"}`:      {Token: "sk-1", ID: 5},
		`{"token":"{\"token\":\"sk-1\",\"id\":5}","id":9}`:          {Token: "sk-1", ID: 9},
		`{"token":{"token":"sk-1","id":3,"ref":"r"}}`:               {Token: "sk-1", ID: 3, Ref: "r"},
		`{"token":12345678901234567890}`:                            {Token: "12345678901234567890", ID: -1},
		`{"token":"sk-1","id":1,"ref":5}`:                           {Token: "sk-1", ID: 1},
		`{"type":"chat","message":"hi","model":"m"}`:                {ID: -1, Chat: true},
		`{"type":"restart"}`:                                        {ID: -1, Chat: true},
		`{"token":"sk-1","id":"abc"}`:                               {Token: "sk-1", ID: -1},
		`{"token":"sk-1","id":1.5}`:                                 {Token: "sk-1", ID: -1},
		`{"token":"sk-1","id":{},"ref":"r"}`:                        {Token: "sk-1", ID: -1, Ref: "r"},
		`{"id":true}`:                                               {ID: -1},
		`{"id":1e300}`:                                              {ID: -1},
		`{"id":"NaN"}`:                                              {ID: -1},
		`{"token":"sk-1","message":null}`:                           {Token: "sk-1", ID: -1},
		" \n{\"token\":\"{not json\",\"id\":9007199254740993}\r\n ": {Token: "{not json", ID: 9007199254740993},
	} {
		got, err := DecodeAuth([]byte(frame))
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", frame, got, err, want)
		}
	}
}

func TestAFirstFrameThatCannotBeOneIsRefused(t *testing.T) {
	t.Parallel()
	for _, frame := range []string{``, `hello`, `[1]`, `null`, `"x"`} {
		_, err := DecodeAuth([]byte(frame))
		if !codectest.IsValidation(err) {
			t.Errorf("%s: got %v", frame, err)
		}
	}
}

func TestTheFirstFrameThatIsSentIsRead(t *testing.T) {
	t.Parallel()
	got := string(AppendAuth(nil, `sk-"1`, 5))
	if want := `{"token":"sk-\"1","id":5}`; got != want {
		t.Fatalf("got %s", got)
	}
	if a, err := DecodeAuth(AppendAuth(nil, "", -1)); err != nil || a != (Auth{ID: -1}) {
		t.Fatalf("got %+v, %v", a, err)
	}
}

func TestAChatFrameBecomesARequest(t *testing.T) {
	t.Parallel()
	n, f := 100, 0.5
	for frame, want := range map[string]translate.Request{
		`{"type":"chat","message":"hi","web":false,"model":"m","ignore_context":false}`: {Model: "m", Context: 8},
		`{"message":"hi"}`: {Context: 8},
		`{"type":"","message":"hi","model":null,"web":"true","context":"12","max_tokens":"100","temperature":"0.5","top_k":100.0,"think":{"x":1}}`: {Web: true, Context: 12, Params: translate.Params{MaxTokens: &n, Temperature: &f, TopK: &n}},
		`{"message":"hi","web":1,"context":-3,"top_p":0.5,"presence_penalty":0.5,"frequency_penalty":0.5,"repetition_penalty":0.5}`:                {Web: true, Context: 8, Params: translate.Params{TopP: &f, PresencePenalty: &f, FrequencyPenalty: &f, RepetitionPenalty: &f}},
		`{"message":"hi","ignore_context":"1","context":20}`: {Context: 1},
	} {
		want.Dialect, want.Stream = "chatnio", true
		want.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}
		var got translate.Request
		if err := Dialect.DecodeRequest(&got, []byte(frame)); err != nil {
			t.Errorf("%s: %v", frame, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", frame, d)
		}
	}
}

func TestABadChatFrameIsAValidationErrorThatNamesTheField(t *testing.T) {
	t.Parallel()
	codectest.Invalid(t, Dialect, map[string]string{
		`{"type":"chat","message":""}`:           "message is empty",
		`{"model":"m"}`:                          "message is empty",
		`{"message":5}`:                          "message",
		`{"message":"x","web":"maybe"}`:          "web",
		`{"message":"x","web":[]}`:               "web",
		`{"message":"x","model":{}}`:             "model",
		`{"message":"x","context":"many"}`:       "context",
		`{"message":"x","context":1.5}`:          "context",
		`{"message":"x","max_tokens":1e18}`:      "max_tokens",
		`{"message":"x","temperature":true}`:     "temperature",
		`{"message":"x","temperature":"NaN"}`:    "temperature",
		`{"message":"x","ignore_context":"yes"}`: "ignore_context",
		`{"type":7,"message":"x"}`:               "type",
		`{"type":"stop","message":"x"}`:          "not a chat frame",
		`{"type":"restart"}`:                     "not a chat frame",
		`{oops`:                                  "JSON",
		`[]`:                                     "JSON",
		`null`:                                   "JSON",
	})
}

func TestFramesOfOtherTypesAreReadByTheirType(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]Frame{
		`{"type":"stop","message":7,"model":[]}`:              {Type: TypeStop},
		`{"type":"mcp","message":{},"web":{}}`:                {Type: "mcp"},
		`{"type":"edit","message":"1:new: text","model":"e"}`: {Type: TypeEdit, Message: "1:new: text"},
		`{"type":"restart","message":"","model":"m"}`:         {Type: TypeRestart, Model: "m"},
	} {
		if got, err := DecodeFrame([]byte(frame)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: got %+v, %v", frame, got, err)
		}
	}
	f, err := DecodeFrame([]byte(`{"type":"mask","message":["x"]}`))
	if !codectest.IsValidation(err) || f.Type != TypeMask {
		t.Errorf("a bad mask: %+v, %v", f, err)
	}
	if !IsPing([]byte(`{"type":"ping"}`)) || IsPing([]byte(`{"type": "ping"}`)) {
		t.Error("only the 15 bytes are a ping")
	}
}

func TestEditAndRemoveAreSplit(t *testing.T) {
	t.Parallel()
	if i, text, ok := (&Frame{Message: "12:new: text"}).Edit(); i != 12 || text != "new: text" || !ok {
		t.Errorf("got %d, %q, %v", i, text, ok)
	}
	for _, s := range []string{"", "12", "x:y", "-1:y", ":y"} {
		if _, _, ok := (&Frame{Message: s}).Edit(); ok {
			t.Errorf("%q was taken for an edit", s)
		}
	}
	if i, ok := (&Frame{Message: " 3 "}).Remove(); i != 3 || !ok {
		t.Errorf("got %d, %v", i, ok)
	}
	if _, ok := (&Frame{Message: "last"}).Remove(); ok {
		t.Error("a word was taken for an index")
	}
}

func TestTheChatFrameThatIsSent(t *testing.T) {
	t.Parallel()
	n, f, seed := 64, 0.7, int64(1)
	req := &translate.Request{
		Model: "m<x>", Web: true, Tools: []translate.Tool{{Name: "t"}},
		Params: translate.Params{MaxTokens: &n, Temperature: &f, Seed: &seed, Stop: []string{"."}},
		Messages: []translate.Message{
			translate.TextMessage(translate.RoleSystem, "s"),
			{Role: translate.RoleUser, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "look\nhere"},
				{Kind: translate.PartImage, URL: "https://x.example/a.png"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "QUJD"},
			}},
		},
	}
	got, err := Dialect.AppendRequest([]byte("x"), req)
	want := `x{"type":"chat","message":"look\nhere\nhttps://x.example/a.png\ndata:image/png;base64,QUJD","web":true,"model":"m<x>","context":2,"max_tokens":64,"temperature":0.7}`
	if err != nil || string(got) != want {
		t.Fatalf("got %s, %v", got, err)
	}
	if d := cmp.Diff([]string{"tools", "seed", "stop"}, req.Dropped); d != "" {
		t.Error(d)
	}
	for _, req := range []*translate.Request{{}, {Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "")}}} {
		if _, err := Dialect.AppendRequest(nil, req); !codectest.IsValidation(err) {
			t.Errorf("an empty message: %v", err)
		}
	}
}

func TestAMaskCarriesTheHistoryAsText(t *testing.T) {
	t.Parallel()
	msgs := []translate.Message{
		translate.TextMessage(translate.RoleSystem, "be <brief>"),
		translate.TextMessage(translate.RoleUser, "2\"?"),
		{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "hm"}, {Kind: translate.PartToolCall, Name: "add", Args: `{"a":1}`}}},
		{Role: translate.RoleTool, Parts: []translate.Part{{Kind: translate.PartToolResult, Text: "2"}}},
		{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "only"}}},
	}
	frame, err := DecodeFrame(AppendMask(nil, msgs))
	if err != nil || frame.Type != TypeMask {
		t.Fatalf("got %+v, %v", frame, err)
	}
	got, ok := frame.Mask()
	want := []translate.Message{
		msgs[0], msgs[1],
		translate.TextMessage(translate.RoleAssistant, `[tool call add {"a":1}]`),
		translate.TextMessage(translate.RoleUser, "[tool result] 2"),
	}
	if d := cmp.Diff(want, got); !ok || d != "" {
		t.Error(d)
	}
	for _, s := range []string{"", "x", `{"role":"user"}`, `[{"role":"user","content":5}]`} {
		if _, ok := (&Frame{Message: s}).Mask(); ok {
			t.Errorf("%q was taken for a mask", s)
		}
	}
}

func TestRequestsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	n, f := 5, 1e-7
	codectest.RequestRoundTrip(t, Dialect, &translate.Request{
		Dialect: "chatnio", Model: "m", Stream: true, Web: true, Context: 1,
		Params:   translate.Params{MaxTokens: &n, TopK: &n, Temperature: &f, TopP: &f, PresencePenalty: &f, FrequencyPenalty: &f, RepetitionPenalty: &f},
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "ключ \u2028 \"<&>\" 😀")},
	}, nil)
}

func TestFramesAreThoseOfTheRealServer(t *testing.T) {
	t.Parallel()
	e := NewEncoder(&translate.Request{Model: "m"}, translate.Envelope{Number: 3})
	e.Quota = 0.016
	finish := translate.Event{Kind: translate.KindFinish, Finish: translate.FinishLength}
	for _, step := range []struct{ got, want string }{
		{string(AppendFirst(nil, 3, "a<b")), `{"conversation":3,"quota":0,"keyword":"a\u003cb","message":"","end":false,"plan":false}` + "\n"},
		{string(e.Append(nil, translate.Event{Kind: translate.KindStart, ID: []byte("x")})), ""},
		{string(e.Append(nil, codectest.Text("<b>&\u2028"))), `{"conversation":0,"quota":0.016,"keyword":"","message":"\u003cb\u003e\u0026\u2028","end":false,"plan":false}` + "\n"},
		{string(e.Append(nil, codectest.Text(""))), ""},
		{string(e.Append(nil, translate.Event{Kind: translate.KindReasoning, Text: []byte("hm")})), ""},
		{string(e.Append(nil, translate.Event{Kind: translate.KindToolStart, Name: []byte("f")})), ""},
		{string(e.Append(nil, translate.Event{Kind: translate.KindKeyword, Text: []byte("go")})), `{"conversation":0,"quota":0.016,"keyword":"go","message":"","end":false,"plan":false}` + "\n"},
		{string(e.Append(nil, translate.Event{Kind: translate.KindKeyword})), ""},
		{string(e.Append(nil, finish)), ""},
		{string(e.AppendTail([]byte("x"))), `x{"conversation":0,"quota":0.016,"keyword":"","message":"","end":true,"plan":false}` + "\n"},
	} {
		if step.got != step.want {
			t.Errorf("got %q, want %q", step.got, step.want)
		}
	}
}

func TestQuotaHasTheDigitsOfAFloat32(t *testing.T) {
	t.Parallel()
	for _, q := range []float32{0, 0.016, 0.027500002, 100, 1e-7, 1.5e-10, 1e21, -14} {
		want, _ := json.Marshal(q)
		if got := appendQuota(nil, q); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestARuneThatCameInTwoPiecesIsSentInOne(t *testing.T) {
	t.Parallel()
	codectest.Runes(t, func() translate.Encoder { return NewEncoder(&translate.Request{}, translate.Envelope{}) }, func(frame []byte) (string, bool) {
		var f struct {
			Message string
			End     bool
		}
		if err := json.Unmarshal(frame, &f); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		return f.Message, !f.End
	})
}

func TestErrorsEndTheTurnWithTheTextOfTheRealServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  translate.Error
		want string
	}{
		{translate.Error{Code: translate.CodeUnauthorized}, "not authenticated error (model: m)"},
		{translate.Error{Code: translate.CodeTokenExpired}, "not authenticated error (model: m)"},
		{translate.Error{Code: translate.CodeModelNotFound}, "the price of the model is not set (model: m)"},
		{translate.Error{Code: translate.CodePermission}, "cannot find channel for model m"},
		{translate.Error{Code: translate.CodeUnavailable, Message: "a is closed"}, "cannot find channel for model m (CHANNEL_UNAVAILABLE: a is closed)"},
		{translate.Error{Code: translate.CodeRateLimited, Message: "too many", Retry: 3 * time.Second}, "RATE_LIMITED: too many; retry after 3s"},
		{translate.Error{Code: translate.CodeModel, Timeout: true}, "MODEL_ERROR: timeout"},
		{translate.Error{Code: translate.CodeValidation, Message: "message is empty"}, "VALIDATION_ERROR: message is empty"},
	} {
		for _, started := range []bool{false, true} {
			e := NewEncoder(&translate.Request{Model: "m"}, translate.Envelope{})
			e.Quota = 5
			got := e.AppendError(nil, &c.err, started)
			var frame struct {
				Quota   float64
				Message string
				End     bool
			}
			if err := json.Unmarshal(got, &frame); err != nil || frame.Message != c.want || !frame.End || frame.Quota != 0 || !strings.HasSuffix(string(got), "}\n") {
				t.Errorf("got %s, %v", got, err)
			}
		}
	}
}

func TestAnswersSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	a := translate.Answer{Keyword: "go", Finish: translate.FinishStop, Parts: []translate.Part{{Kind: translate.PartText, Text: "Hello\n<b>"}}}
	body := NewEncoder(&translate.Request{}, translate.Envelope{Number: 12}).AppendWhole(nil, &a)
	got := codectest.ReplayWhole(NewDecoder(nil), 200, body)
	if want := "start id=12\nkeyword \"go\"\ntext \"Hello\\n<b>\"\nfinish stop\ndone\n"; got != want {
		t.Fatalf("got %s", got)
	}
}

func TestWhatIsNoFrameOfATurnIsUnderstood(t *testing.T) {
	t.Parallel()
	const (
		first = `{"conversation":3,"quota":0,"message":"","end":false}`
		text  = `{"conversation":0,"quota":0,"message":"hi","end":false}`
		last  = `{"conversation":0,"quota":0,"message":"","end":true}`
	)
	for name, c := range map[string]struct {
		frames []string
		text   string
		fault  translate.Fault // 0: it ends well
	}{
		"all in one message":             {[]string{first + "\n" + text + "\n" + last + "\n"}, "hi", 0},
		"two in one message":             {[]string{first + "\r\n" + text, last}, "hi", 0},
		"an error in place of a turn":    {[]string{`{"error":"rate limited","status":false,"message":"x"}`}, "", translate.FaultBusy},
		"a throttle":                     {[]string{`{"error":{"message":"slow down","type":"rate_limit_error"}}`}, "", translate.FaultBusy},
		"an error amid a turn":           {[]string{first, text, `{"error":"gone","status":false}`}, "hi", translate.FaultBroken},
		"a refused key":                  {[]string{`{"code":401,"message":"Access denied. Please provide correct api key."}`}, "", translate.FaultDenied},
		"news that are no error":         {[]string{`{"type":"pong"}`, `{"status":true,"message":""}`, first, text, last}, "hi", 0},
		"an error beside a frame's end":  {[]string{first, `{"conversation":0,"message":"hi","end":false,"error":""}`, last}, "hi", 0},
		"what follows an error is quiet": {[]string{first, `{"error":"gone"}`, last}, "", translate.FaultBroken},
	} {
		d := NewDecoder(nil)
		var a translate.Answer
		var failed *translate.Error
		for _, f := range c.frames {
			evs, err := d.Decode(nil, []byte(f))
			for _, ev := range evs {
				a.Add(ev)
			}
			if err != nil {
				failed = codectest.MustBeTyped(t, err)
			}
		}
		a.Settle()
		switch {
		case a.Text() != c.text, !d.Done():
			t.Errorf("%s: %q, done %v", name, a.Text(), d.Done())
		case failed == nil && (c.fault != 0 || a.Finish != translate.FinishStop), failed != nil && failed.Fault != c.fault:
			t.Errorf("%s: %v, finish %v, want fault %v", name, failed, a.Finish, c.fault)
		}
	}
}

func TestTheDecoderReportsTheLatestCost(t *testing.T) {
	t.Parallel()
	d := NewDecoder(nil)
	codectest.Replay(d,
		[]byte(`{"conversation":3,"quota":0,"message":"","end":false}`),
		[]byte(`{"conversation":0,"quota":0.5,"message":"x","end":false}`),
		[]byte(`{"conversation":0,"quota":-14,"message":"failed","end":true}`))
	if d.Quota() != 0.5 {
		t.Errorf("got %v", d.Quota())
	}
}

func TestCallsAnswerLikeTheRealServerOrBetter(t *testing.T) {
	t.Parallel()
	c := Conversation{UserID: 2, ID: 18, Name: "hi", Model: "m", Messages: []translate.Message{
		translate.TextMessage(translate.RoleUser, "hi"), {Role: translate.RoleAssistant}}}
	for _, step := range []struct{ got, want string }{
		{string(AppendList(nil, nil)), `{"data":[],"message":"","status":true}`},
		{string(AppendList(nil, []Conversation{c, {ID: 1, EnableWeb: true}})), `{"data":[{"auth":false,"user_id":2,"id":18,"name":"hi","message":null,"model":"m","enable_web":false,"shared":false,"context":0},` +
			`{"auth":false,"user_id":0,"id":1,"name":"","message":null,"model":"","enable_web":true,"shared":false,"context":0}],"message":"","status":true}`},
		{string(AppendConversation(nil, &c)), `{"data":{"auth":false,"user_id":2,"id":18,"name":"hi","message":[{"role":"user","content":"hi"},{"role":"assistant","content":""}],"model":"m","enable_web":false,"shared":false,"context":0},"message":"","status":true}`},
		{string(AppendOK(nil)), `{"message":"","status":true}`},
		{string(AppendData(nil, []byte(`"h"`))), `{"data":"h","message":"","status":true}`},
		{string(AppendFail(nil, "a<b")), `{"error":"a\u003cb","message":"a\u003cb","status":false}`},
		{string(AppendDenied(nil)), `{"code":401,"message":"Access denied. Please provide correct api key."}`},
		{string(AppendView(nil, &View{User: "u", Name: "n", Model: "m", At: 1700000000123})), `{"data":{"username":"u","name":"n","messages":[],"model":"m","time":"2023-11-14T22:13:20Z"},"message":"","status":true}`},
		{string(AppendShares(nil, []Share{{Name: "n", ID: 4, At: 0, Hash: "h"}})), `{"data":[{"name":"n","conversation_id":4,"time":"1970-01-01T00:00:00Z","hash":"h"}],"message":"","status":true}`},
	} {
		if step.got != step.want {
			t.Errorf("got  %s\nwant %s", step.got, step.want)
		}
		if !json.Valid([]byte(step.got)) {
			t.Errorf("not JSON: %s", step.got)
		}
	}
}

func TestBodiesOfCallsAreRead(t *testing.T) {
	t.Parallel()
	if id, name, err := DecodeRename([]byte(`{"id":"7","name":"x"}`)); id != 7 || name != "x" || err != nil {
		t.Errorf("got %d, %q, %v", id, name, err)
	}
	if id, refs, err := DecodeShare([]byte(`{"id":7,"refs":[-1]}`)); id != 7 || len(refs) != 1 || err != nil {
		t.Errorf("got %d, %v, %v", id, refs, err)
	}
	for _, body := range []string{``, `[]`, `{}`, `{"id":7}`, `{"name":"x"}`, `{"id":"x","name":"x"}`} {
		if _, _, err := DecodeRename([]byte(body)); !codectest.IsValidation(err) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, _, err := DecodeShare([]byte(`{"refs":[1]}`)); !codectest.IsValidation(err) {
		t.Errorf("a share of nothing: %v", err)
	}
}

func TestReasoningBeforeTheQuestionIsNamedAsDropped(t *testing.T) {
	t.Parallel()
	for _, inSync := range []bool{false, true} {
		req := translate.Request{Model: "m", Memory: translate.Memory{ID: "r", InSync: inSync}, Messages: []translate.Message{
			{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "Hm."}, {Kind: translate.PartText, Text: "A cat."}}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		}}
		if _, err := AppendRequest(nil, &req); err != nil {
			t.Fatal(err)
		}
		if named := len(req.Dropped) == 1 && req.Dropped[0] == "reasoning"; named == inSync {
			t.Errorf("in sync %v: dropped %v", inSync, req.Dropped)
		}
	}
}
