package front_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
)

// oneMore has one character more than most, and three bytes for each.
func oneMore(most int) string { return strings.Repeat("中", most+1) }

// named are questions that name something with all the characters that it may have; one
// more, and the answer is want. param is what openai's says is at fault.
var named = []struct {
	name, path, body string // NAME in the body, or in the path, is what is named
	most             int
	status           int
	want             string
}{
	{"a user", "/api/chat", `{"message":"hi","userId":"NAME"}`, 256, 400, `userId must have at most 256 characters`},
	{"a user with an escape", "/api/chat", `{"message":"hi","userId":"\u4e2dNAME"}`, 255, 400, `userId must have at most 256 characters`},
	{"a group", "/api/chat", `{"message":"hi","userId":"u","groupId":"NAME"}`, 256, 400, `groupId must have at most 256 characters`},
	{"a preset", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"NAME"}`, 256, 400, `preset must have at most 256 characters`},
	{"a preset by its other name", "/api/chat/stream", `{"message":"hi","userId":"u","presetId":"NAME"}`, 256, 400, `preset must have at most 256 characters`},
	{"a conversation", "/api/chat", `{"message":"hi","userId":"u","conversationId":"NAME"}`, 256, 400, `conversationId must have at most 256 characters`},

	{"a model", "/v1/chat/completions", `{"model":"NAME","messages":[{"role":"user","content":"hi"}]}`, 256, 400, `"param":"model"`},
	{"a model with another member", "/v1/chat/completions", `{"model":"NAME","x":1,"n":1,"messages":[{"role":"user","content":"hi"}]}`, 256, 400, `"param":"model"`},
	{"a tool, passed on", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"NAME"}}]}`, 128, 400, `"param":"tools[0].function.name"`},
	{"a tool, translated", "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"NAME"}}]}`, 128, 400, `"param":"tools[0].function.name"`},
	{"a function", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hi"}],"functions":[{"name":"NAME"}]}`, 128, 400, `"param":"functions[0].name"`},
	{"a chosen tool", "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","content":"hi"}],"tool_choice":{"type":"function","function":{"name":"NAME"}}}`, 128, 400, `"param":"tool_choice.function.name"`},
	{"a called tool", "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"NAME","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"b"}]}`, 128, 400, `"param":"messages[1].tool_calls[0].function.name"`},
	{"a call", "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"NAME","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"b"}]}`, 256, 400, `"param":"messages[1].tool_calls[0].id"`},
	{"a speaker", "/v1/chat/completions", `{"model":"other","messages":[{"role":"user","name":"NAME","content":"hi"}]}`, 256, 400, `"param":"messages[0].name"`},

	{"a model", "/v1/messages", `{"model":"NAME","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, 256, 400, `model must have at most 256 characters`},
	{"a tool, passed on", "/v1/messages", `{"model":"other","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"NAME","input_schema":{"type":"object"}}]}`, 128, 400, `tools[0].name must have at most 128 characters`},
	{"a tool, translated", "/v1/messages", `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"NAME","input_schema":{"type":"object"}}]}`, 128, 400, `tools[0].name must have at most 128 characters`},
	{"a call", "/v1/messages", `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"NAME","content":"x"}]}]}`, 256, 400, `tool_use_id must have at most 256 characters`},
}

