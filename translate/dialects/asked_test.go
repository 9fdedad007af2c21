package dialects

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// asked is a question of a client, and what a channel of another dialect is asked.
type asked struct {
	why      string
	from, to string
	model    string // the channel's
	body     string // without its braces and its model
	want     string // the same of what the channel is asked
	dropped  string // joined with ", "
}

// openai and anthropic questions of one word.
const (
	chatHi   = `"messages":[{"role":"user","content":"hi"}]`
	claudeHi = `"max_tokens":3000,"messages":[{"role":"user","content":"hi"}]`
)

// askedOf returns what c's channel is asked, and what is dropped; err where it is not.
func askedOf(t *testing.T, c *asked) (string, string, error) {
	t.Helper()
	var req translate.Request
	if err := named(c.from).DecodeRequest(&req, []byte(`{"model":"alias",`+c.body+`}`)); err != nil {
		return "", "", err
	}
	req.Model = c.model
	before := req.Params
	got, err := named(c.to).AppendRequest(nil, &req)
	if err != nil {
		return "", "", err
	}
	if diff := cmp.Diff(before, req.Params); diff != "" {
		t.Errorf("%s: the parameters for the next channel have changed: %s", c.why, diff)
	}
	if !json.Valid(got) {
		t.Errorf("%s: no JSON: %s", c.why, got)
	}
	text := strings.TrimSuffix(string(got), "}")
	text = strings.TrimPrefix(text, `{"model":"`+c.model+`",`)
	return text, strings.Join(req.Dropped, ", "), nil
}

func checkAsked(t *testing.T, cases []asked) {
	t.Helper()
	for _, c := range cases {
		got, dropped, err := askedOf(t, &c)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.why, got, c.want)
		}
		if dropped != c.dropped {
			t.Errorf("%s: dropped %q, want %q", c.why, dropped, c.dropped)
		}
	}
}

func TestASystemMessageAmidTheConversationStaysInItsPlaceWhereTheModelTakesIt(t *testing.T) {
	t.Parallel()
	const (
		claude     = `"max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}]`
		claudeLong = `"max_tokens":9,"system":"Be brief.","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},` +
			`{"role":"system","content":[{"type":"text","text":"d","cache_control":{"type":"ephemeral"}},{"type":"tool_addition","tool":{"name":"x"}}]},{"role":"assistant","content":"e"},{"role":"user","content":"f"}]`
		chat      = `"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"developer","content":"c"},{"role":"user","content":"d"}]`
		user, bot = `{"role":"user","content":[{"type":"text","text":"`, `{"role":"assistant","content":[{"type":"text","text":"`
		system    = `{"role":"system","content":[{"type":"text","text":"`
		end       = `"}]}`
	)
	checkAsked(t, []asked{
		{"Claude Code's first question, for an openai channel", "anthropic", "openai", "gpt-4o", claude,
			`"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}],"max_tokens":9`, ""},
		{"the same, behind a preset", "anthropic", "anthropic", "recall", claude, `"max_tokens":9,"messages":[` + user + `hi` + end + `,` + system + `Answer in French.` + end + `]`, ""},
		{"the same, for an older model", "anthropic", "anthropic", "claude-sonnet-4-5-20250929", claude, `"max_tokens":9,"system":"Answer in French.","messages":[` + user + `hi` + end + `]`, ""},
		{"the same, for a newer model", "anthropic", "anthropic", "claude-opus-4-8", claude, `"max_tokens":9,"messages":[` + user + `hi` + end + `,` + system + `Answer in French.` + end + `]`, ""},
		{"with blocks, a mark for the cache and a tool that is added", "anthropic", "openai", "gpt-4o", claudeLong,
			`"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"system","content":"d"},{"role":"assistant","content":"e"},{"role":"user","content":"f"}],"max_tokens":9`,
			"content.tool_addition, cache_control"},
		{"the same, behind a preset", "anthropic", "anthropic", "recall", claudeLong,
			`"max_tokens":9,"system":"Be brief.","messages":[` + user + `a` + end + `,` + bot + `b` + end + `,` + user + `c` + end + `,` + system + `d","cache_control":{"type":"ephemeral"}}]},` + bot + `e` + end + `,` + user + `f` + end + `]`,
			"content.tool_addition"},
		{"of an openai client, behind the user's turn, where the vendor wants it", "openai", "anthropic", "claude-opus-4-8", chat,
			`"max_tokens":4096,"system":"Be brief.","messages":[` + user + `a` + end + `,` + bot + `b` + end + `,` + user + `d` + end + `,` + system + `c` + end + `]`, ""},
		{"the same, for an older model", "openai", "anthropic", "claude-3-5-haiku-latest", chat,
			`"max_tokens":4096,"system":"Be brief.\n\nc","messages":[` + user + `a` + end + `,` + bot + `b` + end + `,` + user + `d` + end + `]`, ""},
		{"between two of the model's", "openai", "anthropic", "large", `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"c"},{"role":"assistant","content":"d"},{"role":"user","content":"e"}]`,
			`"max_tokens":4096,"system":"c","messages":[` + user + `a` + end + `,` + bot + `b"},{"type":"text","text":"d` + end + `,` + user + `e` + end + `]`, ""},
		{"two behind each other, at the end", "openai", "anthropic", "large", `"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"},{"role":"system","content":"c"}]`,
			`"max_tokens":4096,"messages":[` + user + `a` + end + `,` + system + `b"},{"type":"text","text":"c` + end + `]`, ""},
		{"an empty one", "openai", "anthropic", "large", `"messages":[{"role":"user","content":"a"},{"role":"system","content":""},{"role":"user","content":"b"}]`,
			`"max_tokens":4096,"messages":[` + user + `a"},{"type":"text","text":"b` + end + `]`, ""},
		{"behind a preset between openai and openai", "openai", "openai", "gpt-4o", chat,
			`"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"c"},{"role":"user","content":"d"}]`, ""},
	})
}

