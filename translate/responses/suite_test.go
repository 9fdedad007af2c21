package responses

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// suite has frames and bodies as servers and clients of this dialect send them.
var suite = codectest.Vendor{
	Dialect: Dialect, Status: Status, Full: full, Script: script,
	// What the canonical form says as well is kept as it came.
	Again: func(req *translate.Request) {
		body, _ := Dialect.AppendRequest(nil, req)
		o, _ := jsonx.Members(body)
		var own ownMembers
		own.keepWhole(body, &o)
		req.Own = own.take(body, o.Members)
	},
	Modes: []translate.ToolMode{translate.ToolDefault, translate.ToolAuto, translate.ToolNone, translate.ToolRequired, translate.ToolNamed},
	Known: known, Plain: decodePlain, Any: decodeAny,
	PassedOn: `{"model":"m","max_output_tokens":7,"input":[{"role":"user","content":"q"}],"stream":true}`,
	Usual: []string{
		`{"model":"m","input":"q"}`,
		`{"model":"m","max_output_tokens":3,"temperature":0.5,"top_p":1e-1,"stream":true,"store":false,"user":"u","instructions":"i","input":[{"content":"a \"b\" \u00e9","role":"assistant"},{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","content":"{}"}]}`,
		`{"model":"m","input":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]}`,
		`{"model":"m","input":[{"role":"assistant","content":""},{"role":"user","content":""}]}`,
		`{"model":"m","input":[],"instructions":null}`,
		`{"model":"m","input":"q","max_output_tokens":"x"}`,
	},
	Peeked: []string{
		`{"model":"m","Model":"n","input":[{}]}`, `{"model":"\u006d","max_output_tokens":1,"input":"q"}`,
		`{"model":"m","input":"q","background":true}`, `{"model":"m","input":"q","previous_response_id":"resp_1"}`,
		`{"model":"m","input":"q","previous_response_id":null,"store":false,"tools":[{"type":"custom","name":"x"}]}`,
	},
	Prelude: []string{
		`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"m","output":[]}}`,
		`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"a","name":"f","arguments":""}}`,
		`{"type":"response.output_item.added","sequence_number":2,"output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}}`,
		`{"type":"response.output_item.added","sequence_number":3,"output_index":2,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`,
	},
	Steady: []string{
		`{"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hel\"lo\n \u0416","logprobs":[]}`,
		`{"type":"response.reasoning_summary_text.delta","sequence_number":5,"item_id":"rs_1","output_index":2,"summary_index":0,"delta":"hm"}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":6,"item_id":"fc_1","output_index":0,"delta":"{\"a\":"}`,
	},
	Alike: [][2]string{
		{`{"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"one"}`, `{"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"two\\n"}`},
		{`{"type":"response.reasoning_summary_text.delta","sequence_number":1,"item_id":"msg_1","output_index":0,"delta":"one"}`, `{"type":"response.reasoning_summary_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"delta":""}`},
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
