package front_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

const otherKey = "sk-of-bob-000000"

// twoCallers are alice and bob.
const twoCallers = "callers: {keys: [{name: alice, key: " + key + "}, {name: bob, key: " + otherKey + "}]}\n"

// response is what matters of a response object.
type response struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Previous string `json:"previous_response_id"`
	Output   []struct {
		ID, Type, Role, Name, Arguments, Input string
		CallID                                 string `json:"call_id"`
		Content                                []struct{ Text string }
	} `json:"output"`
	Conversation *struct{ ID string }                   `json:"conversation"`
	Error        *struct{ Code, Param, Message string } `json:"error"`
	Data         []struct {
		ID, Type, Role string
		Content        []struct{ Text string }
	} `json:"data"`
	First   string `json:"first_id"`
	Last    string `json:"last_id"`
	More    bool   `json:"has_more"`
	Deleted bool   `json:"deleted"`
}

func (r *response) text() (all string) {
	for _, o := range r.Output {
		for _, c := range o.Content {
			all += c.Text
		}
	}
	return all
}

// responds asks the responses front for a path, with the key of a caller.
func responds(t *testing.T, w *world.World, as, method, path, body string) (int, *response) {
	t.Helper()
	status, _, said := w.Do(t, method, path, body, "Content-Type", "application/json", "Authorization", "Bearer "+as)
	var r response
	if err := json.Unmarshal([]byte(said), &r); err != nil {
		t.Fatalf("%s %s: %d %s", method, path, status, said)
	}
	return status, &r
}

// put asks and expects an answer.
func responded(t *testing.T, w *world.World, body string) *response {
	t.Helper()
	status, r := responds(t, w, key, "POST", "/v1/responses", body)
	if status != 200 || r.Status != "completed" {
		t.Fatalf("%s: %d %+v", body, status, r.Error)
	}
	return r
}

func TestFiveTurnsGoOnFromThePreviousResponseOverEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, twoCallers+"channels:\n"+channel("up", kind.Name, "", "recall"))
			var before *response
			for n := 1; n <= 5; n++ {
				body := fmt.Sprintf(`{"model":"recall","input":"turn %d"}`, n)
				if before != nil {
					body = fmt.Sprintf(`{"model":"recall","previous_response_id":%q,"input":"turn %d"}`, before.ID, n)
				}
				r := responded(t, w, body)
				for said := 1; said <= n; said++ {
					if !strings.Contains(r.text(), fmt.Sprintf("turn %d", said)) {
						t.Fatalf("turn %d is told %q", n, r.text())
					}
				}
				if before != nil && r.Previous != before.ID {
					t.Errorf("turn %d goes on from %q, want %q", n, r.Previous, before.ID)
				}
				before = r
			}
			conversations := storedTalks(t, w)
			if len(conversations) != 1 || conversations[0].Count != 10 {
				t.Errorf("rest lists %+v, want one conversation of ten messages", conversations)
			}
		})
	}
}

// conversationOf is a conversation in rest's list.
type conversationOf struct {
	ID    string `json:"id"`
	Count int    `json:"messageCount"`
}

func storedTalks(t *testing.T, w *world.World) []conversationOf {
	t.Helper()
	_, _, said := w.Do(t, "GET", "/api/conversations", "", "Authorization", "Bearer "+key)
	var list struct {
		Conversations []conversationOf
		Data          struct{ Conversations []conversationOf }
	}
	if err := json.Unmarshal([]byte(said), &list); err != nil {
		t.Fatal(err, said)
	}
	return append(list.Conversations, list.Data.Conversations...)
}

