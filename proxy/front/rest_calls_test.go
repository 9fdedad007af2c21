package front_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// oneOfAll is a configuration with a channel that fails in every way by the name
// of its model, and a caller of limited rights.
const oneOfAll = `
callers:
  keys:
    - {name: alice, key: ` + key + `}
    - {name: bob, key: sk-bob-caller-key}
    - {name: carl, key: sk-carl-caller-key, models: [echo]}
    - {name: dora, key: sk-dora-caller-key, expires: 2020-01-01T00:00:00Z}
rest: {max_body: 2KiB}
presets: {default: {model: echo}}
channels:
  - {id: up, kind: mock, models: [echo, recall, unicode, slow-30, fail-400, fail-500, fail-429-retry-7, errormid, hang, first-60000]}
  - {id: quick, kind: mock, models: [stall], ` + quick + `}
  - {id: halt, kind: mock, models: [stallmid], ` + halting + `}
  - {id: away, kind: mock, models: [refuse]}
`

// restCall makes one call with alice's key and returns status, headers and the
// members of the body.
func restCall(t *testing.T, w *world.World, method, path, body string, headers ...string) (int, map[string]string, map[string]any) {
	t.Helper()
	headers = append([]string{"Authorization", "Bearer " + key, "Content-Type", "application/json"}, headers...)
	status, h, got := w.Do(t, method, path, body, headers...)
	flat := map[string]string{}
	for name := range h {
		flat[name] = h.Get(name)
	}
	var o map[string]any
	if err := json.Unmarshal([]byte(got), &o); err != nil && !strings.HasPrefix(got, "data: ") {
		t.Errorf("%s %s: %v in %q", method, path, err, got)
	}
	return status, flat, o
}

func askAs(user, message string) string {
	return fmt.Sprintf(`{"message":%q,"userId":%q}`, message, user)
}

