// Package wiretest holds what the tests of wire formats share.
package wiretest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Describe returns ev as one line of a transcript.
func Describe(ev translate.Event) string {
	var b strings.Builder
	b.WriteString(ev.Kind.String())
	if ev.Kind == translate.KindFinish {
		b.WriteString(" " + ev.Finish.String())
	}
	if len(ev.ID) > 0 {
		fmt.Fprintf(&b, " id=%s", ev.ID)
	}
	if len(ev.Name) > 0 {
		fmt.Fprintf(&b, " name=%s", ev.Name)
	}
	if ev.Text != nil {
		fmt.Fprintf(&b, " %q", ev.Text)
	}
	if ev.Usage.Known() {
		fmt.Fprintf(&b, " %d+%d cached=%d reasoning=%d", ev.Usage.Input, ev.Usage.Output, ev.Usage.CacheRead, ev.Usage.Reasoning)
	}
	return b.String()
}

// DescribeError returns err as one line of a transcript.
func DescribeError(err error) string {
	var e *translate.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("NOT A TYPED ERROR: %v", err)
	}
	line := "error " + string(e.Code)
	if e.Fault != 0 {
		line += " fault=" + e.Fault.String()
	}
	if e.Timeout {
		line += " timeout"
	}
	if e.Retry > 0 {
		line += " retry=" + e.Retry.String()
	}
	if e.Upstream != nil {
		line += fmt.Sprintf(" upstream=%d", e.Upstream.Status)
		if e.Upstream.Type != "" {
			line += " type=" + e.Upstream.Type
		}
		if e.Upstream.Code != "" {
			line += " code=" + e.Upstream.Code
		}
	}
	return line
}

// Replay gives frames to dec and returns the transcript of what came out. Each
// frame, and the events made of it, are overwritten before the next is given, so
// that what dec keeps too long shows up as garbage.
func Replay(dec translate.Decoder, frames ...[]byte) string {
	var b strings.Builder
	var evs []translate.Event
	for _, f := range frames {
		frame := append([]byte(nil), f...)
		var err error
		evs, err = dec.Decode(evs[:0], frame)
		note(&b, evs, err)
		poison(evs, frame)
	}
	if dec.Done() {
		b.WriteString("done\n")
	}
	return b.String()
}

// ReplayWhole does the same for an answer in one piece.
func ReplayWhole(dec translate.Decoder, status int, body []byte) string {
	var b strings.Builder
	evs, err := dec.DecodeWhole(nil, status, append([]byte(nil), body...))
	note(&b, evs, err)
	if dec.Done() {
		b.WriteString("done\n")
	}
	return b.String()
}

func note(b *strings.Builder, evs []translate.Event, err error) {
	for _, ev := range evs {
		b.WriteString(Describe(ev) + "\n")
	}
	if err != nil {
		b.WriteString(DescribeError(err) + "\n")
	}
}

func poison(evs []translate.Event, frame []byte) {
	for i := range evs {
		for _, mem := range [][]byte{evs[i].Text, evs[i].ID, evs[i].Name} {
			for j := range mem {
				mem[j] = '#'
			}
		}
		evs[i] = translate.Event{}
	}
	for i := range frame {
		frame[i] = '#'
	}
}

// Golden runs every transcript dir/*.txtar against a decoder of its own. The
// sections before "events" are input: "frames" holds a frame on each line,
// "frame" holds one, "whole 200" a body with its status. "events" is what must
// come out; with update it is rewritten.
func Golden(t *testing.T, dir string, update bool, decoder func(name string) translate.Decoder) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s: %v", dir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { golden(t, file, update, decoder(name)) })
	}
}

func golden(t *testing.T, file string, update bool, dec translate.Decoder) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment, sections := Parse(string(text))
	n := len(sections) - 1
	if n < 1 || sections[n].Name != "events" {
		t.Fatalf("%s does not end with a section events", file)
	}
	got := strings.TrimSuffix(runTranscript(t, sections[:n], dec), "\n")
	if got == sections[n].Data {
		return
	}
	if !update {
		t.Fatalf("got:\n%s\nwant:\n%s", got, sections[n].Data)
	}
	sections[n].Data = got
	if err := os.WriteFile(file, []byte(Format(comment, sections)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runTranscript(t *testing.T, sections []Section, dec translate.Decoder) (got string) {
	t.Helper()
	var frames [][]byte
	for _, s := range sections {
		kind, status, _ := strings.Cut(s.Name, " ")
		switch kind {
		case "frames":
			for line := range strings.SplitSeq(s.Data, "\n") {
				frames = append(frames, []byte(line))
			}
		case "frame":
			frames = append(frames, []byte(s.Data))
		case "whole":
			n, err := strconv.Atoi(status)
			if err != nil {
				t.Fatal(err)
			}
			got += ReplayWhole(dec, n, []byte(s.Data))
		default:
			t.Fatalf("unknown section %q", s.Name)
		}
	}
	if frames != nil {
		got += Replay(dec, frames...)
	}
	return got
}
