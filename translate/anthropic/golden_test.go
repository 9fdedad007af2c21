package anthropic

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

	"github.com/dragoman-gateway/dragoman/translate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var head = translate.Head{ID: "answer-1", Created: 1700000000123, RequestID: "req_1"}

// poisoned gives decode a copy of the frame and overwrites it afterwards, so
// that an event which aliases the frame shows as garbage.
func poisoned(d translate.Decoder, evs []translate.Event, frame []byte) ([]translate.Event, error) {
	c := bytes.Clone(frame)
	evs, err := d.Decode(evs, c)
	for i := range c {
		c[i] = '#'
	}
	return evs, err
}

// frames returns the data of the server-sent events in stream.
func frames(stream []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(stream) {
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			all = append(all, bytes.TrimRight(data, "\r\n"))
		}
	}
	return all
}

// dump renders ev on one line.
func dump(ev translate.Event) string {
	s := ""
	switch ev.Kind {
	case translate.KindStart:
		s = fmt.Sprintf("start %s %s", ev.ID, ev.Name)
	case translate.KindText:
		s = fmt.Sprintf("text %q", ev.Text)
	case translate.KindReasoning:
		s = fmt.Sprintf("reasoning %q", ev.Text)
	case translate.KindSignature:
		s = fmt.Sprintf("signature %q", ev.Text)
	case translate.KindToolStart:
		s = fmt.Sprintf("call %d %s %s", ev.Index, ev.ID, ev.Name)
	case translate.KindToolArgs:
		s = fmt.Sprintf("args %d %q", ev.Index, ev.Text)
	case translate.KindUsage:
		s = "usage"
	case translate.KindFinish:
		s = fmt.Sprintf("finish %s %q", ev.Finish, ev.Text)
	case translate.KindOpaque:
		s = "opaque"
	default:
		s = fmt.Sprintf("%s", ev.Kind)
	}
	if u := ev.Usage; u != (translate.Usage{}) {
		s += fmt.Sprintf(" [in %d out %d read %d write %d reasoning %d]", u.Input, u.Output, u.CacheRead, u.CacheWrite, u.Reasoning)
	}
	return s
}

func dumpErr(err error) string {
	var e *translate.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("BUG: %T %v", err, err)
	}
	s := fmt.Sprintf("error %s fault %s: %s", e.Code, e.Fault, e.Message)
	if e.Upstream != nil {
		s += fmt.Sprintf(" %+v", *e.Upstream)
	}
	return s
}

// play decodes one file's stream or whole body, and writes what a client of the
// same dialect would get.
func play(req *translate.Request, stream, whole []byte, status int) (events, client string) {
	d, e := Dialect.NewDecoder(req), Dialect.NewEncoder(req, head)
	var lines []string
	var out []byte
	var answer translate.Answer
	var err error
	take := func(evs []translate.Event) {
		for _, ev := range evs {
			lines = append(lines, dump(ev))
			answer.Add(ev)
			out = e.Append(out, ev)
		}
	}
	if stream == nil {
		var evs []translate.Event
		evs, err = d.DecodeWhole(nil, status, bytes.TrimSpace(whole))
		take(evs)
	}
	for _, f := range frames(stream) {
		var evs []translate.Event
		if evs, err = poisoned(d, nil, f); err != nil {
			break
		}
		take(evs)
	}
	if err != nil {
		lines = append(lines, dumpErr(err))
		var te *translate.Error
		if errors.As(err, &te) {
			out = append(out, fmt.Sprintf("status %d\n", Status(te))...)
			out = e.AppendError(out, te, stream != nil)
		}
		return strings.Join(lines, "\n") + "\n", string(out)
	}
	lines = append(lines, fmt.Sprintf("done %v", d.Done()))
	if stream == nil {
		out = e.AppendWhole(nil, &answer)
	} else {
		out = e.AppendTail(out)
	}
	return strings.Join(lines, "\n") + "\n", string(out)
}

// sample is a file of testdata: a comment, and sections under "-- name --".
type sample struct {
	comment string
	names   []string
	texts   map[string]string
}

func readSample(t *testing.T, name string) sample {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := sample{texts: map[string]string{}}
	at := ""
	for line := range strings.Lines(string(data)) {
		if head, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(head, " --") {
			at = strings.TrimSuffix(head, " --")
			s.names = append(s.names, at)
			continue
		}
		if at == "" {
			s.comment += line
			continue
		}
		s.texts[at] += line
	}
	return s
}

// The files of testdata hold what a vendor sends, as "stream", "whole" or
// "status N", the events that it means, and what a client of the same dialect
// gets.
func TestVendorSamplesDecodeAndEncodeAsWritten(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			a := readSample(t, name)
			in, status := a.names[0], 200
			req := &translate.Request{Model: "asked", Stream: in == "stream", UsageInStream: true}
			_, _ = fmt.Sscanf(in, "status %d", &status)
			var stream, whole []byte
			if req.Stream {
				stream = []byte(a.texts[in])
			} else {
				whole = []byte(a.texts[in])
			}
			events, client := play(req, stream, whole, status)
			if *update {
				text := fmt.Sprintf("%s-- %s --\n%s-- events --\n%s-- client --\n%s\n", a.comment, in, a.texts[in], events, client)
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(a.texts["events"], events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.TrimSpace(a.texts["client"]), strings.TrimSpace(client)); diff != "" {
				t.Errorf("client (-want +got):\n%s", diff)
			}
		})
	}
}
