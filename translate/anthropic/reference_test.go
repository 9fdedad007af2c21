package anthropic

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestEveryStopReasonHasItsMeaning(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]translate.Finish{
		"end_turn": translate.FinishStop, "max_tokens": translate.FinishLength, "model_context_window_exceeded": translate.FinishLength,
		"stop_sequence": translate.FinishSequence, "tool_use": translate.FinishStop /* without a call */, "pause_turn": translate.FinishPause,
		"refusal": translate.FinishFilter, "one that comes later": translate.FinishStop,
	} {
		body := `{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"` + reason + `","stop_sequence":"END"}`
		evs, err := Dialect.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if last := evs[len(evs)-1]; last.Kind != translate.KindFinish || last.Finish != want {
			t.Errorf("%s: %+v, want %s", reason, last, want)
		}
	}
}

func TestDocumentsAreReadAndWhatIsEmptyIsNoted(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
		{"type":"document","source":{"type":"text","media_type":"text/plain","data":"What is written."},"title":"A"},
		{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="}},
		{"type":"image","source":{"type":"file","file_id":"file_1"}},{"type":"search_result","source":"x","title":"y","content":[]},
		{"type":"text","text":"Well?"}]}],"tools":[{"type":"web_search_20250305","name":"web_search"}],
		"output_config":{"format":{"type":"grammar"}},"container":"c_1"}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if m := req.Newest(); m.Text() != "Well?" || m.Parts[0].Text != "What is written." || m.Parts[0].Name != "A" || m.Parts[1].Data != "JVBERg==" || m.Parts[2].ID != "file_1" || len(m.Parts) != 4 || req.Tools != nil {
		t.Errorf("%+v", req)
	}
	want := []string{"content.search_result", "tools.web_search_20250305", "output_config.format", "container"}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
}