func TestAResponseThatIsContinuedTwiceIsForkedWithWhatBothShare(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "recall"))
	one := responded(t, w, `{"model":"recall","input":"one","instructions":"Be brief."}`)
	left := responded(t, w, `{"model":"recall","input":"left","previous_response_id":"`+one.ID+`"}`)
	right := responded(t, w, `{"model":"recall","input":"right","previous_response_id":"`+one.ID+`"}`)
	if strings.HasPrefix(left.text(), "system:") {
		t.Errorf("the instructions were carried over: %s", left.text())
	}
	if !strings.Contains(right.text(), "one") || strings.Contains(right.text(), "left") {
		t.Errorf("the fork is told %q", right.text())
	}
	again := responded(t, w, `{"model":"recall","input":"more","previous_response_id":"`+left.ID+`"}`)
	if !strings.Contains(again.text(), "left") || strings.Contains(again.text(), "right") {
		t.Errorf("the first branch is told %q", again.text())
	}
	if got := storedTalks(t, w); len(got) != 2 {
		t.Errorf("there are %+v, want two conversations", got)
	}
}

func TestAStoredResponseIsReadListedAndDeletedByItsCallerAlone(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo"))
	one := responded(t, w, `{"model":"echo","input":"one"}`)
	two := responded(t, w, `{"model":"echo","input":[{"role":"user","content":[{"type":"input_text","text":"two"}]}],"previous_response_id":"`+one.ID+`"}`)
	path := "/v1/responses/" + two.ID
	if status, r := responds(t, w, key, "GET", path, ""); status != 200 || r.ID != two.ID || r.text() != two.text() || r.Previous != one.ID || r.Output[0].ID != two.Output[0].ID {
		t.Errorf("read as %d %+v, want %+v", status, r, two)
	}
	status, r := responds(t, w, key, "GET", path+"/input_items?limit=2", "")
	if status != 200 || len(r.Data) != 2 || !r.More || r.Data[0].Content[0].Text != "two" || r.Data[1].ID != one.Output[0].ID || r.First != r.Data[0].ID || r.Last != r.Data[1].ID {
		t.Errorf("items: %d %+v", status, r)
	}
	if status, r := responds(t, w, key, "GET", path+"/input_items?limit=2&after="+r.Last, ""); status != 200 || len(r.Data) != 1 || r.More || r.Data[0].Content[0].Text != "one" {
		t.Errorf("the rest of the items: %d %+v", status, r)
	}
	if status, r := responds(t, w, key, "GET", path+"/input_items?order=asc", ""); status != 200 || len(r.Data) != 3 || r.Data[0].Role != "user" || r.Data[0].Content[0].Text != "one" {
		t.Errorf("the items in their order: %d %+v", status, r)
	}
	for _, bad := range []string{"?limit=0", "?limit=101", "?order=up", "?after=nobody"} {
		if status, _ := responds(t, w, key, "GET", path+"/input_items"+bad, ""); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, r := responds(t, w, key, "GET", path+"?stream=true", ""); status != 400 || !strings.Contains(r.Error.Message, "not streamed again") {
		t.Errorf("streamed again: %d %+v", status, r.Error)
	}
	// Another caller's is as unknown as none.
	for _, c := range [][3]string{{"GET", "", ""}, {"DELETE", "", ""}, {"GET", "/input_items", ""}} {
		foreign, a := responds(t, w, otherKey, c[0], path+c[1], "")
		none, b := responds(t, w, otherKey, c[0], "/v1/responses/resp_none"+c[1], "")
		if foreign != 404 || none != 404 || strings.Replace(a.Error.Message, two.ID, "resp_none", 1) != b.Error.Message {
			t.Errorf("%s: %d %+v, and %d %+v", c[0], foreign, a.Error, none, b.Error)
		}
	}
	for _, id := range []string{two.ID, "resp_none", "none", one.ID + "1"} {
		status, r := responds(t, w, otherKey, "POST", "/v1/responses", `{"model":"echo","input":"x","previous_response_id":"`+id+`"}`)
		if status != 400 || r.Error.Code != "previous_response_not_found" || r.Error.Param != "previous_response_id" {
			t.Errorf("another caller goes on from %s: %d %+v", id, status, r.Error)
		}
	}
	if status, r := responds(t, w, key, "DELETE", "/v1/responses/"+one.ID, ""); status != 200 || !r.Deleted || r.ID != one.ID {
		t.Errorf("deleted: %d %+v", status, r)
	}
	if status, _ := responds(t, w, key, "GET", "/v1/responses/"+one.ID, ""); status != 404 {
		t.Errorf("the deleted one is %d", status)
	}
	if status, r := responds(t, w, key, "GET", path, ""); status != 200 || r.text() != two.text() || r.Previous != "" {
		t.Errorf("the other one is %d %+v", status, r)
	}
	if status, _ := responds(t, w, key, "DELETE", path, ""); status != 200 || len(storedTalks(t, w)) != 0 {
		t.Errorf("the last one: %d, and there is %+v", status, storedTalks(t, w))
	}
}

func TestWhatIsNotToBeStoredIsNotAndMayGoOnFromWhatIs(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "anthropic", "", "recall"))
	lone := responded(t, w, `{"model":"recall","input":"lone","store":false}`)
	if status, _ := responds(t, w, key, "GET", "/v1/responses/"+lone.ID, ""); status != 404 || len(storedTalks(t, w)) != 0 {
		t.Errorf("it was stored: %d, %+v", status, storedTalks(t, w))
	}
	one := responded(t, w, `{"model":"recall","input":"one"}`)
	aside := responded(t, w, `{"model":"recall","input":"aside","store":false,"instructions":"Be brief.","previous_response_id":"`+one.ID+`"}`)
	if !strings.Contains(aside.text(), "Be brief") || !strings.Contains(aside.text(), "one") {
		t.Errorf("it is told %q", aside.text())
	}
	if got := storedTalks(t, w); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("stored is %+v", got)
	}
}

