//go:build !race

package iagent

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAReplyIsDecodedWithoutAllocating(t *testing.T) {
	d := &decoder{}
	frame := []byte(askedFrame)
	object := []byte(`{"resp_code":0,"content":{"file_id":7}}`)
	evs := make([]translate.Event, 0, 4)
	var err error
	for _, f := range [][]byte{frame, object} {
		if n := testing.AllocsPerRun(100, func() {
			d.done = false
			evs, err = d.Decode(evs[:0], f)
		}); n != 0 || err != nil || len(evs) != 3 {
			t.Errorf("%v allocations, %v, %d events", n, err, len(evs))
		}
	}
}

func TestAFrameIsWrittenWithoutAllocating(t *testing.T) {
	buf := make([]byte, 0, 4096)
	m := asked
	if n := testing.AllocsPerRun(100, func() { buf = AppendMessage(buf[:0], &m) }); n != 0 || len(buf) == 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	frame := []byte(askedFrame)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeMessage(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAnAnswerIsFoundAndReadWithOneAllocation(t *testing.T) {
	var r Reader
	frame := []byte(askedFrame[:len(askedFrame)-1] + `,"ref_msg_id":"q"}`)
	evs := make([]translate.Event, 0, 4)
	var err error
	if n := testing.AllocsPerRun(100, func() {
		if string(r.Next(frame)) != "q" {
			t.Fatal("not found")
		}
		a := r.Answer()
		evs, err = a.Events(evs[:0])
	}); n != 1 || err != nil || len(evs) != 3 {
		t.Errorf("%v allocations, %v, %d events", n, err, len(evs))
	}
}

func BenchmarkReader(b *testing.B) {
	frame := []byte(askedFrame)
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		r.Next(frame)
		r.Answer()
	}
}
