package openai

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// suite has frames and bodies as servers and clients of this dialect send them.
var suite = codectest.Vendor{
	Dialect: Dialect, Status: Status, Full: full, Script: script,
	Modes: []translate.ToolMode{translate.ToolDefault, translate.ToolAuto, translate.ToolNone, translate.ToolRequired, translate.ToolNamed},
	Known: known, Plain: decodePlain, Any: decodeAny,
	Usual: []string{
		`{"model":"m","messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":3,"temperature":0.5,"top_p":1e-1,"stream":true,"stream_options":{"include_usage":true},"user":"u","messages":[{"content":"a \"b\" \u00e9","role":"assistant"},{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","content":"{}"}]}`,
		`{"model":"m","max_tokens":1,"max_completion_tokens":2,"messages":[{"role":"assistant","content":""},{"role":"user","content":""}]}`,
		`{"model":"m","messages":[{"role":"user","content":"q","name":"n"}],"temperature":"x"}`,
		`{"model":"m","messages":[{"role":"user","content":"q"},{"role":"tool","content":"q"}],"user":null}`,
	},
	Peeked: []string{
		`{"model":"m","Model":"n","messages":[{}]}`, `{"model":"\u006d","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true,"stream_options":{"include_usage":true},"n":1}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true,"stream_options":{"include_usage":null}}`,
		`{"model":"m","messages":[{"role":"user","content":"q"}],"stream_options":{"INCLUDE_USAGE":true}}`,
	},
	Prelude: []string{
		`{"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
		`{"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}`,
	},
	Steady: []string{
		`{"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_fc9f1d7035","choices":[{"index":0,"delta":{"content":"Hel\"lo\n \u0416"},"logprobs":null,"finish_reason":null}],"usage":null}`,
		`{"id":"x","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}`,
		`{"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}`,
	},
	Alike: [][2]string{
		{`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`, `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"two\\n"},"finish_reason":null}]}`},
		{`{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":"one"}}]}`, `{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":""}}]}`},
		{`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`, `{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":""}}]}`},
	},
}

func TestVendorSamplesDecodeAndEncodeAsWritten(t *testing.T)     { suite.Samples(t) }
func TestARequestSurvivesTheRoundTrip(t *testing.T)              { suite.RequestRoundTrip(t) }
func TestAnAnswerSurvivesTheRoundTrip(t *testing.T)              { suite.AnswerRoundTrip(t) }
func TestAPlainQuestionNeedsNoDecodingToBePassedOn(t *testing.T) { suite.PlainQuestion(t) }
func TestAUsualQuestionIsReadWithoutReflection(t *testing.T)     { suite.UsualQuestion(t) }
func TestAnEventCostsNoAllocationInSteadyState(t *testing.T)     { suite.Allocs(t) }
func FuzzDecodeRequest(f *testing.F)                             { suite.FuzzRequest(f) }
func FuzzDecodeFrame(f *testing.F)                               { suite.FuzzFrame(f) }
func FuzzDecodeWhole(f *testing.F)                               { suite.FuzzWhole(f) }
func FuzzAlike(f *testing.F)                                     { suite.FuzzAlike(f) }
func FuzzPeek(f *testing.F)                                      { suite.FuzzPeek(f) }
func FuzzPlain(f *testing.F)                                     { suite.FuzzPlain(f) }
func BenchmarkDecodeRequest(b *testing.B)                        { suite.BenchmarkRequest(b) }
func BenchmarkDecodeAndAppendText(b *testing.B)                  { suite.BenchmarkFrame(b) }
