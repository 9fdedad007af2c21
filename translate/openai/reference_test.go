package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestWhatNoOtherDialectSaysIsNoted(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"file","file":{"file_id":"f"}}]},
		{"role":"assistant","refusal":"No."},{"role":"assistant","content":[{"type":"refusal","refusal":"Never."}]},{"role":"user","content":"b"}],
		"tools":[{"type":"custom","custom":{"name":"x"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{}},
		"stream_options":{"include_obfuscation":false},"store":true,"modalities":["text"],"verbosity":"low","web_search_options":{},
		"prompt_cache_key":"k","safety_identifier":"s","prediction":{},"audio":{}}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"tools.custom", "tool_choice.allowed_tools", "stream_options.include_obfuscation", "store", "modalities", "verbosity",
		"web_search_options", "prompt_cache_key", "safety_identifier", "prediction", "audio",
	}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
	for i, text := range []string{"a", "No.", "Never.", "b"} {
		if got := req.Messages[i].Text(); got != text {
			t.Errorf("message %d says %q, want %q", i, got, text)
		}
	}
}
