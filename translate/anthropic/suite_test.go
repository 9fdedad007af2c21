package anthropic

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// suite has frames and bodies as servers and clients of this dialect send them.
var suite = codectest.Vendor{
	Dialect: Dialect, Status: Status, Full: full, Script: script,
	Modes: []translate.ToolMode{translate.ToolAuto, translate.ToolNone, translate.ToolRequired, translate.ToolNamed},
	Known: known, Plain: decodePlain, Any: decodeAny,
	Usual: []string{
		`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":1,"system":"s","temperature":1,"top_p":-0.5,"stream":true,"messages":[{"role":"user","content":"a \"b\" \u00e9"} , {"content":"","role":"assistant"}]}`,
		`{"model":"m","max_tokens":1,"system":"","messages":[{"role":"system","content":"q"}]}`,
		`{"model":"m","max_tokens":1,"system":null,"messages":[{"role":"user","content":[]}]}`,
	},
	Peeked: []string{
		`{"model":"m","Model":"n","messages":[{}]}`, `{"model":"\u006d","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":1e3,"messages":[{"role":"user","content":"q"}]}`,
	},
	Prelude: []string{
		`{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"b\":1}"}}`, // what is said amid a call waits
	},
	Steady: []string{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel\"lo\n \u0416"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
	},
	Alike: [][2]string{
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"two\\n"}}`},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`},
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
