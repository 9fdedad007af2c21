// Package codectest has what every codec with a quick way of reading must pass: the
// quick way and the whole one say the same. A codec's own tests bring the inputs.
package codectest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Alike makes sure that a frame which is read by its likeness to the one before says
// what it says to a decoder that has seen nothing like it.
func Alike(t *testing.T, d translate.Dialect, first, second []byte, pass bool) {
	t.Helper()
	req := &translate.Request{PassThrough: pass}
	learnt, fresh := d.NewDecoder(req), d.NewDecoder(req)
	for _, frame := range [][]byte{first, first, second, first} {
		got, errGot := learnt.Decode(nil, frame)
		fresh.(translate.Borrower).Borrow(new(jsonx.Memory))
		want, errWant := fresh.Decode(nil, frame)
		if (errGot == nil) != (errWant == nil) {
			t.Fatalf("%q: %v, else %v", frame, errGot, errWant)
		}
		if errGot != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", frame, diff)
		}
	}
}

// Peek makes sure that a glance at a question and its decoding agree, where the glance
// is enough, and that it leaves alone what it does not take.
func Peek(t *testing.T, d translate.Dialect, body []byte) {
	t.Helper()
	var glance, full translate.Request
	if !d.(translate.Peeker).Peek(&glance, body) {
		if glance.Model != "" || glance.Raw != nil || glance.Outline != nil {
			t.Errorf("%q: filled and not taken", body)
		}
		return
	}
	o := glance.RawOutline()
	if m := o.Find("model"); m == nil || string(body[m.Start:m.End]) != `"`+glance.Model+`"` {
		t.Errorf("%q: the model is not where the outline says", body)
	}
	if d.DecodeRequest(&full, body) != nil {
		return // the upstream will say so too
	}
	if glance.Model != full.Model || glance.Stream != full.Stream || glance.UsageInStream != full.UsageInStream ||
		string(glance.Raw) != string(full.Raw) || (glance.Raw == nil) != (full.Raw == nil) || glance.Dialect != full.Dialect {
		t.Errorf("%q: %+v at a glance, %+v decoded", body, glance, full)
	}
}

// PlainQuestion makes sure that Peek takes a question that asks for a stream of the
// model m.
func PlainQuestion(t *testing.T, d translate.Dialect, body string) {
	t.Helper()
	var req translate.Request
	if !d.(translate.Peeker).Peek(&req, []byte(body)) {
		t.Fatal("it was not read")
	}
	if req.Dialect != d.Name() || req.Model != "m" || !req.Stream || string(req.Raw) != body {
		t.Errorf("read as %+v", req)
	}
}

// Plain makes sure that a question which plain reads is the same to full, which reads
// every one, and that plain leaves alone what it does not take.
func Plain(t *testing.T, plain func(*translate.Request, []byte) bool, full func(*translate.Request, []byte) error, body []byte) {
	t.Helper()
	var got, want translate.Request
	if !plain(&got, body) {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: filled and not taken: %s", body, diff)
		}
		return
	}
	if err := full(&want, body); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%q (-full +plain):\n%s", body, diff)
	}
}

// BenchmarkQuestion measures both ways of reading body.
func BenchmarkQuestion(b *testing.B, plain func(*translate.Request, []byte) bool, full func(*translate.Request, []byte) error, body []byte) {
	for name, decode := range map[string]func(*translate.Request, []byte){
		"plain": func(r *translate.Request, s []byte) { plain(r, s) },
		"any":   func(r *translate.Request, s []byte) { _ = full(r, s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var r translate.Request
				decode(&r, body)
			}
		})
	}
}
