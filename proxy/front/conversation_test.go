package front_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

type item struct {
	ID          string `json:"id"`
	User        string `json:"userId"`
	Group       string `json:"groupId"`
	Count       int    `json:"messageCount"`
	LastMessage string `json:"lastMessage"`
}

type entry struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// listed is what the rest front lists for alice.
func listed(t *testing.T, w *world.World) []item {
	t.Helper()
	_, data := world.NewRest(w, key).Call(t, "GET", "/api/conversations")
	var got struct {
		Conversations []item `json:"conversations"`
		Total         int    `json:"total"`
	}
	if err := json.Unmarshal(data, &got); err != nil || got.Total != len(got.Conversations) {
		t.Fatalf("%v in %s", err, data)
	}
	return got.Conversations
}

// loaded is a conversation as the rest front shows it.
func loaded(t *testing.T, w *world.World, id string) []entry {
	t.Helper()
	_, data := world.NewRest(w, key).Call(t, "GET", "/api/conversations/"+url.PathEscape(id))
	var got struct {
		Messages []entry `json:"messages"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return got.Messages
}

// screen is the messages of conversation 1 as its chatnio client has them on the screen.
func screen(t *testing.T, w *world.World) []entry {
	t.Helper()
	var got struct{ Message []entry }
	if err := json.Unmarshal(chatnioCall(t, w, "/conversation/load?id=1"), &got); err != nil {
		t.Fatal(err)
	}
	return got.Message
}

// chatnioCall makes a GET of the chatnio front and returns its data.
func chatnioCall(t *testing.T, w *world.World, path string) json.RawMessage {
	t.Helper()
	status, _, body := w.Do(t, "GET", path, "", "Authorization", key)
	var got struct {
		Status bool            `json:"status"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || !got.Status {
		t.Fatalf("%s: %d %v in %s", path, status, err, body)
	}
	return got.Data
}

func entries(texts ...string) []entry {
	var all []entry
	for i, text := range texts {
		all = append(all, entry{[]string{"user", "assistant"}[i%2], text})
	}
	return all
}

const (
	apple      = "user: apple"
	pear       = "user: apple | assistant: user: apple | user: pear"
	plum       = "user: apple | assistant: user: apple | user: pear | assistant: " + pear + " | user: plum"
	foldedPear = "user: Our conversation so far:\nuser: apple\nassistant: user: apple\n\nNow answer this:\npear"
)

func TestAConversationGoesOnInAnotherDialect(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			if world.Fleet() && (kind.Name == "rest" || kind.Name == "iagent") {
				t.Skip("another process replays what the channel remembers of the first, in other words")
			}
			w := world.Start(t, pair(kind.Name))
			first := world.NewChatnio(w, key, 0)
			r := world.Put(t, first, world.Ask{Model: "recall", Text: "apple"})
			first.Close(t)
			if r.Text != apple || r.Number < 1 {
				t.Fatalf("chatnio: %s in conversation %d", r.Outcome(), r.Number)
			}
			group := fmt.Sprintf("chatnio:%d", r.Number)
			list := listed(t, w)
			if len(list) != 1 || list[0].User != "alice" || list[0].Group != group || list[0].Count != 2 || list[0].LastMessage != apple {
				t.Fatalf("listed: %+v", list)
			}
			rest := world.NewRest(w, key)
			defer rest.Close(t)
			got := world.Put(t, rest, world.Ask{Model: "recall", Text: "pear", User: "alice", Group: group})
			if got.Text != pear || got.ID != list[0].ID {
				t.Errorf("rest: %s in %s, want %q in %s", got.Outcome(), got.ID, pear, list[0].ID)
			}
			want := entries("apple", apple, "pear", pear)
			if got := loaded(t, w, list[0].ID); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("rest loads %+v", got)
			}
			var conv struct {
				ID      int64   `json:"id"`
				Message []entry `json:"message"`
			}
			if err := json.Unmarshal(chatnioCall(t, w, fmt.Sprintf("/conversation/load?id=%d", r.Number)), &conv); err != nil || conv.ID != r.Number || fmt.Sprint(conv.Message) != fmt.Sprint(want) {
				t.Errorf("chatnio loads %+v, %v", conv, err)
			}
			again := world.NewChatnio(w, key, r.Number)
			if last := world.Put(t, again, world.Ask{Model: "recall", Text: "plum"}); last.Text != plum || last.Number != r.Number {
				t.Errorf("chatnio again: %s in %d", last.Outcome(), last.Number)
			}
			again.Close(t)
			if status, _ := rest.Call(t, "DELETE", "/api/conversations/"+list[0].ID); status != 200 {
				t.Errorf("DELETE: %d", status)
			}
			if data := chatnioCall(t, w, "/conversation/list"); string(data) != "[]" {
				t.Errorf("after the deletion chatnio lists %s", data)
			}
		})
	}
}

