package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func FuzzQuestionsAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"message":"hi","userId":7,"groupId":"g","preset":"p","conversationId":"c"}`))
	f.Add([]byte(`{"message":"hi","userId":1e3,"presetId":"p"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, kept); err != nil {
			mustBeTyped(t, err)
			return
		}
		for i := range kept {
			kept[i] = '#'
		}
		req.Model, req.Preset = req.Preset, ""
		out, err := Dialect.AppendRequest(nil, &req)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q became %q, %v", body, out, err)
		}
		var again translate.Request
		if err := Dialect.DecodeRequest(&again, out); err != nil {
			t.Fatal(err)
		}
		req.Model, req.Preset = "", req.Model
		if d := cmp.Diff(req, again); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzEventsAreReadOrRefused(f *testing.F) {
	f.Add([]byte("{\"type\":\"start\",\"conversationId\":\"c\"}\n{\"type\":\"content\",\"text\":\"a\\n\"}\n{\"type\":\"end\"}"), uint8(2))
	f.Add([]byte("{\"content\":[{\"type\":\"text\",\"text\":\"b\"},\"c\"]}\n[DONE]"), uint8(0))
	f.Add([]byte(`{"type":"error","code":3004,"errors":[{"message":"x"}],"details":{"status":429}}`), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		d := Dialect.NewDecoder(nil)
		evs, err := d.Decode(nil, bytes.Clone(data))
		if err != nil {
			mustBeTyped(t, err)
		}
		finished := 0
		for i := range evs {
			wiretest.Describe(evs[i])
			if evs[i].Kind == translate.KindFinish {
				finished++
			}
			if evs[i].Kind == translate.KindText && len(evs[i].Text) == 0 {
				t.Fatal("an empty text")
			}
		}
		if finished > 1 || finished == 1 && !d.Done() {
			t.Fatalf("it finished %d times", finished)
		}
		lines := bytes.Split(data, []byte("\n"))
		if one, two := wiretest.Replay(Dialect.NewDecoder(nil), lines...), wiretest.Replay(Dialect.NewDecoder(nil), lines...); one != two {
			t.Fatalf("%s\nis not\n%s", one, two)
		}
	})
}

func FuzzLinesMeanTheSameJoinedAndApart(f *testing.F) {
	f.Add("a", "ключ \n", "")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := Dialect.NewEncoder(nil, translate.Head{Conversation: c})
		var stream []byte
		for _, s := range []string{a, b, c} {
			stream = e.Append(stream, text(s))
		}
		stream = e.AppendTail(e.Append(stream, translate.Event{Kind: translate.KindFinish}))
		stream = bytes.TrimSuffix(stream, []byte("\n\n"))
		lines := bytes.Split(stream, []byte("\n\n"))
		for i := range lines {
			lines[i] = bytes.TrimPrefix(lines[i], []byte("data: "))
		}
		apart := wiretest.Replay(Dialect.NewDecoder(nil), lines...)
		joined := wiretest.Replay(Dialect.NewDecoder(nil), bytes.Join(lines, []byte("\n")))
		if apart != joined {
			t.Fatalf("apart:\n%s\njoined:\n%s", apart, joined)
		}
	})
}

func FuzzWholeAnswersAreReadOrRefused(f *testing.F) {
	f.Add(200, []byte(`{"success":true,"data":{"response":"x","conversationId":"c","usage":{"totalTokens":5}}}`))
	f.Add(500, []byte(`{"code":1001,"message":"x"}`))
	f.Add(502, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		evs, err := Dialect.NewDecoder(nil).DecodeWhole(nil, status, body)
		if err != nil {
			mustBeTyped(t, err)
			return
		}
		if status < 200 || status > 299 {
			t.Fatalf("status %d was a success", status)
		}
		if n := len(evs); n < 2 || evs[n-1].Kind != translate.KindFinish {
			t.Fatalf("%d events", n)
		}
	})
}

func mustBeTyped(t *testing.T, err error) {
	t.Helper()
	var e *translate.Error
	if !errors.As(err, &e) || e == nil {
		t.Fatalf("%T: %v", err, err)
	}
}

func FuzzAUsualQuestionIsTheSameHoweverItIsRead(f *testing.F) {
	for _, s := range []string{
		`{"message":"hi","userId":"ann"}`, `{"message":"h\u00e9\n","userId":"ann","groupId":null,"presetId":"p","x":[1]}`,
		`{"message":"hi","userId":7}`, `{"message":"hi","userId":"ann","Preset":"p"}`, `{"message":" ","userId":"ann"}`,
		`{"message":"hi","userId":"ann","preset":"","presetId":3}`, `{"message":"a","message":"b","userId":"ann"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain, ok := plainly(body)
		if !ok {
			return
		}
		if full, err := anyAsk(body); err != nil || full != plain {
			t.Errorf("%q: %+v, else %+v, %v", body, plain, full, err)
		}
	})
}

// plainly reads a body as DecodeAsk does where it is of the usual kind.
func plainly(body []byte) (Ask, bool) {
	o, ok := translate.Outline(body, fields[:])
	if !ok {
		return Ask{}, false
	}
	return plainAsk(body, o)
}
