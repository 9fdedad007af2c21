package front_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
	"github.com/dragoman-gateway/dragoman/translate/openai"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// generated puts text between the marks of a document, and compares or rewrites it.
func generated(t *testing.T, name, mark, text string) {
	t.Helper()
	file := "../../docs/" + name + ".md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- generated: "+mark+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- end -->")
	if !ok || !closed {
		t.Fatalf("%s has no marks for %s", file, mark)
	}
	compareFile(t, file, before+"<!-- generated: "+mark+" -->\n"+text+"<!-- end -->"+after)
}

func TestTheWireDocumentsListTheLossesOfTheCode(t *testing.T) {
	for name, losses := range dialects.Losses {
		text := ""
		for _, of := range []string{"request", "answer", "error"} {
			for _, l := range losses {
				if what, ok := strings.CutPrefix(l, of+": "); ok {
					text += "- " + of + ": " + what + "\n"
				}
			}
		}
		if strings.Count(text, "\n") != len(losses) {
			t.Errorf("%s: a loss is neither of a request nor of an answer nor of an error", name)
		}
		generated(t, name, "losses", text)
	}
}

// failuresShown are the rows of the tables of errors, in the order of their statuses.
var failuresShown = []struct {
	err  translate.Error
	when string
}{
	{translate.Error{Code: translate.CodeValidation}, "the question is not JSON, or a member is missing or wrong"},
	{translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Upstream: &translate.Refusal{Status: 400, Type: "invalid_request_error", Code: "context_length_exceeded", Param: "messages", Message: "M"}}, "the channel refused the question; for example"},
	{translate.Error{Code: translate.CodeUnauthorized}, "no key, and anonymous callers are not admitted"},
	{translate.Error{Code: translate.CodeInvalidToken}, "an unknown key"},
	{translate.Error{Code: translate.CodeTokenExpired}, "a key that was good once"},
	{translate.Error{Code: translate.CodePermission}, "this key may not do that"},
	{translate.Error{Code: translate.CodeModelNotFound}, "no such model, or not for this key"},
	{translate.Error{Code: translate.CodeNotFound}, "no such route"},
	{translate.Error{Code: translate.CodeMethod}, "with `Allow`"},
	{translate.Error{Code: translate.CodeInProgress}, "the same `Idempotency-Key` is still being answered"},
	{translate.Error{Code: translate.CodeTooLarge}, "more than the configured `max_body`"},
	{translate.Error{Code: translate.CodeMediaType}, "a body whose `Content-Type` is given and not JSON"},
	{translate.Error{Code: translate.CodeKeyReused}, "the same `Idempotency-Key` with another body"},
	{translate.Error{Code: translate.CodeRateLimited}, "a limit, or every channel is throttled"},
	{translate.Error{Code: translate.CodeRateLimited, Spent: &translate.Spent{}}, "the caller's budget is used up; `Retry-After` says when the next period begins"},
	{translate.Error{Code: translate.CodeInternal}, "our fault, or the store's"},
	{translate.Error{Code: translate.CodeModel}, "the model failed, answered nonsense or nothing"},
	{translate.Error{Code: translate.CodeUnavailable}, "no channel can take it, or the gateway stops"},
	{translate.Error{Code: translate.CodeModel, Timeout: true}, "the model was too slow"},
}

// errorObject is what the two vendors' errors have in common.
type errorObject struct {
	Error struct {
		Type string  `json:"type"`
		Code *string `json:"code"`
	} `json:"error"`
}

func (o *errorObject) code() string {
	if o.Error.Code == nil {
		return ""
	}
	return "`" + *o.Error.Code + "`"
}

func TestTheWireDocumentsHaveTheErrorTableOfTheCode(t *testing.T) {
	for _, d := range []struct {
		translate.Dialect
		status func(*translate.Error) int
	}{{openai.Dialect, openai.Status}, {anthropic.Dialect, anthropic.Status}, {responses.Dialect, responses.Status}} {
		text := "| status | type | code | when | body |\n|---|---|---|---|---|\n"
		for _, f := range failuresShown {
			e := f.err
			e.Message = "M"
			body := d.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: "R"}).AppendError(nil, &e, false)
			var o errorObject
			if err := json.Unmarshal(body, &o); err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf("| %d | `%s` | %s | %s | `%s` |\n", d.status(&e), o.Error.Type, o.code(), f.when, body)
		}
		generated(t, d.Name(), "errors", text)
	}
}