// The table of docs/rules/rest.md 2.6, as docs/rest.md has it.
func TestRestTellsEveryFailureWithItsStatusAndCode(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	long := askAs("u", strings.Repeat("x", 3000))
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		code               string
		header, value      string
	}{
		{"POST", "/api/chat", `{"message":`, nil, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat", ``, nil, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat", ``, []string{"Content-Type", "text/plain"}, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat", `{"userId":"u"}`, nil, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat", `{"message":"  ","userId":"u"}`, nil, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat/stream", `{"message":"hi"}`, nil, 400, "VALIDATION_ERROR", "", ""},
		{"GET", "/api/conversations?limit=0", "", nil, 400, "VALIDATION_ERROR", "", ""},
		{"GET", "/api/conversations?limit=x", "", nil, 400, "VALIDATION_ERROR", "", ""},
		{"GET", "/api/conversations?limit=1.5", "", nil, 400, "VALIDATION_ERROR", "", ""},
		{"GET", "/api/conversations?offset=-1", "", nil, 400, "VALIDATION_ERROR", "", ""},
		{"GET", "/api/conversations/conv_1?limit=0", "", nil, 400, "VALIDATION_ERROR", "", ""},
		{"POST", "/api/chat", askAs("u", "hi"), []string{"Authorization", "None"}, 401, "INVALID_TOKEN", "Www-Authenticate", "Bearer"},
		{"POST", "/api/chat", askAs("u", "hi"), []string{"Authorization", "Bearer sk-unknown"}, 401, "INVALID_TOKEN", "Www-Authenticate", "Bearer"},
		{"GET", "/api/conversations", "", []string{"Authorization", "Bearer sk-dora-caller-key"}, 401, "TOKEN_EXPIRED", "Www-Authenticate", "Bearer"},
		{"GET", "/api/conversations", "", []string{"Authorization", " "}, 401, "UNAUTHORIZED", "Www-Authenticate", "Bearer"},
		{"POST", "/api/chat/stream", askAs("u", "hi"), []string{"Authorization", " "}, 401, "UNAUTHORIZED", "Www-Authenticate", "Bearer"},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"recall"}`, []string{"Authorization", "Bearer sk-carl-caller-key"}, 403, "PERMISSION_DENIED", "", ""},
		{"GET", "/api/conversations/conv_none", "", nil, 404, "CONVERSATION_NOT_FOUND", "", ""},
		{"DELETE", "/api/conversations/conv_none", "", nil, 404, "CONVERSATION_NOT_FOUND", "", ""},
		{"POST", "/api/conversations/conv_none/clear", "", nil, 404, "CONVERSATION_NOT_FOUND", "", ""},
		{"GET", "/api/conversations/%ff", "", nil, 404, "CONVERSATION_NOT_FOUND", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","conversationId":"conv_none"}`, nil, 404, "CONVERSATION_NOT_FOUND", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"nobody"}`, nil, 404, "PRESET_NOT_FOUND", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"nobody"}`, []string{"Authorization", "Bearer sk-carl-caller-key"}, 404, "PRESET_NOT_FOUND", "", ""},
		{"GET", "/api/nothing", "", nil, 404, "NOT_FOUND", "", ""},
		{"POST", "/api/conversations/conv_1/rename", "", nil, 404, "NOT_FOUND", "", ""},
		{"PUT", "/api/conversations", "", nil, 405, "METHOD_NOT_ALLOWED", "Allow", "GET, HEAD, OPTIONS"},
		{"DELETE", "/api/chat/stream", "", nil, 405, "METHOD_NOT_ALLOWED", "Allow", "OPTIONS, POST"},
		{"PATCH", "/api/conversations/conv_1", "", nil, 405, "METHOD_NOT_ALLOWED", "Allow", "DELETE, GET, HEAD, OPTIONS"},
		{"POST", "/api/chat", long, nil, 413, "PAYLOAD_TOO_LARGE", "", ""},
		{"POST", "/api/chat", "message=hi", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"fail-429-retry-7"}`, nil, 429, "RATE_LIMITED", "Retry-After", "7"},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"fail-400"}`, nil, 502, "MODEL_ERROR", "", ""},
		{"POST", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"fail-500"}`, nil, 502, "MODEL_ERROR", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"refuse"}`, nil, 503, "CHANNEL_UNAVAILABLE", "", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"u","preset":"stall"}`, nil, 504, "MODEL_ERROR", "", ""},
		{"POST", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"stall"}`, nil, 504, "MODEL_ERROR", "", ""},
	} {
		status, h, o := restCall(t, w, c.method, c.path, c.body, c.headers...)
		name := c.method + " " + c.path + " " + clip(c.body)
		if status != c.status || o["code"] != c.code || o["success"] != false || o["error"] == "" {
			t.Errorf("%s: got %d %v, want %d %s", name, status, o, c.status, c.code)
		}
		if c.header != "" && h[c.header] != c.value {
			t.Errorf("%s: %s is %q, want %q", name, c.header, h[c.header], c.value)
		}
		if !strings.HasPrefix(h["Content-Type"], "application/json") {
			t.Errorf("%s: Content-Type %q", name, h["Content-Type"])
		}
		switch details, _ := o["details"].(map[string]any); {
		case c.status == 504 && details["reason"] != "timeout":
			t.Errorf("%s: no reason in %v", name, o)
		case strings.Contains(c.body, "fail-400") && details["status"] != 400.0:
			t.Errorf("%s: no status in %v", name, o)
		}
	}
}

func clip(s string) string { return s[:min(len(s), 60)] }

func TestAStreamThatBreaksSaysWhyInItsLastEvent(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for model, want := range map[string]string{
		"stallmid": `"code":"MODEL_ERROR","details":{"reason":"timeout"}}`,
		"errormid": `"code":"MODEL_ERROR"}`,
	} {
		status, _, got := w.Do(t, "POST", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"`+model+`"}`, "Authorization", "Bearer "+key)
		events := strings.Split(strings.TrimSuffix(got, "\n\n"), "\n\n")
		last := events[len(events)-1]
		if status != 200 || !strings.HasPrefix(last, `data: {"type":"error","error":"`) || !strings.HasSuffix(last, want) {
			t.Errorf("%s: %d, last event %s, want ...%s", model, status, last, want)
		}
	}
}