func TestWhatAClientNamesHasALength(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai")+channel("other", "anthropic", "", "{name: other, upstream: echo}"))
	for _, c := range named {
		t.Run(strings.Trim(c.path, "/")+" "+c.name, func(t *testing.T) {
			t.Parallel()
			for _, one := range []struct {
				name string
				fits bool
			}{{oneMore(c.most - 1), true}, {oneMore(c.most), false}} {
				status, _, answer := w.Do(t, "POST", c.path, strings.ReplaceAll(c.body, "NAME", one.name), "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
				if refused := strings.Contains(answer, c.want); refused == one.fits || refused && status != c.status {
					t.Errorf("%d characters: %d %.300s", len(one.name)/3, status, answer)
				}
			}
		})
	}
}

func TestIdsOfTheIAgentSocketHaveALength(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai")+"iagent: {}\n")
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	defer func() { _ = ws.Close() }()
	for i, c := range []struct{ from, to, field string }{
		{`"sender_id":"u"`, `"sender_id":"NAME"`, "sender_id"},
		{`"chat_type":1`, `"chat_type":2,"group_id":"NAME"`, "group_id"},
		{`"receiver_id":"echo"`, `"receiver_id":"NAME"`, "receiver_id"},
		{`"sender_id":"u"`, `"sender_id":"u","ref_msg_id":"NAME"`, "ref_msg_id"},
	} {
		for _, most := range []int{255, 256} {
			frame := strings.Replace(good(fmt.Sprint("m", i, most)), c.from, strings.ReplaceAll(c.to, "NAME", oneMore(most)), 1)
			answer := exchange(t, ws, frame)
			refused := strings.Contains(answer, `"resp_code":40`) && strings.Contains(answer, c.field+" must have at most 256 characters")
			if refused != (most == 256) || len(answer) > 4<<10 {
				t.Errorf("%s of %d characters: %.300s", c.field, most+1, answer)
			}
		}
	}
}

func TestNamesOnAChatnioSocketHaveALength(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	if r := world.Put(t, c, world.Ask{Model: oneMore(256), Text: "hi"}); !strings.HasPrefix(r.Outcome(), "end VALIDATION_ERROR") {
		t.Error(r.Outcome())
	}
	c.SendText(t, `{"type":"share","message":"`+oneMore(256)+`"}`)
	c.SendText(t, `{"type":"mask","message":"[`+strings.TrimSuffix(strings.Repeat(`{},`, 100_000), ",")+`]"}`)
	if r := world.Put(t, c, world.Ask{Model: "recall", Text: "still here"}); !r.Ended || r.Text != "user: still here" {
		t.Errorf("after a share and a mask that are none: %.300s", r.Outcome())
	}
	for _, path := range []string{"/conversation/view?hash=" + strings.Repeat("h", 257), "/conversation/share/delete?hash=" + strings.Repeat("h", 257)} {
		if _, _, body := w.Do(t, "GET", path, "", "Authorization", key); !strings.Contains(body, "invalid hash") {
			t.Errorf("%.60s: %s", path, body)
		}
	}
	for _, field := range []string{"avatar", "name", "description"} {
		body := `{"` + field + `":"` + oneMore(4096) + `","context":[]}`
		if _, _, got := w.Do(t, "POST", "/conversation/mask/save", body, "Authorization", key); !strings.Contains(got, "invalid_request_error") {
			t.Errorf("%s: %s", field, got)
		}
	}
}

func TestIdsInAPathOrAQueryHaveALength(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	id := strings.Repeat("i", 257)
	for path, want := range map[string]string{
		"/api/conversations/" + id:                 "CONVERSATION_NOT_FOUND",
		"/api/conversations?userId=" + id:          "userId must have at most 256 characters",
		"/api/conversations?groupId=" + id:         "groupId must have at most 256 characters",
		"/v1/models/" + strings.Repeat("m", 4<<10): "model_not_found",
	} {
		if _, _, body := w.Do(t, "GET", path, "", "Authorization", "Bearer "+key); !strings.Contains(body, want) || len(body) > 1<<10 {
			t.Errorf("%.60s: %.300s", path, body)
		}
	}
}

// What is refused for its length is not stored.
func TestLongIdsLeaveNothingInTheStore(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	for i := range 20 {
		body := fmt.Sprintf(`{"message":"hi","userId":"%d%s"}`, i, strings.Repeat("u", 100<<10))
		if status, _, answer := w.Do(t, "POST", "/api/chat", body, "Authorization", "Bearer "+key); status != 400 || len(answer) > 1<<10 {
			t.Fatalf("%d %.300s", status, answer)
		}
	}
	if _, n, err := w.Store.List(context.Background(), store.Filter{Owner: "alice", Limit: 1}); n != 0 || err != nil {
		t.Errorf("%d conversations, %v", n, err)
	}
}