func TestWhatAModelRefusesIsLeftOutAndNamed(t *testing.T) {
	t.Parallel()
	const (
		hi      = `"messages":[{"role":"user","content":"hi"}],`
		hiC     = `,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
		budget  = claudeHi + `,"thinking":{"type":"enabled","budget_tokens":1024}`
		effort  = claudeHi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`
		most    = claudeHi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}`
		alone   = claudeHi + `,"output_config":{"effort":"medium"}`
		sampled = claudeHi + `,"temperature":0.5,"top_p":0.9,"stop_sequences":["X"]`
		chat    = chatHi + `,"temperature":0.5,"top_p":0.9,"presence_penalty":1,"frequency_penalty":1,"stop":"X","logprobs":true,"top_logprobs":2`
	)
	var cases []asked
	for _, model := range []string{"gpt-4o", "gpt-4.1-mini", "gpt-3.5-turbo", "gpt-4", "chatgpt-4o-latest", "GPT-4o", "openai/gpt-4o", "ft:gpt-4o-mini:me::1", "gpt-4.5-preview", "gpt-4-turbo"} {
		cases = append(cases,
			asked{"a budget for " + model, "anthropic", "openai", model, budget, hi + `"max_tokens":3000`, "thinking.budget_tokens, reasoning_effort"},
			asked{"an effort for " + model, "anthropic", "openai", model, effort, hi + `"max_tokens":3000`, "reasoning_effort"},
			asked{"an effort alone for " + model, "anthropic", "openai", model, alone, hi + `"max_tokens":3000`, "output_config.effort"},
			asked{"sampling for " + model, "anthropic", "openai", model, sampled, hi + `"max_tokens":3000,"temperature":0.5,"top_p":0.9,"stop":["X"]`, ""})
	}
	for _, model := range []string{"gpt-5", "o3", "o4-mini", "gpt-5-mini", "o3-pro", "gpt-5-nano-2025-08-07"} {
		cases = append(cases,
			asked{"a budget for " + model, "anthropic", "openai", model, budget, hi + `"max_completion_tokens":3000,"reasoning_effort":"low"`, "thinking.budget_tokens"},
			asked{"the most for " + model, "anthropic", "openai", model, most, hi + `"max_completion_tokens":3000,"reasoning_effort":"high"`, "reasoning_effort"},
			asked{"an effort alone for " + model, "anthropic", "openai", model, alone, hi + `"max_completion_tokens":3000,"reasoning_effort":"medium"`, ""},
			asked{"sampling for " + model, "anthropic", "openai", model, sampled, hi + `"max_completion_tokens":3000`, "temperature, top_p, stop"},
			asked{"a chat for " + model, "openai", "openai", model, chat, hi[:len(hi)-1], "temperature, top_p, presence_penalty, frequency_penalty, stop, logprobs, top_logprobs"},
			asked{"the defaults for " + model, "openai", "openai", model, chatHi + `,"temperature":1,"top_p":1.0`, hi[:len(hi)-1], ""})
	}
	cases = append(cases,
		asked{"o1 takes a stop", "anthropic", "openai", "o1", sampled, hi + `"max_completion_tokens":3000,"stop":["X"]`, "temperature, top_p"},
		asked{"o1-mini knows no effort", "anthropic", "openai", "o1-mini", effort, hi + `"max_completion_tokens":3000`, "reasoning_effort"},
		asked{"the chat model of gpt-5", "anthropic", "openai", "gpt-5-chat-latest", effort, hi + `"max_completion_tokens":3000`, "reasoning_effort"},
		asked{"it samples", "openai", "openai", "gpt-5-chat-latest", chatHi + `,"temperature":0.5`, hi + `"temperature":0.5`, ""},
		asked{"gpt-5.1 rests and samples", "openai", "openai", "gpt-5.1", chatHi + `,"temperature":0.5,"stop":"x"`, hi + `"temperature":0.5`, "stop"},
		asked{"gpt-5.2 with effort none", "openai", "openai", "gpt-5.2", chatHi + `,"temperature":0.5,"reasoning_effort":"none"`, hi + `"temperature":0.5,"reasoning_effort":"none"`, ""},
		asked{"gpt-5.1 that thinks", "openai", "openai", "gpt-5.1", chatHi + `,"temperature":0.5,"reasoning_effort":"low"`, hi + `"reasoning_effort":"low"`, "temperature"},
		asked{"gpt-5.1 is told no minimal effort", "openai", "openai", "gpt-5.1", chatHi + `,"reasoning_effort":"minimal"`, hi + `"reasoning_effort":"low"`, "reasoning_effort"},
		asked{"gpt-5 is told no none", "openai", "openai", "gpt-5", chatHi + `,"reasoning_effort":"none"`, hi[:len(hi)-1], "reasoning_effort"},
		asked{"the most of gpt-5.2", "anthropic", "openai", "gpt-5.2", most, hi + `"max_completion_tokens":3000,"reasoning_effort":"xhigh"`, "reasoning_effort"},
		asked{"a word of another vendor for who knows what", "anthropic", "openai", "qwen3", most, hi + `"max_tokens":3000,"reasoning_effort":"high"`, "reasoning_effort"},
		asked{"a word of its own for who knows what", "openai", "openai", "qwen3", chatHi + `,"reasoning_effort":"max"`, hi + `"reasoning_effort":"max"`, ""},
		asked{"an effort for who knows what", "anthropic", "openai", "deepseek-v3.2", effort, hi + `"max_tokens":3000,"reasoning_effort":"high"`, ""},
		asked{"grok-4", "openai", "openai", "grok-4-0709", chat + `,"reasoning_effort":"low"`, hi + `"temperature":0.5,"top_p":0.9,"logprobs":true,"top_logprobs":2`, "reasoning_effort, presence_penalty, frequency_penalty, stop"},

		asked{"a claude that thinks by itself, of an effort", "openai", "anthropic", "claude-opus-4-8", chatHi + `,"reasoning_effort":"high","max_tokens":30000`,
			`"max_tokens":30000` + hiC + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`, ""},
		asked{"one that takes a budget", "openai", "anthropic", "claude-sonnet-4-5", chatHi + `,"reasoning_effort":"high","max_tokens":30000`,
			`"max_tokens":30000` + hiC + `,"thinking":{"type":"enabled","budget_tokens":16384}`, ""},
		asked{"one that thinks by itself, of a budget", "anthropic", "anthropic", "claude-opus-4-7", budget, `"max_tokens":3000` + hiC + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`, "thinking.budget_tokens"},
		asked{"sampling of one that chooses it", "openai", "anthropic", "us.anthropic.claude-opus-4-7-v1:0", chatHi + `,"temperature":0.5,"top_p":0.9,"top_k":5`,
			`"max_tokens":4096` + hiC, "temperature, top_p, top_k"},
		asked{"an effort without thinking, behind a preset", "anthropic", "anthropic", "claude-opus-4-5", alone, `"max_tokens":3000` + hiC + `,"output_config":{"effort":"medium"}`, ""},
		asked{"one that knows no effort", "anthropic", "anthropic", "claude-sonnet-4-5", alone, `"max_tokens":3000` + hiC, "reasoning_effort"},
		asked{"one that knows some words", "anthropic", "anthropic", "claude-opus-4-6", claudeHi + `,"output_config":{"effort":"xhigh"}`, `"max_tokens":3000` + hiC + `,"output_config":{"effort":"high"}`, "reasoning_effort"},
		asked{"one that nobody knows", "anthropic", "anthropic", "my-claude", claudeHi + `,"output_config":{"effort":"xhigh"}`, `"max_tokens":3000` + hiC + `,"output_config":{"effort":"xhigh"}`, ""},
		asked{"gpt-5.3-codex cannot rest", "openai", "openai", "gpt-5.3-codex", chatHi + `,"reasoning_effort":"none"`, hi[:len(hi)-1], "reasoning_effort"},
		asked{"a grok that does not reason", "openai", "openai", "grok-4-fast-non-reasoning", chatHi + `,"stop":"x","reasoning_effort":"low"`, hi + `"stop":["x"]`, "reasoning_effort"},
		asked{"a grok that nobody knows", "openai", "openai", "grok-4.9", chatHi + `,"stop":"x","reasoning_effort":"low"`, hi + `"stop":["x"],"reasoning_effort":"low"`, ""},
		asked{"any JSON", "openai", "anthropic", "large", chatHi + `,"response_format":{"type":"json_object"}`,
			`"max_tokens":4096,"system":"Answer with one JSON object and nothing else: no words before or after it and no code fence."` + hiC, ""},
	)
	checkAsked(t, cases)
}

func TestTheConfigurationOfAChannelOutweighsWhatIsKnownOfItsModel(t *testing.T) {
	t.Parallel()
	temperature := 0.5
	req := translate.Request{
		Dialect: "anthropic", Model: "gpt-4o", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")},
		Params: translate.Params{Temperature: &temperature, ReasoningEffort: "max", Stop: []string{"x"}},
		Takes:  translate.RefusesEffort, Refuses: translate.RefusesStop, Efforts: []string{"low", "max"},
	}
	got, err := named("openai").AppendRequest(nil, &req)
	if want := `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"reasoning_effort":"max"}`; err != nil || string(got) != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	if diff := cmp.Diff([]string{"stop"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

const (
	pdfSource = `{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"}`
	see       = `{"type":"text","text":"see"}`
)

