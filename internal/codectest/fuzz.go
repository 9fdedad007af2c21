package codectest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// MustBeTyped makes sure that err is an error that a client can be told.
func MustBeTyped(t *testing.T, err error) *translate.Error {
	t.Helper()
	var e *translate.Error
	if !errors.As(err, &e) || e == nil {
		t.Fatalf("%T: %v", err, err)
	}
	return e
}

// IsValidation reports whether err blames the client for a malformed message.
func IsValidation(err error) bool {
	var e *translate.Error
	return errors.As(err, &e) && e.Code == translate.CodeValidation && e.Fault == 0
}

// FuzzRequest makes sure that a body is refused as invalid, or can be put to a server,
// passed through as well as written anew.
func (v *Vendor) FuzzRequest(f *testing.F) {
	d := v.Dialect
	body, err := d.AppendRequest(nil, v.Full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req translate.Request
		if _, inPath := d.(translate.Pather); inPath {
			req.Model = "m"
		}
		if err := d.DecodeRequest(&req, body); err != nil {
			if !IsValidation(err) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if req.Model == "" {
			t.Fatal("no model")
		}
		for _, pass := range []bool{false, true} {
			r := req
			r.PassThrough, r.Model = pass, "other"
			if pass && r.Raw == nil {
				continue
			}
			out, err := d.AppendRequest(nil, &r)
			if !pass && IsValidation(err) {
				continue // nothing is left that could be told
			}
			if err != nil || !json.Valid(out) {
				t.Fatalf("%q became %q, %v", body, out, err)
			}
			var again translate.Request
			if err := Receive(d, &again, &r, out); pass && (err != nil || again.Model != "other" || again.Stream != req.Stream) {
				t.Fatalf("%q became %q: %v", body, out, err)
			}
		}
	})
}

// Resend makes sure that a body of d is refused in words, or gives a request that keeps
// nothing of the body and is read again as it was sent. sent changes what is put to the
// server, again what it must read there; both may be nil.
func Resend(t *testing.T, d translate.Dialect, body []byte, sent, again func(*translate.Request)) {
	t.Helper()
	lent := bytes.Clone(body)
	var req translate.Request
	if err := d.DecodeRequest(&req, lent); err != nil {
		MustBeTyped(t, err)
		return
	}
	overwrite(lent)
	if sent != nil {
		sent(&req)
	}
	out, err := d.AppendRequest(nil, &req)
	if err != nil || !json.Valid(out) {
		t.Fatalf("%q became %q, %v", body, out, err)
	}
	var got translate.Request
	if err := d.DecodeRequest(&got, out); err != nil {
		t.Fatal(err)
	}
	if again != nil {
		again(&req)
	}
	if diff := cmp.Diff(req, got); diff != "" {
		t.Fatal(diff)
	}
}

// Frames makes sure that frames are read or refused in words, that they end once at
// most, and mean the same to a second decoder.
func Frames(t *testing.T, decoder func() translate.Decoder, frames ...[]byte) {
	t.Helper()
	d, finished := decoder(), 0
	var evs []translate.Event
	for _, frame := range frames {
		var err error
		evs, err = d.Decode(evs[:0], bytes.Clone(frame))
		if err != nil {
			MustBeTyped(t, err)
		}
		for i := range evs {
			if evs[i].Kind == translate.KindFinish {
				finished++
			}
			if evs[i].Kind == translate.KindText && len(evs[i].Text) == 0 {
				t.Fatal("an empty text")
			}
		}
	}
	if finished > 1 || finished == 1 && !d.Done() {
		t.Fatalf("it finished %d times, done %v", finished, d.Done())
	}
	if one, two := Replay(decoder(), frames...), Replay(decoder(), frames...); one != two {
		t.Fatalf("%s\nis not\n%s", one, two)
	}
}

// Whole makes sure that an answer in one piece is refused in words that d can say
// itself, or ends, and that only a status of 2xx is an answer.
func Whole(t *testing.T, d translate.Dialect, status int, body []byte) {
	t.Helper()
	req := &translate.Request{}
	evs, err := d.NewDecoder(req).DecodeWhole(nil, status, body)
	if err != nil {
		if out := d.NewEncoder(req, head).AppendError(nil, MustBeTyped(t, err), false); !json.Valid(out) {
			t.Fatalf("an error is no JSON: %q", out)
		}
		return
	}
	if status < 200 || status > 299 {
		t.Fatalf("status %d was a success", status)
	}
	if n := len(evs); n < 2 || evs[0].Kind != translate.KindStart || evs[n-1].Kind != translate.KindFinish {
		t.Fatalf("no start or no end in %q", body)
	}
	var answer translate.Answer
	for _, ev := range evs {
		answer.Add(ev)
	}
	if out := d.NewEncoder(req, head).AppendWhole(nil, &answer); !json.Valid(out) {
		t.Fatalf("a whole answer is no JSON: %q", out)
	}
}

// FuzzWhole runs [Whole]. Its seeds are the bodies of testdata.
func (v *Vendor) FuzzWhole(f *testing.F) {
	seeds(f, func(data []byte) { f.Add(200, data) })
	f.Add(500, []byte("oops"))
	f.Fuzz(func(t *testing.T, status int, body []byte) { Whole(t, v.Dialect, status, body) })
}

// FuzzFrame makes sure that any two frames of a stream are read or refused in words,
// end once at most, that a client gets nothing but JSON for them, and that none is
// lost where they pass through. Its seeds are the frames of testdata.
func (v *Vendor) FuzzFrame(f *testing.F) {
	d := v.Dialect
	seeds(f, func(data []byte) { f.Add(data, data) })
	f.Add([]byte("[DONE]"), []byte("{}"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		req := &translate.Request{UsageInStream: true}
		dec, enc := d.NewDecoder(req), d.NewEncoder(req, head)
		passed := d.NewDecoder(&translate.Request{PassThrough: true})
		var answer translate.Answer
		var out []byte
		ends := 0
		for _, frame := range [][]byte{first, second, first} {
			if evs, err := passed.Decode(nil, frame); err == nil && len(evs) == 0 {
				t.Fatalf("a passed-through frame is lost: %q", frame)
			}
			evs, err := Decode(dec, nil, frame)
			if err != nil {
				mustBeJSON(t, enc.AppendError(nil, MustBeTyped(t, err), true))
				break
			}
			for _, ev := range evs {
				if ev.Kind == translate.KindFinish {
					ends++
				}
				answer.Add(ev)
				out = enc.Append(out, ev)
			}
		}
		if ends > 1 {
			t.Fatal("two ends")
		}
		mustBeJSON(t, enc.AppendTail(out))
		answer.Settle()
		if whole := d.NewEncoder(req, head).AppendWhole(nil, &answer); !json.Valid(whole) {
			t.Fatalf("a whole answer is no JSON: %q", whole)
		}
	})
}

// mustBeJSON checks every event of a stream but the end mark [DONE].
func mustBeJSON(t *testing.T, stream []byte) {
	t.Helper()
	for _, f := range Data(stream) {
		if string(f) != "[DONE]" && !json.Valid(f) {
			t.Fatalf("a frame is no JSON: %q", f)
		}
	}
}

// seeds calls add with the objects that stand in testdata, each on a line of its own.
func seeds(f *testing.F, add func(data []byte)) {
	f.Helper()
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data: ")))
			if len(line) > 0 && line[0] == '{' {
				add(bytes.Clone(line))
			}
		}
	}
}
