package dialects

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// rich is an answer of all that an answer can be of: reasoning with its signature,
// text, and two calls whose arguments come in turns.
func rich() []translate.Event {
	text := func(k translate.Kind, index int32, pieces ...string) (evs []translate.Event) {
		for _, p := range pieces {
			evs = append(evs, translate.Event{Kind: k, Index: index, Text: []byte(p)})
		}
		return evs
	}
	call := func(index int32, id, name string) translate.Event {
		return translate.Event{Kind: translate.KindToolStart, Index: index, ID: []byte(id), Name: []byte(name)}
	}
	return slices.Concat(
		[]translate.Event{{Kind: translate.KindStart, ID: []byte("up-1"), Name: []byte("m")}},
		text(translate.KindReasoning, 0, "Hm… \"", "漢\n\\u0041 😀"),
		text(translate.KindSignature, 0, "c2lnbmVk"),
		text(translate.KindText, 0, "a\t\"b\"\\ ключ", " 👩‍👩‍👧\r\n\x01", "\u2028</b> 𝄞"),
		[]translate.Event{call(0, "call_1", "look")},
		text(translate.KindToolArgs, 0, `{"q":"\"x\" 漢`, `\\ud83d\n😀`, `"}`),
		[]translate.Event{call(1, "call_2", "now")},
		text(translate.KindToolArgs, 1, `{"é":[{}],`, `"z":null}`),
		[]translate.Event{{Kind: translate.KindFinish, Finish: translate.FinishTool, Usage: translate.Usage{Input: 3, Output: 5}}},
	)
}

// escaped is JSON text with every character beyond ASCII as escapes, those beyond
// the basic plane as two of them.
func escaped(stream []byte) []byte {
	var out []byte
	for _, r := range string(stream) {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04X`, unit)
		}
	}
	return out
}

// says returns the parts of rich that a client of down is told when a server of up
// answers: only some dialects have more than text, and only anthropic signs.
func says(down, up translate.Dialect) []translate.Part {
	tells := func(name string) bool { return down.Name() == name || up.Name() == name }
	parts := collect(rich()).Parts
	if tells("chatnio") || tells("rest") || tells("iagent") {
		return slices.DeleteFunc(parts, func(p translate.Part) bool { return p.Kind != translate.PartText })
	}
	if tells("openai") || tells("gemini") || tells("ollama") {
		parts[0].Signature = ""
	}
	return parts
}

// Whatever reads a stream arrives in, on its way from the upstream and on its way
// to the client: two that end at any byte, or one for each byte.
func TestAnAnswerSurvivesEveryPairCutAtEveryByte(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, down, up translate.Dialect) {
		want := says(down, up)
		upStream, upMessages := wire(up, rich())
		for _, from := range [][]byte{upStream, escaped(upStream)} {
			if from == nil && upMessages == nil {
				continue
			}
			downStream, downMessages := wire(down, read(t, up, frames(t, from, upMessages)))
			check := func(cuts func(stream []byte) []int) {
				t.Helper()
				in := upMessages
				if in == nil {
					in = cutEvents(t, from, cuts(from)...)
				}
				stream, out := wire(down, read(t, up, in))
				if out == nil {
					out = cutEvents(t, stream, cuts(stream)...)
				}
				if got := collect(read(t, down, out)); !cmp.Equal(want, got.Parts, sameArgs) {
					t.Fatalf("(-want +got)\n%s", cmp.Diff(want, got.Parts, sameArgs))
				}
			}
			if downMessages != nil && upMessages != nil {
				check(func([]byte) []int { return nil })
				continue
			}
			// Each pair begins elsewhere, so that every byte of a stream is cut in some of its pairs.
			begin := (slices.Index(All, down) + slices.Index(All, up)) % stride
			for cut := begin; cut < max(len(from), len(downStream)); cut += stride {
				check(func(stream []byte) []int { return []int{min(cut, len(stream))} })
			}
			check(func(stream []byte) []int {
				all := make([]int, len(stream))
				for i := range all {
					all[i] = i
				}
				return all
			})
		}
	})
}

// A server that counts text in UTF-16 may end a piece between the two escapes of
// one character.
func TestACharacterCutBetweenItsEscapesSurvivesEveryPair(t *testing.T) {
	t.Parallel()
	const smile = `😀`
	for _, up := range All {
		stream, messages := wire(up, start([][]byte{[]byte("a" + smile), []byte("@@b")}))
		if up.Name() == "iagent" {
			continue // its answers come in one piece
		}
		halve := func(b []byte) []byte {
			b = bytes.Replace(b, []byte(smile), []byte(`\ud83d`), 1)
			return bytes.Replace(b, []byte("@@"), []byte(`\ude00`), 1)
		}
		in := frames(t, stream, messages)
		for i := range in {
			in[i] = halve(in[i])
		}
		for _, down := range All {
			stream, messages := wire(down, read(t, up, in))
			if got := collect(read(t, down, frames(t, stream, messages))).Text(); got != "a"+smile+"b" {
				t.Errorf("%s from %s: %q", down.Name(), up.Name(), got)
			}
		}
	}
}
