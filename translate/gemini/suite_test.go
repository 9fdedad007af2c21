package gemini

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// suite has frames and bodies as servers and clients of this dialect send them.
var suite = codectest.Vendor{
	Dialect: Dialect, Status: Status, Full: full, Script: script,
	Prelude: []string{`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}`},
	Steady: []string{
		`{"candidates": [{"content": {"parts": [{"text": "Hel\"lo\n \u0416"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 11,"candidatesTokenCount": 2,"totalTokenCount": 13},"modelVersion": "m","responseId": "r"}`,
		`{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}`,
	},
	Alike: [][2]string{
		{`{"candidates":[{"content":{"parts":[{"text":"one"}]},"index":0}]}`, `{"candidates":[{"content":{"parts":[{"text":"two\\n"}]},"index":0}]}`},
		{`{"candidates":[{"content":{"parts":[{"text":"one","thought":true}]},"index":0}]}`, `{"candidates":[{"content":{"parts":[{"text":"","thought":true}]},"index":0}]}`},
		{`{"candidates":[{"content":{"parts":[{"text":"one"}]},"index":0}]}`, `{"candidates":[{"content":{"parts":[{"text":"","thought":true}]},"index":0}]}`},
	},
}

func TestVendorSamplesDecodeAndEncodeAsWritten(t *testing.T) { suite.Samples(t) }
func TestAnAnswerSurvivesTheRoundTrip(t *testing.T)          { suite.AnswerRoundTrip(t) }
func TestAnEventCostsNoAllocationInSteadyState(t *testing.T) { suite.Allocs(t) }
func FuzzDecodeRequest(f *testing.F)                         { suite.FuzzRequest(f) }
func FuzzDecodeFrame(f *testing.F)                           { suite.FuzzFrame(f) }
func FuzzDecodeWhole(f *testing.F)                           { suite.FuzzWhole(f) }
func FuzzAlike(f *testing.F)                                 { suite.FuzzAlike(f) }
func BenchmarkDecodeAndAppendText(b *testing.B)              { suite.BenchmarkFrame(b) }

func TestARequestSurvivesTheRoundTrip(t *testing.T) {
	t.Parallel()
	for _, mode := range []translate.ToolMode{translate.ToolDefault, translate.ToolAuto, translate.ToolNone, translate.ToolRequired, translate.ToolNamed} {
		req := full()
		req.ToolChoice.Mode = mode
		if mode == translate.ToolNamed {
			req.ToolChoice.Name = "look"
		}
		codectest.RequestRoundTrip(t, Dialect, req, nil)
	}
}