func TestTheGeminiDocumentHasTheErrorTableOfTheCode(t *testing.T) {
	text := "| status | status in words | reason | when | body |\n|---|---|---|---|---|\n"
	for _, f := range failuresShown {
		e := f.err
		e.Message = "M"
		body := gemini.Dialect.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: "R"}).AppendError(nil, &e, false)
		var o struct {
			Error struct {
				Status  string
				Details []struct{ Reason string }
			}
		}
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("| %d | `%s` | `%s` | %s | `%s` |\n", gemini.Status(&e), o.Error.Status, o.Error.Details[0].Reason, f.when, body)
	}
	generated(t, "gemini", "errors", text)
}

func TestTheOllamaDocumentHasTheErrorTableOfTheCode(t *testing.T) {
	text := "| status | code | when | body |\n|---|---|---|---|\n"
	for _, f := range failuresShown {
		e := f.err
		e.Message = "M"
		body := ollama.Dialect.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: "R"}).AppendError(nil, &e, false)
		text += fmt.Sprintf("| %d | `%s` | %s | `%s` |\n", ollama.Status(&e), e.Code, f.when, body)
	}
	generated(t, "ollama", "errors", text)
}

// The table of the two vendors comes from the encoders; this asks a gateway for what a client
// can bring about by itself, and compares with the same encoders.
func TestTheGatewayAnswersAsTheErrorTablesSay(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"openai: {max_body: 200}\nanthropic: {max_body: 200}\nchannels:\n"+channel("a", "mock", "", "echo")+
		channel("slow", "mock", quick, "hang")+channel("busy", "mock", "", "fail-429-retry-7")+channel("broken", "mock", "", "fail-500")+channel("denied", "mock", "", "fail-401"))
	good := `{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	for _, c := range []struct {
		status          int
		code            translate.Code
		key, kind, body string
		anthropicIs     int // where its status differs
		method          string
	}{
		{status: 400, code: translate.CodeValidation, body: `{`},
		{status: 401, code: translate.CodeInvalidToken, key: "sk-unknown", body: fmt.Sprintf(good, "echo")},
		{status: 404, code: translate.CodeModelNotFound, body: fmt.Sprintf(good, "nothing")},
		{status: 405, code: translate.CodeMethod, method: "PUT", body: fmt.Sprintf(good, "echo")},
		{status: 413, code: translate.CodeTooLarge, body: fmt.Sprintf(good, strings.Repeat("x", 300))},
		{status: 415, code: translate.CodeMediaType, kind: "text/plain", body: fmt.Sprintf(good, "echo")},
		{status: 429, code: translate.CodeRateLimited, body: fmt.Sprintf(good, "fail-429-retry-7")},
		{status: 502, code: translate.CodeModel, body: fmt.Sprintf(good, "fail-500")},
		{status: 503, anthropicIs: 529, code: translate.CodeUnavailable, body: fmt.Sprintf(good, "fail-401")},
		{status: 504, code: translate.CodeModel, body: fmt.Sprintf(good, "hang")},
	} {
		for path, d := range map[string]translate.Dialect{"/v1/chat/completions": openai.Dialect, "/v1/messages": anthropic.Dialect} {
			status, _, body := w.Do(t, or(c.method, "POST"), path, c.body, "Content-Type", or(c.kind, "application/json"), "Authorization", "Bearer "+or(c.key, key))
			want := c.status
			if c.anthropicIs != 0 && d == anthropic.Dialect {
				want = c.anthropicIs
			}
			if status != want {
				t.Errorf("%s %s: status %d, want %d: %s", d.Name(), c.code, status, want, body)
			}
			e := &translate.Error{Code: c.code, Message: "M", Timeout: c.status == 504}
			var got, should errorObject
			if json.Unmarshal([]byte(body), &got) != nil || json.Unmarshal(d.NewEncoder(&translate.Request{}, translate.Envelope{}).AppendError(nil, e, false), &should) != nil {
				t.Fatalf("not JSON: %s", body)
			}
			if got.Error.Type != should.Error.Type || got.code() != should.code() {
				t.Errorf("%s %s: got type %s and code %s, want %s and %s", d.Name(), strconv.Itoa(status), got.Error.Type, got.code(), should.Error.Type, should.code())
			}
		}
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
