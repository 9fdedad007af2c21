package rest

import (
	"bytes"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func FuzzQuestionsAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"message":"hi","userId":7,"groupId":"g","preset":"p","conversationId":"c"}`))
	f.Add([]byte(`{"message":"hi","userId":1e3,"presetId":"p"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		codectest.Resend(t, Dialect, body,
			func(req *translate.Request) { req.Model, req.Preset = req.Preset, "" },
			func(req *translate.Request) { req.Model, req.Preset = "", req.Model })
	})
}

func FuzzEventsAreReadOrRefused(f *testing.F) {
	f.Add([]byte("{\"type\":\"start\",\"conversationId\":\"c\"}\n{\"type\":\"content\",\"text\":\"a\\n\"}\n{\"type\":\"end\"}"), uint8(2))
	f.Add([]byte("{\"content\":[{\"type\":\"text\",\"text\":\"b\"},\"c\"]}\n[DONE]"), uint8(0))
	f.Add([]byte(`{"type":"error","code":3004,"errors":[{"message":"x"}],"details":{"status":429}}`), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		for _, frames := range [][][]byte{{data}, bytes.Split(data, []byte("\n"))} {
			codectest.Frames(t, func() translate.Decoder { return Dialect.NewDecoder(nil) }, frames...)
		}
	})
}

func FuzzLinesMeanTheSameJoinedAndApart(f *testing.F) {
	f.Add("a", "ключ \n", "")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := Dialect.NewEncoder(nil, translate.Envelope{Talk: func() string { return c }})
		var stream []byte
		for _, s := range []string{a, b, c} {
			stream = e.Append(stream, codectest.Text(s))
		}
		stream = e.AppendTail(e.Append(stream, translate.Event{Kind: translate.KindFinish}))
		stream = bytes.TrimSuffix(stream, []byte("\n\n"))
		lines := bytes.Split(stream, []byte("\n\n"))
		for i := range lines {
			lines[i] = bytes.TrimPrefix(lines[i], []byte("data: "))
		}
		apart := codectest.Replay(Dialect.NewDecoder(nil), lines...)
		joined := codectest.Replay(Dialect.NewDecoder(nil), bytes.Join(lines, []byte("\n")))
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
		codectest.Whole(t, Dialect, status, body)
	})
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
	o, ok := translate.ScanTopLevel(body, fields[:])
	if !ok {
		return Ask{}, false
	}
	return plainAsk(body, o)
}
