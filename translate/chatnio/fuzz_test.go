package chatnio

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func FuzzFirstFramesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"token":"{\"token\":\"sk-1\",\"id\":-1}","id":"5","ref":"x"}`))
	f.Add([]byte(`{"token":"Bearer x","id":-1.0,"message":"m"}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		a, err := DecodeAuth(frame)
		if err != nil {
			codectest.MustBeTyped(t, err)
			return
		}
		if BareToken(a.Token) != a.Token && len(a.Token) < 7 {
			t.Fatalf("token %q is not bare", a.Token)
		}
		b, err := DecodeAuth(AppendAuth(nil, a.Token, a.ID))
		if err != nil || b.ID != a.ID {
			t.Fatalf("%+v became %+v, %v", a, b, err)
		}
	})
}

func FuzzClientFramesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"type":"chat","message":"hi","web":"true","model":"m","context":"3","temperature":0.5}`))
	f.Add([]byte(`{"type":"mask","message":"[{\"role\":\"user\",\"content\":\"x\"}]"}`))
	f.Add([]byte(`{"type":"edit","message":"1:x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		frame, err := DecodeFrame(body)
		if err != nil {
			codectest.MustBeTyped(t, err)
		}
		frame.Edit()
		frame.Remove()
		if msgs, ok := frame.Mask(); ok {
			back, err := DecodeFrame(AppendMask(nil, msgs))
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := back.Mask(); !ok {
				t.Fatalf("the mask of %q cannot be read", body)
			}
		}
		codectest.Resend(t, Dialect, body, nil, func(req *translate.Request) { req.Context = 1 })
	})
}

func FuzzServerFramesAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"conversation":3,"quota":0,"keyword":"k","message":"","end":false,"plan":false}`+"\n"+`{"conversation":0,"message":"a\u003c","end":false}`+"\n"+`{"message":"","end":true}`), true)
	f.Add([]byte(`{"message":"x (type: rate_limit_error)","end":true}`), false)
	f.Add([]byte(`{"message":"request failed with status code: 5","end":true}`), false)
	f.Fuzz(func(t *testing.T, frames []byte, signed bool) {
		codectest.Frames(t, func() translate.Decoder { return &Decoder{ExpectSigned: signed} }, bytes.Split(frames, []byte("\n"))...)
		if _, err := NewDecoder(nil).DecodeWhole(nil, 200, frames); err != nil {
			codectest.MustBeTyped(t, err)
		}
	})
}

func FuzzFormsAreReadOrRefused(f *testing.F) {
	for _, body := range []string{
		`{"id":-1,"avatar":"a","name":"<n>","description":"d","context":[{"role":"system","content":"s"},{"role":"x","content":""}]}`,
		`{"id":"7","context":null}`, `{"id":1,"name":"x","refs":[-1,0],"quota":10,"username":"u","password":"p"}`, `{}`, `[`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := DecodeMask(body)
		if err == nil && !json.Valid(AppendMasks(nil, []Mask{m, m})) {
			t.Fatalf("%q became %s", body, AppendMasks(nil, []Mask{m, m}))
		}
		_, idErr := DecodeMaskID(body)
		_, _, loginErr := DecodeLogin(body)
		_, name, renameErr := DecodeRename(body)
		_, _, shareErr := DecodeShare(body)
		for _, err := range []error{err, idErr, loginErr, renameErr, shareErr, DecodeBuy(body)} {
			if err != nil {
				codectest.MustBeTyped(t, err)
			}
		}
		for _, answer := range [][]byte{AppendState(nil, name), AppendToken(nil, name), AppendKey(nil, name), AppendMarket(nil, []string{name, name}), AppendCharges(nil, []Charge{{Models: []string{name}}, {}, {Models: []string{name, name}, Anonymous: true}}), AppendMaskFail(nil, name), AppendNoCode(nil, name), AppendInfo(nil, name)} {
			if !json.Valid(answer) {
				t.Fatalf("not JSON: %s", answer)
			}
		}
	})
}
