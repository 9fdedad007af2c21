package iagent

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAReplyIsDecodedWithoutAllocating(t *testing.T) {
	d := &decoder{}
	for _, frame := range []string{askedFrame, `{"resp_code":0,"content":{"file_id":7}}`} {
		codectest.DecodeAllocs(t, d, frame, 3, func() { d.done = false })
	}
}

func TestAFrameIsWrittenWithoutAllocating(t *testing.T) {
	buf := make([]byte, 0, 4096)
	m := asked
	codectest.Allocs(t, "a frame", 0, func() { buf = AppendMessage(buf[:0], &m) })
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
	codectest.Allocs(t, "a reply", 1, func() {
		if string(r.Next(frame)) != "q" {
			t.Fatal("not found")
		}
		a := r.Answer()
		var err error
		if evs, err = a.Events(evs[:0]); err != nil || len(evs) != 3 {
			t.Fatalf("%v, %d events", err, len(evs))
		}
	})
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