func TestAConversationIsNamedBesideNoPreviousResponse(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"presets: {default: {model: recall}}\nchannels:\n"+channel("up", "openai", "", "recall"))
	w.Do(t, "POST", "/api/chat", `{"userId":"u","message":"of rest"}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
	id := storedTalks(t, w)[0].ID
	for _, form := range []string{`"` + id + `"`, `{"id":"` + id + `"}`} {
		r := responded(t, w, `{"model":"recall","input":"of responses","conversation":`+form+`}`)
		if !strings.Contains(r.text(), "of rest") || r.Conversation == nil || r.Conversation.ID != id {
			t.Errorf("it is told %q of %+v", r.text(), r.Conversation)
		}
	}
	if got := storedTalks(t, w); len(got) != 1 || got[0].Count != 6 {
		t.Errorf("there is %+v", got)
	}
	status, r := responds(t, w, key, "POST", "/v1/responses", `{"model":"recall","input":"x","conversation":"`+id+`","previous_response_id":"resp_1"}`)
	if status != 400 || r.Error.Param != "conversation" {
		t.Errorf("both: %d %+v", status, r.Error)
	}
	if status, r := responds(t, w, otherKey, "POST", "/v1/responses", `{"model":"recall","input":"x","conversation":"`+id+`"}`); status != 404 || r.Error.Param != "conversation" {
		t.Errorf("another caller: %d %+v", status, r.Error)
	}
}

func TestAToolsResultGoesOnFromTheResponseThatCalledIt(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"openai", "anthropic", "responses"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, twoCallers+"channels:\n"+channel("up", kind, "", "tool"))
			const tools = `"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}}]`
			one := responded(t, w, `{"model":"tool","input":"weather?",`+tools+`}`)
			last := one.Output[len(one.Output)-1]
			if last.Type != "function_call" || last.Name != "look" || !json.Valid([]byte(last.Arguments)) {
				t.Fatalf("no call: %+v", one.Output)
			}
			two := responded(t, w, `{"model":"tool","previous_response_id":"`+one.ID+`","input":[{"type":"function_call_output","call_id":"`+last.CallID+`","output":"sunny"}],`+tools+`}`)
			if !strings.Contains(two.text(), "sunny") {
				t.Errorf("the result did not arrive: %q", two.text())
			}
			// What clients do that keep references to stored items.
			three := responded(t, w, `{"model":"tool","input":[{"role":"user","content":"weather?"},{"type":"item_reference","id":"`+last.ID+`"},{"type":"function_call_output","call_id":"`+last.CallID+`","output":"rainy"}],`+tools+`}`)
			if !strings.Contains(three.text(), "rainy") {
				t.Errorf("the result of a referred call did not arrive: %q", three.text())
			}
			status, r := responds(t, w, key, "POST", "/v1/responses", `{"model":"tool","input":[{"type":"item_reference","id":"msg_none"}]}`)
			if status != 404 || r.Error.Param != "input" {
				t.Errorf("a reference to nothing: %d %+v", status, r.Error)
			}
		})
	}
}

