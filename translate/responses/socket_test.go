package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAMessageOfASocketIsTheBodyOfARequest(t *testing.T) {
	t.Parallel()
	for msg, want := range map[string]Create{
		`{"type":"response.create","model":"m","input":"hi"}`:                                                {Body: []byte(`{"model":"m","input":"hi","stream":true}`)},
		`{"stream":false,"model":"m","type":"response.create","stream_id":null,"generate":null}`:             {Body: []byte(`{"model":"m","stream":true}`)},
		"{\n\"type\": \"response.create\",\n\"stream_id\": \"a-B_1.\",\n\"generate\": false, \"x\": [ 1 ] }": {Lane: "a-B_1.", Warm: true, Body: []byte(`{"x":[ 1 ],"stream":true}`)},
		`{"type":"response.create"}`: {Body: []byte(`{"stream":true}`)},
	} {
		got, err := DecodeCreate([]byte(msg))
		if err != nil || got.Lane != want.Lane || got.Warm != want.Warm || string(got.Body) != string(want.Body) {
			t.Errorf("%s: %+v %s, %v", msg, got, got.Body, err)
		}
	}
	if c, err := DecodeCreate([]byte(`{"type":"response.delete","stream_id":"a"}`)); err == nil || c.Lane != "a" {
		t.Errorf("the stream of a wrong message: %+v, %v", c, err)
	}
}

// Whatever comes is refused as a mistake of its client, or is a body that says the same and nothing of
// the socket.
func FuzzDecodeCreate(f *testing.F) {
	f.Add([]byte(`{"type":"response.create","stream_id":"a","generate":false,"stream":true,"model":"m","input":"hi"}`))
	f.Add([]byte(`{"type":"response.create","type":"x","\u0074ype":1,"model":"m\n"}`))
	f.Add([]byte(`{"type":`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := DecodeCreate(msg)
		if err != nil {
			var known *translate.Error
			if !errors.As(err, &known) || known.Code != translate.CodeValidation {
				t.Fatalf("%v", err)
			}
			return
		}
		var body map[string]json.RawMessage
		if err := json.Unmarshal(c.Body, &body); err != nil || string(body["stream"]) != "true" {
			t.Fatalf("%q became %q: %v", msg, c.Body, err)
		}
		for _, name := range []string{typeMember, laneMember, warmMember} {
			if _, ok := body[name]; ok {
				t.Fatalf("%q became %q", msg, c.Body)
			}
		}
	})
}

// What a channel sends in an answer that passes through is one message in one line, or none.
func FuzzPass(f *testing.F) {
	for _, raw := range []string{"event: a\ndata: {\"type\":\"response.completed\"}\n\n", "data: {\"a\":\ndata: 1}\r\n\r\n", "data: [DONE]\n\n", ": hi\n\n", "data: {}", "data:\n\n", "data: []\n\n"} {
		f.Add([]byte(raw), true)
		f.Add([]byte(raw), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, named bool) {
		lane := ""
		if named {
			lane = "a"
		}
		e := NewSocketEncoder(&translate.Request{}, translate.Envelope{}, lane)
		out, _ := e.Pass([]byte("before\n"), raw)
		message, ok := bytes.CutPrefix(out, []byte("before\n"))
		if !ok {
			t.Fatalf("%q became %q", raw, out)
		}
		if len(message) == 0 {
			return
		}
		var got struct {
			Lane string `json:"stream_id"`
		}
		if bytes.IndexByte(message, '\n') != len(message)-1 || !json.Valid(message) || json.Unmarshal(message, &got) == nil && got.Lane != lane && lane != "" {
			t.Fatalf("%q became %q", raw, message)
		}
	})
}

func TestAResponseOfASocketFailsWithOneMessage(t *testing.T) {
	t.Parallel()
	err := &translate.Error{Code: translate.CodeRateLimited, Message: "slow down"}
	e := NewSocketEncoder(&translate.Request{Model: "m"}, translate.Envelope{ID: "resp_1"}, "a")
	const alone = `{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null,"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"},"status":429,"headers":{"Retry-After":"1"},"sequence_number":0,"stream_id":"a"}` + "\n"
	if got := string(e.AppendFailure(nil, err, []byte(`"Retry-After":"1"`))); got != alone {
		t.Errorf("alone: %s", got)
	}
	e = NewSocketEncoder(&translate.Request{Model: "m"}, translate.Envelope{ID: "resp_1"}, "a")
	e.Start(nil)
	got := string(e.AppendFailure(nil, err, nil))
	if strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, `{"type":"response.failed"`) || !strings.Contains(got, `"code":"rate_limit_exceeded"`) || !strings.HasSuffix(got, `"sequence_number":2,"stream_id":"a"}`+"\n") {
		t.Errorf("begun: %s", got)
	}
}