func TestNobodyReachesAnotherCallersConversation(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	r := world.Put(t, c, world.Ask{Model: "recall", Text: "apple"})
	id := listed(t, w)[0].ID
	bob := world.NewRest(w, "sk-bob-caller-key")
	defer bob.Close(t)
	for _, call := range []struct{ method, path string }{{"GET", "/api/conversations/" + id}, {"DELETE", "/api/conversations/" + id}, {"POST", "/api/conversations/" + id + "/clear"}} {
		if status, _ := bob.Call(t, call.method, call.path); status != 404 {
			t.Errorf("%s %s: %d", call.method, call.path, status)
		}
	}
	if got := world.Put(t, bob, world.Ask{Model: "recall", Text: "pear", Conversation: id}); got.Outcome() != "404 CONVERSATION_NOT_FOUND" {
		t.Errorf("by its id: %s", got.Outcome())
	}
	if got := world.Put(t, bob, world.Ask{Model: "recall", Text: "pear", User: "alice", Group: fmt.Sprintf("chatnio:%d", r.Number)}); got.Text != "user: pear" {
		t.Errorf("by its user and group: %s", got.Outcome())
	}
	other := world.NewChatnio(w, "sk-bob-caller-key", r.Number+7)
	defer other.Close(t)
	if got := world.Put(t, other, world.Ask{Model: "recall", Text: "pear"}); got.Text != "user: pear" || got.Number == r.Number+7 {
		t.Errorf("by a number that is not his: %s in %d", got.Outcome(), got.Number)
	}
}

func TestRestAndIAgentShareThePrivateConversationOfTheDefaultAgent(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"presets: {default: {model: recall}}\nchannels:\n"+channel("up", "openai", "", "recall"))
	agent, rest := world.NewIAgent(w, key), world.NewRest(w, key)
	defer agent.Close(t)
	defer rest.Close(t)
	for i, turn := range []struct {
		c          world.Client
		text, want string
	}{{agent, "apple", apple}, {rest, "pear", pear}, {agent, "plum", plum}} {
		if r := world.Put(t, turn.c, world.Ask{Text: turn.text, User: "u7"}); r.Text != turn.want {
			t.Errorf("turn %d: %s, want %q", i, r.Outcome(), turn.want)
		}
	}
	if r := world.Put(t, rest, world.Ask{Text: "apple", User: "u8"}); r.Text != apple {
		t.Errorf("another user: %s", r.Outcome())
	}
	if r := world.Put(t, agent, world.Ask{Text: "apple", User: "u7", Group: "g"}); r.Text != apple {
		t.Errorf("a group: %s", r.Outcome())
	}
	if r := world.Put(t, agent, world.Ask{Text: "pear", User: "u9", Group: "g"}); r.Text != pear {
		t.Errorf("the same group, another member: %s", r.Outcome())
	}
}

