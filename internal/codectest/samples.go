package codectest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/translate"
)

var update = flag.Bool("update", false, "rewrite the transcripts of testdata")

// head is the envelope of the answers that the suite writes.
var head = translate.Envelope{ID: "answer-1", Created: 1700000000123, RequestID: "req_1"}

// Decode is d.Decode with a copy of frame that is overwritten afterwards, so that an event
// which aliases the frame shows as garbage.
func Decode(d translate.Decoder, evs []translate.Event, frame []byte) ([]translate.Event, error) {
	lent := bytes.Clone(frame)
	evs, err := d.Decode(evs, lent)
	overwrite(lent)
	return evs, err
}

func overwrite(lent []byte) {
	for i := range lent {
		lent[i] = '#'
	}
}

// Data returns the data of the server-sent events in stream, or its objects where each is a line.
func Data(stream []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(stream) {
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok || line[0] == '{' {
			all = append(all, bytes.TrimRight(data, "\r\n"))
		}
	}
	return all
}

// Samples runs every transcript testdata/*.txtar. The first section holds what a vendor
// sends: "stream", "whole", or "status N" for a refusal. "events" is what it means,
// "client" what a client of the same dialect gets.
func (v *Vendor) Samples(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			comment, sections := wiretest.Parse(string(text))
			events, client := v.sample(sections[0])
			got := wiretest.Format(comment, []wiretest.Section{sections[0], {Name: "events", Data: events}, {Name: "client", Data: client}})
			if !*update {
				if diff := cmp.Diff(string(text), got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// sample decodes what a vendor sends, and writes it for a client of the same dialect.
func (v *Vendor) sample(in wiretest.Section) (events, client string) {
	code := 200
	_, _ = fmt.Sscanf(in.Name, "status %d", &code)
	streamed := in.Name == "stream"
	req := &translate.Request{Model: "asked", Stream: streamed, UsageInStream: true}
	dec, enc := v.Dialect.NewDecoder(req), v.Dialect.NewEncoder(req, head)
	var lines, out []byte
	var answer translate.Answer
	take := func(evs []translate.Event) {
		for _, ev := range evs {
			lines = append(lines, Describe(ev)+"\n"...)
			answer.Add(ev)
			out = enc.Append(out, ev)
		}
	}
	var evs []translate.Event
	var err error
	if !streamed {
		evs, err = dec.DecodeWhole(nil, code, []byte(strings.TrimSpace(in.Data)))
		take(evs)
	} else {
		for _, f := range Data([]byte(in.Data)) {
			if evs, err = Decode(dec, nil, f); err != nil {
				break
			}
			take(evs)
		}
		if err == nil {
			take(End(dec, nil))
		}
	}
	var failed *translate.Error
	switch {
	case errors.As(err, &failed):
		out = enc.AppendError(fmt.Appendf(out, "status %d\n", v.Status(failed)), failed, streamed)
		return string(lines) + DescribeError(err), strings.TrimSpace(string(out))
	case err != nil:
		return string(lines) + DescribeError(err), ""
	case streamed:
		out = enc.AppendTail(out)
	default:
		out = enc.AppendWhole(nil, &answer)
	}
	if dec.Done() {
		lines = append(lines, "done\n"...)
	}
	return strings.TrimSpace(string(lines)), strings.TrimSpace(string(out))
}
