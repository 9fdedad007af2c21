package codectest

import (
	order "cmp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// FuzzAlike makes sure that a frame which is read by its likeness to the one before says
// what it says to a decoder that has seen nothing like it.
func (v *Vendor) FuzzAlike(f *testing.F) {
	for _, s := range v.Alike {
		f.Add([]byte(s[0]), []byte(s[1]), true)
		f.Add([]byte(s[1]), []byte(s[0]), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, pass bool) { alike(t, v.Dialect, first, second, pass) })
}

func alike(t *testing.T, d translate.Dialect, first, second []byte, pass bool) {
	t.Helper()
	req := &translate.Request{PassThrough: pass}
	learnt, fresh := d.NewDecoder(req), d.NewDecoder(req)
	for _, frame := range [][]byte{first, first, second, first} {
		got, errGot := learnt.Decode(nil, frame)
		fresh.(translate.ArenaUser).UseArena(new(jsonx.Arena))
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

// FuzzPeek makes sure that a glance at a question and its decoding agree, where the glance
// is enough, and that it leaves alone what it does not take.
func (v *Vendor) FuzzPeek(f *testing.F) {
	f.Add([]byte(v.passedOn()))
	for _, s := range v.Peeked {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { peek(t, v.Dialect, body) })
}

func peek(t *testing.T, d translate.Dialect, body []byte) {
	t.Helper()
	var glance, full translate.Request
	if !d.(translate.RoutingScanner).ScanRouting(&glance, body) {
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

func (v *Vendor) passedOn() string { return order.Or(v.PassedOn, withMessages) }

// withMessages is a question that several vendors take.
const withMessages = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"q"}],"stream":true}`

// PlainQuestion makes sure that a glance is enough for a question without anything special.
func (v *Vendor) PlainQuestion(t *testing.T) {
	t.Parallel()
	var req translate.Request
	if !v.Dialect.(translate.RoutingScanner).ScanRouting(&req, []byte(v.passedOn())) {
		t.Fatal("it was not read")
	}
	if req.Dialect != v.Dialect.Name() || req.Model != "m" || !req.Stream || string(req.Raw) != v.passedOn() {
		t.Errorf("read as %+v", req)
	}
}

func (v *Vendor) plain(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, v.Known)
	return ok && v.Plain(req, body, o)
}

func (v *Vendor) any(req *translate.Request, body []byte) error {
	o, ok := translate.ScanTopLevel(body, v.Known)
	return v.Any(req, body, o, ok)
}

// UsualQuestion makes sure that the first two usual questions are read without reflection, and
// that members which d does not know stay as they are.
func (v *Vendor) UsualQuestion(t *testing.T) {
	t.Parallel()
	for _, s := range v.Usual[:2] {
		req := translate.Request{Beta: "before"}
		if !v.plain(&req, []byte(s)) || req.Beta != "before" {
			t.Errorf("not read: %s", s)
		}
	}
}

// FuzzPlain makes sure that a question is the same however it is read.
func (v *Vendor) FuzzPlain(f *testing.F) {
	for _, s := range v.Usual {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want translate.Request
		if !v.plain(&got, body) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: filled and not taken: %s", body, diff)
			}
			return
		}
		if err := v.any(&want, body); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-any +plain):\n%s", body, diff)
		}
	})
}

// BenchmarkRequest measures both ways of reading the second usual question.
func (v *Vendor) BenchmarkRequest(b *testing.B) {
	for name, decode := range map[string]func(*translate.Request, []byte){
		"plain": func(req *translate.Request, s []byte) { v.plain(req, s) },
		"any":   func(req *translate.Request, s []byte) { _ = v.any(req, s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			data := []byte(v.Usual[1])
			for b.Loop() {
				var req translate.Request
				decode(&req, data)
			}
		})
	}
}