// claudeUser is a question of an anthropic client with these blocks, chatUser one of an openai client.
func claudeUser(blocks string) string {
	return `"max_tokens":99,"messages":[{"role":"user","content":[` + blocks + `]}]`
}

func chatUser(parts string) string { return `"messages":[{"role":"user","content":[` + parts + `]}]` }

func TestDocumentsAndFilesAreToldInBothVendorsWords(t *testing.T) {
	t.Parallel()
	const pdfPart = `{"type":"file","file":{"filename":"T.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjQK"}}`
	const text = `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"body"},"title":"T","context":"C","citations":{"enabled":true}}`
	const found = `{"type":"search_result","source":"u","title":"T","content":[{"type":"text","text":"found it"}]}`
	chatted := func(parts string) string { return chatUser(parts) + `,"max_tokens":99` }
	said := func(text string) string {
		return `"messages":[{"role":"user","content":"` + text + `"}],"max_tokens":99`
	}
	checkAsked(t, []asked{
		{"a PDF", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":` + pdfSource + `,"title":"T"},` + see), chatted(pdfPart + `,` + see), ""},
		{"a PDF alone", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":` + pdfSource + `}`), chatted(strings.Replace(pdfPart, "T.pdf", "document.pdf", 1)), ""},
		{"a PDF with a context, to be cited", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":` + pdfSource + `,"title":"T","context":"C","citations":{"enabled":true}},` + see), chatted(pdfPart + `,` + see), "content.document.context, citations"},
		{"a file", "openai", "anthropic", "large", chatUser(pdfPart + `,` + see), `"max_tokens":4096,"messages":[{"role":"user","content":[{"type":"document","source":` + pdfSource + `,"title":"T.pdf"},` + see + `]}]`, ""},
		{"a file that is bare base64", "openai", "anthropic", "large", chatUser(`{"type":"file","file":{"filename":"T.pdf","file_data":"JVBERi0xLjQK"}}`), `"max_tokens":4096,"messages":[{"role":"user","content":[{"type":"document","source":` + pdfSource + `,"title":"T.pdf"}]}]`, ""},
		{"a file of text", "openai", "anthropic", "large", chatUser(`{"type":"file","file":{"filename":"a.md","file_data":"data:text/markdown;base64,Ym9keQ=="}}`),
			`"max_tokens":4096,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"body"},"title":"a.md"}]}]`, ""},
		{"a text document", "anthropic", "openai", "gpt-4o", claudeUser(text + `,` + see), said(`Title: T\nContext: C\n\nbody\nsee`), "citations"},
		{"the same, behind a preset", "anthropic", "anthropic", "large", claudeUser(text + `,` + see), claudeUser(text + `,` + see), ""},
		{"a text document for rest", "anthropic", "rest", "m", claudeUser(text), `{"message":"Title: T\nContext: C\n\nbody","userId":"dragoman","preset":"m"`, "citations, max_tokens"},
		{"a document in blocks", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}`), said(`a\nb`), ""},
		{"citations that are off", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a"},"citations":{"enabled":false}}`), said(`a`), ""},
		{"what a search found", "anthropic", "openai", "gpt-4o", claudeUser(found + `,` + see), said(`Title: T\nSource: u\n\nfound it\nsee`), ""},
		{"that alone", "anthropic", "openai", "gpt-4o", claudeUser(found), said(`Title: T\nSource: u\n\nfound it`), ""},
		{"that, behind a preset", "anthropic", "anthropic", "large", claudeUser(found), claudeUser(found), ""},
		{"that, of a tool", "anthropic", "openai", "gpt-4o",
			`"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[` + found + `,{"type":"tool_reference","tool_name":"g"}]}]}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"Title: T\nSource: u\n\nfound it\ntool: g"}],"max_tokens":9`, ""},
		{"a PDF of a tool", "anthropic", "openai", "gpt-4o",
			`"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[` + see + `,{"type":"document","source":` + pdfSource + `,"title":"T"}]}]}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"see"},{"role":"user","content":[` + pdfPart + `]}],"max_tokens":9`, ""},
		{"files, sounds and ids behind a preset", "openai", "openai", "gpt-4o", chatUser(pdfPart + `,{"type":"file","file":{"file_id":"file-1"}},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}`),
			chatUser(pdfPart + `,{"type":"file","file":{"file_id":"file-1"}},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}`), ""},
		{"the same behind a preset of anthropic", "anthropic", "anthropic", "large", claudeUser(`{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"image","source":{"type":"file","file_id":"file_2"}},{"type":"document","source":{"type":"url","url":"https://a.example/b.pdf"}}`),
			claudeUser(`{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"image","source":{"type":"file","file_id":"file_2"}},{"type":"document","source":{"type":"url","url":"https://a.example/b.pdf"}}`), ""},
		{"ids beside a text", "anthropic", "openai", "gpt-4o", claudeUser(`{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"image","source":{"type":"file","file_id":"file_2"}},{"type":"document","source":{"type":"url","url":"https://a.example/b.pdf"}},` + see), said(`see`),
			"content.document.file_id, content.image.file, content.document.url"},
		{"a sound beside a text", "openai", "anthropic", "large", chatUser(`{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}},` + see), strings.Replace(claudeUser(see), "99", "4096", 1), "content.input_audio"},
		{"images under other names", "openai", "anthropic", "large", chatUser(`{"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD"}},{"type":"image_url","image_url":{"url":"data:image/JPEG;base64,QUJD"}},{"type":"image_url","image_url":{"url":"data:image/pjpeg;base64,QUJD"}},{"type":"image_url","image_url":{"url":"data:image/x-png;base64,QUJD"}}`),
			strings.Replace(claudeUser(strings.Repeat(`{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QUJD"}},`, 3)+`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}`), "99", "4096", 1), ""},
	})
}

func TestAQuestionOfWhichNothingIsLeftIsRefusedByTheNameOfThePart(t *testing.T) {
	t.Parallel()
	const earlier = `"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]`
	for _, c := range []struct{ from, to, body, want string }{
		{"anthropic", "openai", claudeUser(`{"type":"document","source":{"type":"file","file_id":"f"}}`), "content.document.file_id"},
		{"anthropic", "openai", claudeUser(`{"type":"image","source":{"type":"file","file_id":"f"}}`), "content.image.file"},
		{"anthropic", "openai", claudeUser(`{"type":"container_upload","file_id":"f"}`), "content.container_upload"},
		{"anthropic", "openai", earlier, "content.image.file"},
		{"anthropic", "openai", claudeUser(`{"type":"search_result","source":"u","title":"T","content":[]}`), "content.search_result"},
		{"openai", "anthropic", chatUser(`{"type":"file","file":{"file_id":"f"}}`), "content.document.file_id"},
		{"openai", "anthropic", chatUser(`{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}`), "content.input_audio"},
		{"openai", "anthropic", chatUser(`{"type":"file","file":{"filename":"a.docx","file_data":"data:application/msword;base64,QUJD"}}`), "application/msword"},
		{"openai", "anthropic", chatUser(`{"type":"image_url","image_url":{"url":"data:image/svg+xml;base64,QUJD"}},{"type":"text","text":"x"}`), "image/svg+xml"},
		{"openai", "anthropic", chatUser(`{"type":"image_url","image_url":{"url":"data:image/bmp;base64,QUJD"}}`), "image/bmp"},
		{"anthropic", "rest", claudeUser(`{"type":"document","source":` + pdfSource + `}`), "content.document"},
		{"anthropic", "chatnio", claudeUser(`{"type":"document","source":` + pdfSource + `}`), "content.document"},
		{"anthropic", "iagent", claudeUser(`{"type":"document","source":` + pdfSource + `}`), "content.document"},
	} {
		var req translate.Request
		if err := named(c.from).DecodeRequest(&req, []byte(`{"model":"m",`+c.body+`}`)); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		got, err := named(c.to).AppendRequest(nil, &req)
		var e *translate.Error
		if !errors.As(err, &e) || e.Code != translate.CodeValidation || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s for %s: %s, %v, want an error that names %s", c.body, c.to, got, err, c.want)
		}
	}
}

