package iagent

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func FuzzMessagesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(askedFrame))
	f.Add([]byte(`{"chat_type":1,"msg_id":"m","timestamp":1,"sender_type":1,"sender_id":"u","content_type":4,"content":"{\"file_id\":7}"}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		kept := bytes.Clone(frame)
		m, err := DecodeMessage(kept)
		for i := range kept {
			kept[i] = '#'
		}
		if err != nil {
			if out := AppendIllegal(nil, Reply(&m, "r", 1, "a"), err); !json.Valid(out) {
				t.Fatalf("%q was answered with %q", frame, out)
			}
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, &m))
		if d := cmp.Diff(m, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
		var req translate.Request
		m.Request(&req)
		req.Model = req.Preset
		if _, err := AppendAsk(nil, &req, m.ID, m.Timestamp, ""); err != nil && m.ContentType != Text {
			t.Fatal(err)
		}
	})
}

// FuzzFieldsAreThoseOfEncodingJSON compares the fields that a scan finds with those of
// the decoder that it stands for.
func FuzzFieldsAreThoseOfEncodingJSON(f *testing.F) {
	f.Add([]byte(askedFrame))
	for _, frame := range []string{
		`{"msg_id":"a","MSG_ID":"b"}`, `{"msg_id":"a","msg_id":null}`, ` { "content" : { "a" : [ 1 , "}" ] } , "other" : 1 } `,
		`null`, `{"content":"\ud800"}`, `{"ms\u0067_id":"x"}`, `{"resp_code":0,"content":1,}`, `{"timestamp":1e3,"group_id":"\u0000"}`,
	} {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var want fields
		wrong := json.Unmarshal(frame, &want)
		got, err := fieldsOf(frame)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%v, want %v", err, wrong)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); wrong == nil && d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzRepliesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(askedFrame))
	f.Add([]byte(`{"resp_code":"50","content":"RATE_LIMITED: retry after 12s"}`))
	f.Add([]byte(`{"resp_code":0,"content":{"file_ids":["1"]},"timestamp":"1e9"}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		one := codectest.Replay(Dialect.NewDecoder(nil), frame, frame)
		m, err := DecodeReply(frame)
		if err != nil {
			codectest.MustBeTyped(t, err)
			return
		}
		if !json.Valid(AppendMessage(nil, &m)) {
			t.Fatalf("%q cannot be written", frame)
		}
		var r Reader
		if ref := r.Next(frame); string(ref) != m.Ref {
			t.Fatalf("answers %q, want %q", ref, m.Ref)
		}
		a := r.Answer()
		evs, err := a.Events(nil)
		two := ""
		for _, ev := range evs {
			two += codectest.Describe(ev) + "\n"
		}
		if err != nil {
			codectest.MustBeTyped(t, err)
			two += codectest.DescribeError(err) + "\n"
		}
		if two += "done\n"; one != two {
			t.Fatalf("decoder:\n%s\nreader:\n%s", one, two)
		}
	})
}

func FuzzRefusalsOfTheHandshakeAreRead(f *testing.F) {
	f.Add(401, []byte(`{"success":false,"error":"no","code":"INVALID_TOKEN"}`))
	f.Add(200, []byte(askedFrame))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		_, err := Dialect.NewDecoder(nil).DecodeWhole(nil, status, body)
		if err != nil {
			codectest.MustBeTyped(t, err)
		} else if status < 200 || status > 299 {
			t.Fatalf("status %d was a success", status)
		}
	})
}
