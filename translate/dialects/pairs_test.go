package dialects

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// awkward is text that breaks careless translators.
const awkward = "Plain, \"quoted\" \\back\\ \n\t\r <b>&amp;</b> ключ 漢字 👩‍👩‍👧 \u202eright\u202c e\u0301 \u2028\u2029 end"

// start returns the events of an answer in the given pieces.
func start(pieces [][]byte) []translate.Event {
	evs := []translate.Event{{Kind: translate.KindStart, ID: []byte("up-1"), Name: []byte("m")}}
	for _, p := range pieces {
		evs = append(evs, translate.Event{Kind: translate.KindText, Text: p})
	}
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop, Usage: translate.Usage{Input: 3, Output: 5}})
}

// served returns what a server of d sends for evs, cut into frames as a transport
// hands them to a decoder; where that reads a byte stream, it comes in two reads.
// A dialect without pieces gives one frame.
func served(t *testing.T, d translate.Dialect, evs []translate.Event, cut int) [][]byte {
	t.Helper()
	req := &translate.Request{Dialect: d.Name(), Model: "m", Stream: true, UsageInStream: true}
	enc := d.NewEncoder(req, translate.Head{ID: "id-1", Created: 1, Conversation: "conv_1", Number: 1})
	var frames [][]byte
	switch d.Name() {
	case "iagent":
		var a translate.Answer
		for _, ev := range evs {
			a.Add(ev)
		}
		return [][]byte{enc.AppendWhole(nil, &a)}
	case "chatnio":
		frames = append(frames, chatnio.AppendFirst(nil, 1, ""))
	}
	for _, ev := range evs {
		if f := enc.Append(nil, ev); len(f) > 0 {
			frames = append(frames, f)
		}
	}
	frames = append(frames, enc.AppendTail(nil))
	if d.Name() == "chatnio" {
		return frames
	}
	stream := bytes.Join(frames, nil)
	return events(t, stream, min(cut, len(stream)))
}

// events returns the data of all server-sent events in a stream that arrives in
// two reads, cut at cut.
func events(t *testing.T, stream []byte, cut int) [][]byte {
	t.Helper()
	var out [][]byte
	var s sse.Scanner
	for _, read := range [][]byte{stream[:cut], stream[cut:]} {
		for len(read) > 0 {
			n := copy(s.Room(1), read)
			s.Wrote(n)
			read = read[n:]
			for {
				ev, ok, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				out = append(out, bytes.Clone(ev.Data))
			}
		}
	}
	return out
}

// read is what a client of d makes of frames, whose bytes are destroyed as soon
// as the next one comes.
func read(t *testing.T, d translate.Dialect, frames [][]byte) []translate.Event {
	t.Helper()
	dec := d.NewDecoder(&translate.Request{Model: "m", Stream: true, UsageInStream: true})
	var all, evs []translate.Event
	for _, f := range frames {
		lent := bytes.Clone(f)
		var err error
		if evs, err = dec.Decode(evs[:0], lent); err != nil {
			t.Fatalf("%s: %v in %s", d.Name(), err, f)
		}
		for _, ev := range evs {
			ev.Text, ev.ID, ev.Name = bytes.Clone(ev.Text), bytes.Clone(ev.ID), bytes.Clone(ev.Name)
			all = append(all, ev)
		}
		for i := range lent {
			lent[i] = 0xAA
		}
	}
	return all
}

func TestTextSurvivesEveryPairInAnyPieces(t *testing.T) {
	t.Parallel()
	for _, up := range All {
		for _, down := range All {
			t.Run(fmt.Sprintf("%s from %s", down.Name(), up.Name()), func(t *testing.T) {
				t.Parallel()
				for cut := range awkward {
					pieces := [][]byte{[]byte(awkward[:cut]), []byte(awkward[cut:])}
					frames := served(t, down, read(t, up, served(t, up, start(pieces), 0)), 0)
					a := &translate.Answer{}
					for _, ev := range read(t, down, frames) {
						a.Add(ev)
					}
					if got := a.Text(); got != awkward || a.Finish != translate.FinishStop {
						t.Fatalf("cut at %d: %q, finish %d", cut, got, a.Finish)
					}
				}
			})
		}
	}
}

func TestTheReadsThatAStreamArrivesInDoNotMatter(t *testing.T) {
	t.Parallel()
	for _, d := range All {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			whole := start([][]byte{[]byte(awkward)})
			for cut := range 4 * len(awkward) {
				a := &translate.Answer{}
				for _, ev := range read(t, d, served(t, d, whole, cut)) {
					a.Add(ev)
				}
				if got := a.Text(); got != awkward {
					t.Fatalf("cut at %d: %q", cut, got)
				}
			}
		})
	}
}
