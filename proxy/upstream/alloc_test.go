//go:build !race

package upstream

import (
	"io"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// flood answers every request with n deltas, per of them in each write.
func flood(t testing.TB, n, per int) *peer {
	first, last := []byte(eventsHead+chunk(deltaHi)), []byte(chunk(deltaStop+dataDone)+lastChunk)
	write := []byte(chunk(strings.Repeat(deltaYou, per)))
	return listen(t, func(l *link) {
		question := make([]byte, 4096)
		for {
			// A question comes in one write, and so in one read.
			if _, err := l.Read(question); err != nil {
				return
			}
			_, _ = l.Write(first)
			for range n / per {
				_, _ = l.Write(write)
			}
			_, _ = l.Write(last)
		}
	})
}

// drain reads s without keeping anything and returns the number of events.
func drain(t testing.TB, s translate.Stream) (n int) {
	for {
		s.Ready()
		if _, err := s.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	_ = s.Close()
	return n
}

func TestAnEventAllocatesNothing(t *testing.T) {
	const events = 5000
	for _, pass := range []bool{false, true} {
		up := open(t, "openai", flood(t, events, 5).url())
		req := question("m", true)
		req.PassThrough, req.Raw = pass, []byte(`{"model":"m","stream":true,"messages":[]}`)
		got := testing.AllocsPerRun(3, func() {
			s, err := up.Open(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if n := drain(t, s); n < events {
				t.Fatalf("%d events", n)
			}
		})
		if got > 40 {
			t.Errorf("pass-through %v: %v allocations for %d events", pass, got, events)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name string
		per  int
		pass bool
	}{{"one", 1, false}, {"ten", 10, false}, {"ten-passed", 10, true}} {
		b.Run(c.name, func(b *testing.B) {
			up := open(b, "openai", flood(b, 1000, c.per).url())
			req := question("m", true)
			req.PassThrough, req.Raw = c.pass, []byte(`{"model":"m","stream":true,"messages":[]}`)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s, err := up.Open(b.Context(), req)
				if err != nil {
					b.Fatal(err)
				}
				n += drain(b, s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
		})
	}
}

func BenchmarkWhole(b *testing.B) {
	reply := []byte(whole(jsonHead, wholeBody))
	up := open(b, "openai", listen(b, func(l *link) {
		for question := make([]byte, 4096); ; {
			if _, err := l.Read(question); err != nil {
				return
			}
			_, _ = l.Write(reply)
		}
	}).url())
	req := question("m", false)
	b.ReportAllocs()
	for b.Loop() {
		s, err := up.Open(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		drain(b, s)
	}
}
