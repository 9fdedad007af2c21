package translate

import (
	"encoding/json"
	"testing"
	"time"
)

func TestErrorsSurviveTheirText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    Error
		text  string
		code  Code
		fault Fault
	}{
		{Error{Code: CodeRateLimited, Retry: 11500 * time.Millisecond}, "RATE_LIMITED: retry after 12s", CodeRateLimited, FaultBusy},
		{Error{Code: CodeRateLimited, Message: "60 per minute", Retry: time.Second}, "RATE_LIMITED: 60 per minute; retry after 1s", CodeRateLimited, FaultBusy},
		{Error{Code: CodeUnavailable, Message: "no healthy channel"}, "CHANNEL_UNAVAILABLE: no healthy channel", CodeUnavailable, FaultBroken},
		{Error{Code: CodeModel, Timeout: true, Message: "slow"}, "MODEL_ERROR: timeout", CodeModel, FaultSlow},
		{Error{Code: CodeModel, Message: "it broke"}, "MODEL_ERROR: it broke", CodeModel, FaultBroken},
		{Error{Code: CodeInternal}, "INTERNAL_ERROR", CodeModel, FaultBroken},
		{Error{Code: CodeInvalidToken, Message: "no"}, "INVALID_TOKEN: no", CodeUnavailable, FaultDenied},
		{Error{Code: CodePreset, Message: "x"}, "PRESET_NOT_FOUND: x", CodeUnavailable, FaultNoModel},
		{Error{Code: CodeCanceled, Message: "x"}, "CANCELED: x", CodeModel, FaultBroken},
	} {
		if got := c.in.Text(); got != c.text {
			t.Errorf("Text() = %q, want %q", got, c.text)
		}
		e := FromText(c.text)
		if e == nil || e.Code != c.code || e.Fault != c.fault || e.Retry.Seconds() != float64(c.in.RetrySeconds()) {
			t.Errorf("FromText(%q) = %+v", c.text, e)
		}
	}
}

func TestTextThatBeginsWithNoCodeIsNotTakenForAnError(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "hello", ":", "NOT_A_CODE: x", "rate_limited: x", " RATE_LIMITED: x", "RATE_LIMITED x"} {
		if e := FromText(s); e != nil {
			t.Errorf("FromText(%q) = %v", s, e)
		}
	}
}

func TestAWaitIsReadOnlyWhenItIsOne(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"retry after 3s": 3 * time.Second, "x; retry after 12s.": 12 * time.Second, "retry after s": 0, "retry after 5m": 0,
		"retry after 99999999999999999999s": 0, "retry after 900000s": 24 * time.Hour, "": 0,
	} {
		if got := parseRetry(s); got != want {
			t.Errorf("parseRetry(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestPlainSaysWhatItCanAndNotesTheRest(t *testing.T) {
	t.Parallel()
	m := Message{Role: RoleUser, Parts: []Part{
		{Kind: PartText, Text: "look"},
		{Kind: PartImage, URL: "https://x.example/a.png"},
		{Kind: PartImage, MediaType: "image/png", Data: "QUJD"},
		{Kind: PartReasoning, Text: "hm"},
		{Kind: PartToolCall, Name: "add", Args: `{"a":1}`},
		{Kind: PartToolResult, Text: "2"},
		{Kind: PartToolResult, Text: "no", Failed: true},
		{Kind: PartMedia, Text: `{"file_ids":["1"]}`},
	}}
	var r Request
	want := "look\nhttps://x.example/a.png\n[tool call add {\"a\":1}]\n[tool result] 2\n[tool error] no"
	if got := r.Plain(&m, false); got != want {
		t.Errorf("got %q", got)
	}
	if len(r.Dropped) != 3 || r.Dropped[0] != "image" || r.Dropped[1] != "reasoning" || r.Dropped[2] != "media" {
		t.Errorf("dropped %v", r.Dropped)
	}
	r = Request{}
	want = "look\nhttps://x.example/a.png\ndata:image/png;base64,QUJD\n[tool call add {\"a\":1}]\n[tool result] 2\n[tool error] no"
	if got := r.Plain(&m, true); got != want {
		t.Errorf("got %q", got)
	}
}

func TestDropUnsaidNamesWhatWasGivenAndIsNotSaid(t *testing.T) {
	t.Parallel()
	n, f := 1, 0.5
	r := Request{Web: true, Tools: []Tool{{Name: "x"}}, Params: Params{MaxTokens: &n, Temperature: &f, Stop: []string{"."}}}
	r.DropUnsaid("temperature", "web")
	if len(r.Dropped) != 3 || r.Dropped[0] != "tools" || r.Dropped[1] != "max_tokens" || r.Dropped[2] != "stop" {
		t.Errorf("dropped %v", r.Dropped)
	}
	mark := json.RawMessage(`{"type":"ephemeral"}`)
	for _, r := range []Request{
		{Tools: []Tool{{Name: "x", Cache: mark}}},
		{Messages: []Message{{Role: RoleUser, Parts: []Part{{Kind: PartText, Text: "x", Cache: mark}}}}},
	} {
		if r.DropUnsaid("tools"); len(r.Dropped) != 1 || r.Dropped[0] != "cache_control" {
			t.Errorf("dropped %v", r.Dropped)
		}
	}
}