func TestARequestIdIsTakenOrMadeAndComesBackOnEverything(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for _, c := range []struct{ method, path, body, token string }{
		{"POST", "/api/chat", askAs("u", "hi"), key},
		{"POST", "/api/chat/stream", askAs("u", "hi"), key},
		{"GET", "/api/conversations", "", "sk-wrong"},
		{"GET", "/api/nothing", "", ""},
		{"PUT", "/api/conversations", "", ""},
		{"GET", "/ws/v1/chat", "", ""},
	} {
		_, h, _ := w.Do(t, c.method, c.path, c.body, "Authorization", "Bearer "+c.token, "X-Request-Id", "my.id_1-2")
		if got := h.Get("X-Request-Id"); got != "my.id_1-2" {
			t.Errorf("%s %s: X-Request-Id %q", c.method, c.path, got)
		}
		for _, bad := range []string{"no spaces", strings.Repeat("x", 129), "a/b"} {
			_, h, _ := w.Do(t, c.method, c.path, c.body, "Authorization", "Bearer "+c.token, "X-Request-Id", bad)
			if got := h.Get("X-Request-Id"); got == bad || got == "" {
				t.Errorf("%s %s: X-Request-Id %q for %q", c.method, c.path, got, bad)
			}
		}
	}
}

func TestABrowsersPageMayCallAndRead(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	const page = "https://page.example"
	status, h, _ := w.Do(t, "OPTIONS", "/api/chat", "", "Origin", page, "Access-Control-Request-Method", "POST")
	if status/100 != 2 || h.Get("Access-Control-Allow-Origin") != page || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("the preflight got %d %v", status, h)
	}
	for _, path := range []string{"/api/chat", "/api/chat/stream", "/api/nothing"} {
		_, h, _ := w.Do(t, "POST", path, askAs("u", "hi"), "Origin", page, "Authorization", "Bearer "+key)
		if h.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%s: %v", path, h)
		}
		if path != "/api/nothing" && !strings.Contains(h.Get("Access-Control-Expose-Headers"), "X-Request-Id") {
			t.Errorf("%s shows the page none of its headers: %v", path, h)
		}
	}
}

func TestAKeyIsTakenFromEitherHeader(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for _, headers := range [][]string{{"X-API-Key", key}, {"Authorization", "bEaReR " + key}} {
		if status, _, body := w.Do(t, "GET", "/api/conversations", "", headers...); status != 200 {
			t.Errorf("%v: %d %s", headers, status, body)
		}
	}
	if status, _, body := w.Do(t, "GET", "/api/conversations?token="+key, ""); status != 401 {
		t.Errorf("a token in the query was taken: %d %s", status, body)
	}
}

// converse asks and returns the conversation's id.
func converse(t *testing.T, w *world.World, body string, headers ...string) string {
	t.Helper()
	status, _, o := restCall(t, w, "POST", "/api/chat", body, headers...)
	data, _ := o["data"].(map[string]any)
	id, _ := data["conversationId"].(string)
	if status != 200 || !strings.HasPrefix(id, "conv_") {
		t.Fatalf("%s: %d %v", body, status, o)
	}
	return id
}