// An agent of an iagent channel has a memory of its own, so another agent has to
// be told everything; elsewhere the model is a setting of the turn.
func TestAnotherModelKnowsWhatWasSaidBefore(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+"channels:\n"+channel("up", kind.Name, "", "recall", "recall-again"))
			c := world.NewChatnio(w, key, 0)
			defer c.Close(t)
			world.Put(t, c, world.Ask{Model: "recall", Text: "apple"})
			want := pear
			if kind.Name == "iagent" {
				want = foldedPear
			}
			if r := world.Put(t, c, world.Ask{Model: "recall-again", Text: "pear"}); r.Text != want {
				t.Errorf("got %s, want %q", r.Outcome(), want)
			}
		})
	}
}

// told is what a channel of kind without a memory of the conversation is told when
// texts, a question and an answer in turn, were said and the last one is asked.
func told(kind string, texts ...string) string {
	var said []string
	for i, text := range texts {
		said = append(said, []string{"user", "assistant"}[i%2]+": "+text)
	}
	last := len(texts) - 1
	if folds := kind == "rest" || kind == "iagent"; !folds || last == 0 {
		return strings.Join(said, " | ")
	}
	return "user: Our conversation so far:\n" + strings.Join(said[:last], "\n") + "\n\nNow answer this:\n" + texts[last]
}

func TestAConversationSurvivesAFailover(t *testing.T) {
	t.Parallel()
	for i, kind := range config.Kinds {
		for j, other := range config.Kinds {
			if spared(i, j) {
				continue
			}
			t.Run(kind.Name+" to "+other.Name, func(t *testing.T) {
				t.Parallel()
				failOver(t, kind.Name, other.Name)
			})
		}
	}
}

