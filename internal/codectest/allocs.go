package codectest

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Allocs makes sure that run, after its first calls, allocates want times. The race detector
// allocates as well, so nothing is counted under it.
func Allocs(t *testing.T, name string, want float64, run func()) {
	t.Helper()
	run()
	run()
	if raced {
		return
	}
	if got := testing.AllocsPerRun(200, run); got != want {
		t.Errorf("%s: %v allocations, want %v", name, got, want)
	}
}

// DecodeAllocs makes sure that frame, which says n events, is decoded without an allocation.
// again, if it is not nil, makes the decoder ready for the same frame once more.
func DecodeAllocs(t *testing.T, d translate.Decoder, frame string, n int, again func()) {
	t.Helper()
	evs, data := make([]translate.Event, 0, 4), []byte(frame)
	Allocs(t, frame, 0, func() {
		if again != nil {
			again()
		}
		var err error
		if evs, err = d.Decode(evs[:0], data); err != nil || len(evs) != n {
			t.Fatalf("%s: %v, %d events", frame, err, len(evs))
		}
	})
}

// TextAllocs makes sure that texts, also one whose last character comes in two pieces, are
// written without an allocation.
func TextAllocs(t *testing.T, enc translate.Encoder) {
	t.Helper()
	whole, first, rest := Text("Hello <b>"), Text("a\xf0\x9f"), Text("\x98\x80 b")
	buf := make([]byte, 0, 4096)
	Allocs(t, "texts", 0, func() {
		buf = enc.Append(buf[:0], whole)
		buf = enc.Append(buf, first)
		if buf = enc.Append(buf, rest); len(buf) == 0 {
			t.Fatal("nothing was written")
		}
	})
}

// Allocs makes sure that each frame of Steady goes through without an allocation.
func (v *Vendor) Allocs(t *testing.T) {
	for _, f := range v.Steady {
		step := through(t, v.Dialect)
		for _, p := range v.Prelude {
			step([]byte(p))
		}
		frame := []byte(f)
		Allocs(t, f, 0, func() {
			if step(frame) == 0 {
				t.Fatalf("%s: nothing was written", f)
			}
		})
	}
}

// BenchmarkFrame measures the way of the first frame of Steady.
func (v *Vendor) BenchmarkFrame(b *testing.B) {
	step, data := through(b, v.Dialect), []byte(v.Steady[0])
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		step(data)
	}
}

// through returns what decodes a frame of d and writes it for a client of d; it returns the
// length of what the client gets.
func through(t testing.TB, d translate.Dialect) func(frame []byte) int {
	req := &translate.Request{UsageInStream: true}
	dec, enc := d.NewDecoder(req), d.NewEncoder(req, head)
	var evs []translate.Event
	var out []byte
	return func(frame []byte) int {
		var err error
		if evs, err = dec.Decode(evs[:0], frame); err != nil {
			t.Fatal(err)
		}
		out = out[:0]
		for _, ev := range evs {
			out = enc.Append(out, ev)
		}
		return len(out)
	}
}
