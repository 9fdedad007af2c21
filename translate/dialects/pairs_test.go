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

// wire returns what a server of d sends for evs: one stream of server-sent
// events, or the messages of a socket. A dialect without pieces gives one message.
func wire(d translate.Dialect, evs []translate.Event) (stream []byte, messages [][]byte) {
	req := &translate.Request{Dialect: d.Name(), Model: "m", Stream: true, UsageInStream: true}
	enc := d.NewEncoder(req, translate.Envelope{ID: "id-1", Created: 1, Conversation: "conv_1", Talk: func() string { return "conv_1" }, Number: 1})
	switch d.Name() {
	case "iagent":
		var a translate.Answer
		for _, ev := range evs {
			a.Add(ev)
		}
		return nil, [][]byte{enc.AppendWhole(nil, &a)}
	case "chatnio":
		messages = append(messages, chatnio.AppendFirst(nil, 1, ""))
	}
	for _, ev := range evs {
		if f := enc.Append(nil, ev); len(f) > 0 {
			messages = append(messages, f)
		}
	}
	messages = append(messages, enc.AppendTail(nil))
	if d.Name() == "chatnio" {
		return nil, messages
	}
	return bytes.Join(messages, nil), nil
}

// frames returns what a decoder is given of what wire returns.
func frames(t *testing.T, stream []byte, messages [][]byte) [][]byte {
	t.Helper()
	if messages != nil {
		return messages
	}
	return cutEvents(t, stream)
}

// cutEvents returns the data of all server-sent events, or of all lines of JSON, in a stream that
// arrives in reads which end at cuts.
func cutEvents(t *testing.T, stream []byte, cuts ...int) [][]byte {
	t.Helper()
	var out [][]byte
	s := sse.Scanner{Lines: bytes.HasPrefix(stream, []byte("{"))}
	from := 0
	for _, to := range append(cuts, len(stream)) {
		read := stream[from:to]
		from = to
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
	if e, ok := dec.(translate.Ender); ok && e.Complete() {
		all = e.End(all)
	}
	return all
}

// collect is the answer that evs make.
func collect(evs []translate.Event) *translate.Answer {
	a := &translate.Answer{}
	for _, ev := range evs {
		a.Add(ev)
	}
	return a
}

// eachPair runs test for every dialect of a client and every one of an upstream.
func eachPair(t *testing.T, test func(t *testing.T, down, up translate.Dialect)) {
	t.Helper()
	for _, up := range All {
		for _, down := range All {
			t.Run(fmt.Sprintf("%s from %s", down.Name(), up.Name()), func(t *testing.T) {
				t.Parallel()
				test(t, down, up)
			})
		}
	}
}

// The pieces of a model may end anywhere, in the middle of a character too.
func TestTextSurvivesEveryPairInAnyPieces(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, down, up translate.Dialect) {
		for cut := range len(awkward) {
			pieces := [][]byte{[]byte(awkward[:cut]), []byte(awkward[cut:])}
			stream, messages := wire(up, start(pieces))
			stream, messages = wire(down, read(t, up, frames(t, stream, messages)))
			a := collect(read(t, down, frames(t, stream, messages)))
			if got := a.Text(); got != awkward || a.Finish != translate.FinishStop {
				t.Fatalf("cut at %d: %q, finish %s", cut, got, a.Finish)
			}
		}
	})
}