func TestTheNamesOfToolsAreShortenedAndPutBack(t *testing.T) {
	t.Parallel()
	long := "mcp__" + strings.Repeat("server_", 8) + "_tool_first" // 72
	other := "mcp__" + strings.Repeat("server_", 8) + "_tool_other"
	short := translate.ShortName(long, 64)
	if len(short) != 64 || short == translate.ShortName(other, 64) || translate.ShortName("f", 64) != "f" {
		t.Fatalf("%q", short)
	}
	tools := `"tools":[{"name":"` + long + `","input_schema":{"type":"object","properties":{}}},{"name":"` + other + `","input_schema":{"type":"object","properties":{}}},{"name":"f","input_schema":{"type":"object","properties":{}}}]`
	body := `"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"` + long + `","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"x"}]}],` +
		tools + `,"tool_choice":{"type":"tool","name":"` + long + `"}`
	var req translate.Request
	if err := named("anthropic").DecodeRequest(&req, []byte(`{"model":"m",`+body+`}`)); err != nil {
		t.Fatal(err)
	}
	got, err := named("openai").AppendRequest(nil, &req)
	if err != nil || strings.Contains(string(got), long) || strings.Contains(string(got), other) || strings.Count(string(got), short) != 3 {
		t.Errorf("%s %v, want %s in the call, the tools and the choice", got, err, short)
	}
	for _, stream := range []bool{false, true} {
		dec := named("openai").NewDecoder(&req)
		call := func(name string) string {
			return `{"id":"c` + strconv.Itoa(len(name)) + `","type":"function","function":{"name":"` + name + `","arguments":"{}"}}`
		}
		calls := `"tool_calls":[` + call(short) + `,` + call("f") + `]`
		var evs []translate.Event
		if stream {
			for _, frame := range []string{`{"choices":[{"index":0,"delta":{` + calls + `}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, `[DONE]`} {
				var err error
				if evs, err = dec.Decode(evs, []byte(frame)); err != nil {
					t.Fatal(err)
				}
			}
		} else if evs, err = dec.DecodeWhole(nil, 200, []byte(`{"choices":[{"index":0,"message":{"role":"assistant",`+calls+`},"finish_reason":"tool_calls"}]}`)); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, ev := range evs {
			if ev.Kind == translate.KindToolStart {
				names = append(names, string(ev.Name))
			}
		}
		if diff := cmp.Diff([]string{long, "f"}, names); diff != "" {
			t.Errorf("stream %v: %s", stream, diff)
		}
	}
	if got, _ := named("anthropic").AppendRequest(nil, &req); !strings.Contains(string(got), long) {
		t.Errorf("anthropic takes it as it is: %s", got)
	}
}

func TestNamesAndIdsThatAVendorRefusesAreToldOtherwise(t *testing.T) {
	t.Parallel()
	const odd = `"tools":[{"type":"function","function":{"name":"a.b"}},{"type":"function","function":{"name":"a b"}},{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"a.b"}}`
	long := "functions." + strings.Repeat("x", 40) + ":0"
	body := `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"` + long + `","type":"function","function":{"name":"a.b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"` + long + `","content":"r"}],` + odd + `}`
	var req translate.Request
	if err := named("openai").DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	told := translate.PlainName("a.b", 128)
	if told == translate.PlainName("a b", 128) || strings.ContainsAny(told, ". ") || translate.PlainName("f", 128) != "f" || len(translate.PlainName(strings.Repeat("é", 200), 128)) != 128 {
		t.Fatalf("%q", told)
	}
	got, err := named("anthropic").AppendRequest(nil, &req)
	if err != nil || strings.Contains(string(got), `"a.b"`) || strings.Contains(string(got), `"a b"`) || strings.Count(string(got), `"`+told+`"`) != 3 {
		t.Errorf("%s %v, want %s in the call, the tools and the choice", got, err, told)
	}
	evs, err := named("anthropic").NewDecoder(&req).DecodeWhole(nil, 200, []byte(`{"id":"m","type":"message","role":"assistant","content":[{"type":"tool_use","id":"t","name":"`+told+`","input":{}}],"stop_reason":"tool_use"}`))
	if err != nil || string(evs[1].Name) != "a.b" {
		t.Errorf("%+v %v", evs, err)
	}
	for model, want := range map[string]int{"kimi-k2": 2, "gpt-oss-120b": 2, "gpt-4o": 0, "openai/gpt-5": 0, "o3": 0} {
		req.Model = model
		got, err := named("openai").AppendRequest(nil, &req)
		short := translate.ShortID(long, 40)
		if err != nil || strings.Count(string(got), long) != want || strings.Count(string(got), short) != 2-want || len(short) > 40 {
			t.Errorf("%s: %s %v", model, got, err)
		}
	}
}

func TestTheSchemasOfToolsAreObjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ parameters, want, dropped string }{
		{`{}`, `{"type":"object","properties":{}}`, ""},
		{`{"properties":{}}`, `{"type":"object","properties":{}}`, ""},
		{`{"type":"object"}`, `{"type":"object"}`, ""},
		{`{"type":null}`, `{"properties":{},"type":"object"}`, ""},
		{`{"type":["object","null"],"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"string"}},"type":"object"}`, ""},
		{`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"},"c":{}},"required":["a","c"]},{"type":"object","properties":{"b":{"type":"string"},"c":{}},"required":["b","c"]}]}`,
			`{"properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{}},"required":["c"],"type":"object"}`, "input_schema.anyOf"},
		{`{"type":"object","allOf":[{"properties":{"a":{}},"required":["a"]},{"$ref":"#/$defs/x"}],"$defs":{"x":{"properties":{"b":{}},"required":["b"]}}}`,
			`{"$defs":{"x":{"properties":{"b":{}},"required":["b"]}},"properties":{"a":{},"b":{}},"required":["a","b"],"type":"object"}`, "input_schema.allOf"},
		{`{"oneOf":7}`, `{"properties":{},"type":"object"}`, "input_schema.oneOf"},
	} {
		var req translate.Request
		if err := named("openai").DecodeRequest(&req, []byte(`{"model":"m",`+chatHi+`,"tools":[{"type":"function","function":{"name":"f","parameters":`+c.parameters+`}}]}`)); err != nil {
			t.Fatal(err)
		}
		got, err := named("anthropic").AppendRequest(nil, &req)
		if err != nil || !strings.Contains(string(got), `"input_schema":`+c.want+`}`) || strings.Join(req.Dropped, ", ") != c.dropped {
			t.Errorf("%s: %s %v dropped %v, want %s %s", c.parameters, got, err, req.Dropped, c.want, c.dropped)
		}
	}
}

func TestToolsThatTheClientRunsAreFunctionsElsewhere(t *testing.T) {
	t.Parallel()
	const tools = `"tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"str_replace_based_edit_tool","max_characters":9},{"type":"memory_20250818","name":"memory"},{"type":"web_search_20250305","name":"web_search"}]`
	var req translate.Request
	if err := named("anthropic").DecodeRequest(&req, []byte(`{"model":"m",`+claudeHi+`,`+tools+`}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tools.web_search_20250305"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
	got, err := named("openai").AppendRequest(nil, &req)
	for _, want := range []string{`"name":"bash","description":`, `"name":"str_replace_based_edit_tool"`, `"name":"memory"`, `"command":{"type":"string"`, `"required":["command","path"]`} {
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
	got, err = named("anthropic").AppendRequest(nil, &req)
	if want := strings.Replace(tools, `,{"type":"web_search_20250305","name":"web_search"}`, "", 1); err != nil || !strings.Contains(string(got), want) {
		t.Errorf("behind a preset: %s %v, want %s", got, err, want)
	}
}