func TestTheListIsFilteredPagedAndInOrder(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	ids := map[string]string{}
	for _, c := range []string{"u1/", "u2/", "u1/g1", "u2/g1"} {
		user, group, _ := strings.Cut(c, "/")
		ids[c] = converse(t, w, fmt.Sprintf(`{"message":"m of %s","userId":%q,"groupId":%q}`, c, user, group))
	}
	converse(t, w, askAs("u1", "another caller's"), "Authorization", "Bearer sk-bob-caller-key")
	list := func(query string) (got []string, total float64) {
		t.Helper()
		status, _, o := restCall(t, w, "GET", "/api/conversations"+query, "")
		data, _ := o["data"].(map[string]any)
		if status != 200 || o["success"] != true {
			t.Fatalf("%s: %d %v", query, status, o)
		}
		last := 1e18
		for _, one := range data["conversations"].([]any) {
			item := one.(map[string]any)
			name := item["userId"].(string) + "/"
			if group, ok := item["groupId"]; ok {
				name += group.(string)
			}
			if item["id"] != ids[name] || item["messageCount"] != 2.0 || item["updatedAt"].(float64) > last {
				t.Errorf("%s: the item %v", query, item)
			}
			last = item["updatedAt"].(float64)
			got = append(got, name)
		}
		return got, data["total"].(float64)
	}
	for _, c := range []struct {
		query string
		shown int
		total float64
	}{
		{"", 4, 4}, {"?userId=u1", 2, 2}, {"?groupId=g1", 2, 2}, {"?userId=u1&groupId=g1", 1, 1}, {"?userId=u9", 0, 0},
		{"?limit=3", 3, 4}, {"?limit=3&offset=3", 1, 4}, {"?offset=9", 0, 4}, {"?limit=101", 4, 4}, {"?limit=99999999999999999999", 4, 4},
		{"?offset=99999999999999999999", 0, 4}, {"?userId=u1&limit=1", 1, 2}, {"?groupId=", 2, 2},
	} {
		if got, total := list(c.query); len(got) != c.shown || total != c.total {
			t.Errorf("%q: %d of %v, want %d of %v", c.query, len(got), total, c.shown, c.total)
		}
	}
}

func TestAConversationIsReadClearedAndDeleted(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	id := converse(t, w, askAs("u", "first"))
	if again := converse(t, w, askAs("u", "second")); again != id {
		t.Errorf("the second turn is in %s, not %s", again, id)
	}
	messages := func(query string) []any {
		t.Helper()
		status, _, o := restCall(t, w, "GET", "/api/conversations/"+id+query, "")
		data, _ := o["data"].(map[string]any)
		if status != 200 || data["id"] != id {
			t.Fatalf("%d %v", status, o)
		}
		return data["messages"].([]any)
	}
	all := messages("")
	last := 0.0
	for i, one := range all {
		m := one.(map[string]any)
		if want := []string{"user", "assistant"}[i%2]; m["role"] != want || m["timestamp"].(float64) < last {
			t.Errorf("message %d: %v", i, m)
		}
		last = m["timestamp"].(float64)
	}
	if len(all) != 4 || all[2].(map[string]any)["content"] != "second" {
		t.Errorf("messages %v", all)
	}
	if got := messages("?limit=1"); len(got) != 1 || got[0].(map[string]any)["role"] != "assistant" {
		t.Errorf("the newest one is %v", got)
	}
	cleared := float64(time.Now().UnixMilli())
	if status, _, o := restCall(t, w, "POST", "/api/conversations/"+id+"/clear", "not even JSON", "Content-Type", "text/plain"); status != 200 || o["message"] != "Context cleared" || o["success"] != true || len(o) != 2 {
		t.Errorf("clear: %d %v", status, o)
	}
	if got := messages(""); len(got) != 0 {
		t.Errorf("after clear: %v", got)
	}
	_, _, o := restCall(t, w, "GET", "/api/conversations", "")
	item := o["data"].(map[string]any)["conversations"].([]any)[0].(map[string]any)
	if item["id"] != id || item["messageCount"] != 0.0 || item["lastMessage"] != "" || item["updatedAt"].(float64) < cleared {
		t.Errorf("listed after clear: %v", item)
	}
	if again := converse(t, w, askAs("u", "third")); again != id {
		t.Errorf("after clear the turn is in %s, not %s", again, id)
	}
	if status, _, o := restCall(t, w, "DELETE", "/api/conversations/"+id, ""); status != 200 || o["success"] != true || len(o) != 1 {
		t.Errorf("delete: %d %v", status, o)
	}
	if status, _, _ := restCall(t, w, "DELETE", "/api/conversations/"+id, ""); status != 404 {
		t.Errorf("a second delete: %d", status)
	}
	if again := converse(t, w, askAs("u", "fourth")); again == id {
		t.Error("after delete the turn has the old id")
	}
}

