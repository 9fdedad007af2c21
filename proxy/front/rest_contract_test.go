package front_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The head of a stream (docs/rules/rest.md 3.2), whatever the client accepts and
// wherever it says that it was.
func TestTheHeadOfAStreamIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for _, more := range [][]string{nil, {"Accept", "application/json"}, {"Accept-Encoding", "gzip, br"}, {"Last-Event-ID", "5"}} {
		status, h, body := w.Do(t, "POST", "/api/chat/stream", askAs("u", "hi"), append(more, "Authorization", "Bearer "+key, "X-Request-Id", "my-id")...)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
			"X-Request-Id": "my-id", "Content-Length": "", "Content-Encoding": "",
		} {
			if got := h.Get(name); status != 200 || got != want {
				t.Errorf("%v: %d, %s is %q, want %q", more, status, name, got, want)
			}
		}
		events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
		for i, ev := range events {
			kind := `data: {"type":"content","text":"`
			switch i {
			case 0:
				kind = `data: {"type":"start","conversationId":"conv_`
			case len(events) - 1:
				kind = `data: {"type":"end","usage":{"promptTokens":`
			}
			if !strings.HasPrefix(ev, kind) || strings.Contains(ev, "\n") {
				t.Errorf("%v: event %d is %q", more, i, ev)
			}
		}
		if len(events) < 3 || strings.ContainsAny(body, "\r\ufeff") {
			t.Errorf("%v: the events are %q", more, body)
		}
	}
}

func TestListsAreAsLongAsTheContractSays(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	for i := range 120 {
		one := &store.Conversation{ID: fmt.Sprintf("conv_%03d", i), Owner: "alice", User: "u"}
		var turn store.Turn
		for n := range map[bool]int{true: 130, false: 1}[i == 0] {
			turn.Messages = append(turn.Messages, store.Message{Message: translate.TextMessage(translate.RoleUser, fmt.Sprint("m", n)), At: int64(1000 + n)})
		}
		turn.At = 5
		if err := w.Store.Append(context.Background(), one, turn); err != nil {
			t.Fatal(err)
		}
	}
	list := func(query string) (ids []string) {
		status, _, o := restCall(t, w, "GET", "/api/conversations"+query, "")
		data, _ := o["data"].(map[string]any)
		if status != 200 || data["total"] != 120.0 {
			t.Fatalf("%s: %d, total %v", query, status, data["total"])
		}
		for _, one := range data["conversations"].([]any) {
			ids = append(ids, one.(map[string]any)["id"].(string))
		}
		return ids
	}
	for query, want := range map[string]int{"": 50, "?limit=70": 70, "?limit=100": 100, "?limit=101": 100, "?limit=1000": 100, "?offset=100": 20} {
		ids := list(query)
		if len(ids) != want {
			t.Errorf("%q: %d conversations, want %d", query, len(ids), want)
		}
		for i := 1; i < len(ids); i++ {
			if ids[i] <= ids[i-1] { // all have the same time
				t.Errorf("%q: %s follows %s", query, ids[i], ids[i-1])
			}
		}
	}
	for query, want := range map[string]int{"": 100, "?limit=120": 120, "?limit=3": 3} {
		_, _, o := restCall(t, w, "GET", "/api/conversations/conv_000"+query, "")
		messages := o["data"].(map[string]any)["messages"].([]any)
		first := messages[0].(map[string]any)["content"]
		if last := messages[len(messages)-1].(map[string]any)["content"]; len(messages) != want || first != fmt.Sprint("m", 130-want) || last != "m129" {
			t.Errorf("%q: %d messages, from %v to %v", query, len(messages), first, last)
		}
	}
	for _, bad := range []string{"?limit=0", "?limit=-1", "?limit=x", "?limit=1.5", "?limit=", "?offset=-1", "?offset=x"} {
		if status, _, o := restCall(t, w, "GET", "/api/conversations"+bad, ""); status != 400 || o["code"] != "VALIDATION_ERROR" {
			t.Errorf("%s: %d %v", bad, status, o)
		}
	}
}

func TestALongMessageIsListedByItsFirstHundredCharacters(t *testing.T) {
	t.Parallel()
	w := world.Start(t, oneOfAll)
	one := &store.Conversation{ID: "conv_1", Owner: "alice", User: "u"}
	turn := store.Turn{At: 1, Messages: []store.Message{
		{Message: translate.TextMessage(translate.RoleUser, "hi"), At: 1},
		{Message: translate.TextMessage(translate.RoleAssistant, strings.Repeat("ü", 101)), At: 1},
	}}
	if err := w.Store.Append(context.Background(), one, turn); err != nil {
		t.Fatal(err)
	}
	_, _, o := restCall(t, w, "GET", "/api/conversations", "")
	item := o["data"].(map[string]any)["conversations"].([]any)[0].(map[string]any)
	if item["lastMessage"] != strings.Repeat("ü", 100) || item["messageCount"] != 2.0 {
		t.Errorf("listed: %v", item)
	}
}
