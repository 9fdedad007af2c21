package ollama

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
)

// suite has lines and bodies as servers and clients of this dialect send them.
var suite = codectest.Vendor{
	Dialect: Dialect, Status: Status, Full: full, Script: script,
	Peeked: []string{
		`{"model":"m","Model":"n","messages":[{}]}`, `{"model":"\u006d","messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}]}`, `{"model":"m","messages":[{"role":"user","content":"q"}],"stream":false}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"stream":null,"keep_alive":"5m"}`, `{"model":"m","messages":[]}`,
	},
	Prelude: []string{`{"model":"m","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"a"},"done":false}`},
	Steady: []string{
		`{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"Hel\"lo\n \u0416"},"done":false}`,
		`{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}`,
		`{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","response":"The","done":false}`,
	},
	Alike: [][2]string{
		{`{"model":"m","message":{"content":"one"},"done":false}`, `{"model":"m","message":{"content":"two\\n"},"done":false}`},
		{`{"model":"m","message":{"content":"","thinking":"one"},"done":false}`, `{"model":"m","message":{"content":"two"},"done":true,"done_reason":"stop"}`},
	},
}

func TestVendorSamplesDecodeAndEncodeAsWritten(t *testing.T)     { suite.Samples(t) }
func TestAnAnswerSurvivesTheRoundTrip(t *testing.T)              { suite.AnswerRoundTrip(t) }
func TestAPlainQuestionNeedsNoDecodingToBePassedOn(t *testing.T) { suite.PlainQuestion(t) }
func TestAnEventCostsNoAllocationInSteadyState(t *testing.T)     { suite.Allocs(t) }
func FuzzDecodeRequest(f *testing.F)                             { suite.FuzzRequest(f) }
func FuzzDecodeFrame(f *testing.F)                               { suite.FuzzFrame(f) }
func FuzzDecodeWhole(f *testing.F)                               { suite.FuzzWhole(f) }
func FuzzAlike(f *testing.F)                                     { suite.FuzzAlike(f) }
func FuzzPeek(f *testing.F)                                      { suite.FuzzPeek(f) }
func BenchmarkDecodeAndAppendText(b *testing.B)                  { suite.BenchmarkFrame(b) }

func TestARequestSurvivesTheRoundTrip(t *testing.T) {
	t.Parallel()
	codectest.RequestRoundTrip(t, Dialect, full(), nil)
}