// The members of a question that say nothing of where it belongs reach a channel of this dialect byte for
// byte, also where the question is stored and where it goes on from a stored one.
func TestWhatAStoredQuestionSaysReachesAChannelOfItsDialectByteForByte(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "responses", "", "echo"))
	members := []string{
		`"metadata": { "a":"b" ,"c": "\u00e4" }`, `"service_tier":  "flex"`, `"include":[ "file_search_call.results" , "message.output_text.logprobs" ]`,
		`"x_unknown": [1, 2.50,{"y":null}]`, `"top_logprobs": 3`, `"safety_identifier":"s\u002f1"`, `"prompt_cache_key": "k"`, `"truncation":"auto"`,
		`"tools":[ {"name":"look" ,"type":"function","parameters":{"type":"object" },"x":1}, { "type":"web_search" } ]`, `"tool_choice" : "auto"`, `"parallel_tool_calls": true`,
		`"text": {"verbosity":"low", "format":{ "type":"text" }}`, `"reasoning":{"summary":"auto" }`,
	}
	previous := ""
	for _, store := range []string{"", `"store":true,`, `"store":false,`} {
		for _, stream := range []bool{false, true} {
			body := fmt.Sprintf(`{"model":"echo",%s%s"stream":%v,"input":[{"role":"user","content":"hi"}],%s}`, store, previous, stream, strings.Join(members, ", "))
			status, _, said := w.Do(t, "POST", "/v1/responses", body, "Content-Type", "application/json", "Authorization", "Bearer "+key)
			if status != 200 {
				t.Fatalf("%d %s", status, said)
			}
			if !stream && previous == "" {
				var r response
				if err := json.Unmarshal([]byte(said), &r); err != nil || r.ID == "" {
					t.Fatalf("%s: %v", said, err)
				}
				previous = `"previous_response_id":"` + r.ID + `",`
			}
			seen := w.Model.Seen()
			sent := seen[len(seen)-1].Body
			if !json.Valid([]byte(sent)) || !strings.Contains(sent, `"store":false`) || strings.Contains(sent, "previous_response_id") {
				t.Errorf("the channel was sent %s", sent)
			}
			for _, m := range members {
				name, value, _ := strings.Cut(m, ":")
				if name = strings.TrimSpace(name); !strings.Contains(strings.ReplaceAll(sent, name+" :", name+":"), name+":"+strings.TrimSpace(value)) && !strings.Contains(sent, m) || strings.Count(sent, name+":")+strings.Count(sent, name+" :") != 1 {
					t.Errorf("%s stream %v: %s is not in %s", store, stream, m, sent)
				}
			}
		}
	}
}

// Each process remembers the conversation as it left it; the other one has gone on since.
func TestResponsesOfTwoProcessesAreOneConversation(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	text := twoCallers + "store: {url: \"" + url + "\"}\nchannels:\n" + channel("up", "openai", "", "recall")
	worlds := []*world.World{world.Beside(t, text, postgres.Open), world.Beside(t, text, postgres.Open)}
	previous := ""
	for n := range 6 {
		body := fmt.Sprintf(`{"model":"recall","input":"turn %d"%s}`, n, previous)
		previous = `,"previous_response_id":"` + responded(t, worlds[n%2], body).ID + `"`
	}
	if all := storedTalks(t, worlds[0]); len(all) != 1 || all[0].Count != 12 {
		t.Errorf("rest lists %+v, want one conversation of twelve messages", all)
	}
}