// failOver puts turns of one conversation to a channel of kind a, to one of kind b
// while a fails, and to a again, also after a restart, an edit and a clear.
func failOver(t *testing.T, a, b string) {
	w := world.Start(t, callers+"channels:\n"+
		channel("a", a, "", "recall", "{name: two, upstream: fail-500}")+
		channel("b", b, "tier: 2", "{name: two, upstream: recall}"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	ask := func(what, model, text, want string) string {
		t.Helper()
		r := world.Put(t, c, world.Ask{Model: model, Text: text, Context: 50})
		if r.Text != want {
			t.Errorf("%s: %s, want %q", what, r.Outcome(), want)
		}
		return r.Text
	}
	if ask("first", "recall", "apple", apple); t.Failed() {
		return
	}
	second := ask("second, elsewhere", "two", "pear", told(b, "apple", apple, "pear"))
	third := ask("third, back again", "recall", "plum", told(a, "apple", apple, "pear", second, "plum"))
	c.SendText(t, `{"type":"restart","model":"two","context":50}`)
	again := c.Read().All(t)
	// It remembers the second turn, and was not told of the third.
	if want := told(b, "apple", apple, "pear") + " | assistant: " + second + " | user: plum"; again.Text != want {
		t.Errorf("the third anew, elsewhere: %s, want %q (it was %q)", again.Outcome(), want, third)
	}
	c.SendText(t, `{"type":"edit","message":"0:grape"}`)
	fourth := ask("fourth, back again, after an edit", "recall", "fig", told(a, "grape", apple, "pear", second, "plum", again.Text, "fig"))
	ask("fifth, elsewhere", "two", "lime", told(b, "grape", apple, "pear", second, "plum", again.Text, "fig", fourth, "lime"))
	rest := world.NewRest(w, key)
	defer rest.Close(t)
	if status, _ := rest.Call(t, "POST", "/api/conversations/"+listed(t, w)[0].ID+"/clear"); status != 200 {
		t.Errorf("clear: %d", status)
	}
	sixth := ask("sixth, back again, after a clear", "recall", "kiwi", "user: kiwi")
	ask("seventh, elsewhere", "two", "date", told(b, "kiwi", sixth, "date"))
}

// before are the faults that show before any content.
var before = []string{"fail-500", "fail-429-retry-60", "fail-401", "drop", "blank", "cut0", "error200", "empty", "hang", "stall"}

func TestASecondChannelAnswersWhenTheFirstFailsBeforeItsContent(t *testing.T) {
	t.Parallel()
	for i, kind := range config.Kinds {
		other := config.Kinds[(i+1)%len(config.Kinds)].Name
		var first, second []string
		for _, fault := range before {
			first = append(first, fmt.Sprintf("{name: m-%s, upstream: %s}", fault, fault))
			second = append(second, fmt.Sprintf("{name: m-%s, upstream: echo}", fault))
		}
		config := callers + "channels:\n" + channel("a", kind.Name, quick, first...) + channel("b", other, "tier: 2", second...)
		for j, newClient := range world.Fronts {
			if spared(i, j) {
				continue
			}
			t.Run(newClient(nil, "").Front()+" to "+kind.Name+" then "+other, func(t *testing.T) {
				t.Parallel()
				w := world.Start(t, config)
				for _, fault := range before {
					if fault == "empty" && kind.Name == "anthropic" && newClient(nil, "").Front() == kind.Name {
						continue // it is an answer there
					}
					ways(t, func() world.Client { return newClient(w, key) }, func(t *testing.T, c world.Client, a world.Ask) {
						a.Model, a.Text = "m-"+fault, "hi"
						if r := world.Put(t, c, a); r.Text != hello || !r.Ended || r.Failed {
							t.Errorf("%s: got %s", fault, r.Outcome())
						}
					})
				}
			})
		}
	}
}

func TestARejectedQuestionIsNotPutToASecondChannel(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("a", "openai", "", "{name: m, upstream: fail-400}")+channel("b", "openai", "tier: 2", "{name: m, upstream: echo}"))
	for _, newClient := range world.Fronts {
		c := newClient(w, key)
		if r := world.Put(t, c, world.Ask{Model: "m", Text: "hi"}); r.Outcome() != form(c.Front(), "rejected") {
			t.Errorf("%s: %s", c.Front(), r.Outcome())
		}
		c.Close(t)
	}
	if n := w.Model.Requests(); n != int64(len(world.Fronts)) {
		t.Errorf("%d questions reached a model", n)
	}
}

func TestManyUsersOnOneConnectionAreAnsweredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const users, each = 50, 4
	for _, kind := range config.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+"channels:\n"+channel("up", kind.Name, "", "echo"))
			c := world.NewIAgent(w, key)
			ids := make([][each]string, users)
			for n := range each {
				for u := range users {
					ids[u][n] = c.Send(t, world.Ask{Model: "echo", User: fmt.Sprintf("u%d", u), Text: fmt.Sprintf("u%d m%d", u, n)})
				}
			}
			for u := range users {
				last := -1
				for n, id := range ids[u] {
					r := c.Wait(t, id)
					if want := fmt.Sprintf(`Hello, you said "u%d m%d" (n=%d)`, u, n, 2*n+1); r.Text != want {
						t.Errorf("got %s, want %q", r.Outcome(), want)
					}
					if c.At[id] < last {
						t.Errorf("user %d: message %d was answered before the one before it", u, n)
					}
					last = c.At[id]
				}
			}
			c.Close(t) // nothing more may come
			if n := w.Model.Requests(); kind.Name != "mock" && n != users*each {
				t.Errorf("the model was asked %d times", n)
			}
		})
	}
}

func TestARepeatedIAgentMessageIsAnsweredAgainButNotAskedAgain(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	defer func() { _ = ws.Close() }()
	frame := `{"chat_type":1,"msg_id":"m","timestamp":1767225600000,"sender_type":1,"sender_id":"u","receiver_id":"echo","resp_code":0,"content_type":1,"content":"hi"}`
	var got [2]string
	for i := range got {
		got[i] = exchange(t, ws, frame)
	}
	if got[0] != got[1] || !strings.Contains(got[0], `"content":"Hello, you said \"hi\" (n=1)"`) || w.Model.Requests() != 1 {
		t.Errorf("%d requests:\n%s\n%s", w.Model.Requests(), got[0], got[1])
	}
	if other := exchange(t, ws, strings.Replace(frame, `"hi"`, `"ho"`, 1)); !strings.Contains(other, `"ref_msg_id":"m"`) || !strings.Contains(other, `"resp_code":40`) {
		t.Errorf("the same id for another message: %s", other)
	}
}