func TestRestHidesTheConversationsOfOtherCallers(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	id := converse(t, w, askAs("u", "mine"))
	for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/clear"}} {
		if status, _, o := restCall(t, w, c[0], "/api/conversations/"+id+c[1], "", "Authorization", "Bearer sk-bob-caller-key"); status != 404 || o["code"] != "CONVERSATION_NOT_FOUND" {
			t.Errorf("%v: %d %v", c, status, o)
		}
	}
	if status, _, _ := restCall(t, w, "POST", "/api/chat", `{"message":"hi","userId":"u","conversationId":"`+id+`"}`, "Authorization", "Bearer sk-bob-caller-key"); status != 404 {
		t.Errorf("bob talks in it: %d", status)
	}
}

func TestAnIdInThePathIsDecoded(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for _, id := range []string{"group:9:user:123", "a/b", "50% ключ"} {
		one := &store.Conversation{ID: id, Owner: "alice", User: "u"}
		turn := store.Turn{At: 1, Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, "hi"), At: 1}}}
		if err := w.Store.Append(context.Background(), one, turn); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"group%3A9%3Auser%3A123", "group:9:user:123", "a%2Fb", "50%25%20%D0%BA%D0%BB%D1%8E%D1%87"} {
		if status, _, o := restCall(t, w, "GET", "/api/conversations/"+path, ""); status != 200 {
			t.Errorf("%s: %d %v", path, status, o)
		}
	}
	if status, _, _ := restCall(t, w, "POST", "/api/conversations/a%2Fb/clear", ""); status != 200 {
		t.Errorf("clear: %d", status)
	}
	if status, _, _ := restCall(t, w, "DELETE", "/api/conversations/group%3A9%3Auser%3A123/", ""); status != 200 {
		t.Errorf("delete: %d", status)
	}
}

func TestWhoTalksDecidesWhichConversationItIs(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		w := world.Start(t, strings.Replace(oneOfAll, "rest: {", fmt.Sprintf("rest: {shared_groups: %v, ", shared), 1))
		same := func(a, b string) bool {
			return converse(t, w, `{"message":"hi",`+a+`}`) == converse(t, w, `{"message":"hi",`+b+`}`)
		}
		for _, c := range []struct {
			a, b string
			same bool
		}{
			{`"userId":"1"`, `"userId":1,"groupId":null`, true},
			{`"userId":"1"`, `"userId":"1","groupId":""`, true},
			{`"userId":"1"`, `"userId":"1","preset":"recall"`, true},
			{`"userId":"1"`, `"userId":"2"`, false},
			{`"userId":"1"`, `"userId":"1","groupId":"g"`, false},
			{`"userId":"1","groupId":"g"`, `"userId":"1","groupId":"h"`, false},
			{`"userId":"1","groupId":"g"`, `"userId":"2","groupId":"g"`, shared},
			{`"userId":"b\u0000c","groupId":"a"`, `"userId":"c","groupId":"a\u0000b"`, false},
		} {
			if got := same(c.a, c.b); got != c.same {
				t.Errorf("shared_groups %v: %s and %s: same %v", shared, c.a, c.b, got)
			}
		}
	}
}

func TestAConversationIsContinuedByItsId(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	id := converse(t, w, askAs("u", "apple"))
	if got := converse(t, w, `{"message":"pear","userId":"somebody else","conversationId":"`+id+`"}`); got != id {
		t.Errorf("it is %s, not %s", got, id)
	}
}

func TestAFailedTurnLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for _, model := range []string{"fail-500", "errormid", "stallmid"} {
		for _, path := range []string{"/api/chat", "/api/chat/stream"} {
			_, _, _ = w.Do(t, "POST", path, `{"message":"hi","userId":"u","preset":"`+model+`"}`, "Authorization", "Bearer "+key)
		}
	}
	if _, _, o := restCall(t, w, "GET", "/api/conversations", ""); o["data"].(map[string]any)["total"] != 0.0 {
		t.Errorf("there is %v", o)
	}
}
