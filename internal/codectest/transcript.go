package codectest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Describe returns ev as one line of a transcript.
func Describe(ev translate.Event) string {
	line := ev.Kind.String()
	switch ev.Kind {
	case translate.KindFinish:
		line += " " + ev.Finish.String()
	case translate.KindToolStart, translate.KindToolArgs, translate.KindToolProof:
		line += " " + strconv.Itoa(int(ev.Index))
	}
	if len(ev.ID) > 0 {
		line += fmt.Sprintf(" id=%s", ev.ID)
	}
	if len(ev.Name) > 0 {
		line += fmt.Sprintf(" name=%s", ev.Name)
	}
	if len(ev.Text) > 0 || ev.Kind == translate.KindText {
		line += fmt.Sprintf(" %q", ev.Text)
	}
	return line + describeUsage(ev.Usage)
}

func describeUsage(u translate.Usage) (line string) {
	for _, c := range []struct {
		name   string
		tokens int64
	}{{"in", u.Input}, {"out", u.Output}, {"read", u.CacheRead}, {"written", u.CacheWrite}, {"reasoning", u.Reasoning}} {
		if c.tokens != 0 {
			line += fmt.Sprintf(" %s=%d", c.name, c.tokens)
		}
	}
	return line
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
	line += fmt.Sprintf(" %q", e.Message)
	r := e.Upstream
	if r == nil {
		return line
	}
	line += fmt.Sprintf(" upstream=%d", r.Status)
	for _, m := range [...]struct{ name, value string }{{"type", r.Type}, {"code", r.Code}, {"param", r.Param}, {"says", r.Message}} {
		if m.value != "" {
			line += fmt.Sprintf(" %s=%q", m.name, m.value)
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
			overwrite(mem)
		}
		evs[i] = translate.Event{}
	}
	overwrite(frame)
}

// Golden runs every transcript testdata/*.txtar against a decoder of its own. The
// sections before "events" are input: "frames" holds a frame on each line,
// "frame" holds one, "whole 200" a body with its status. "events" is what must
// come out.
func Golden(t *testing.T, decoder func(name string) translate.Decoder) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { golden(t, file, decoder(name)) })
	}
}

func golden(t *testing.T, file string, dec translate.Decoder) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment, sections := wiretest.Parse(string(text))
	n := len(sections) - 1
	if n < 1 || sections[n].Name != "events" {
		t.Fatalf("%s does not end with a section events", file)
	}
	got := strings.TrimSuffix(runTranscript(t, sections[:n], dec), "\n")
	if got == sections[n].Data {
		return
	}
	if !*update {
		t.Fatalf("got:\n%s\nwant:\n%s", got, sections[n].Data)
	}
	sections[n].Data = got
	if err := os.WriteFile(file, []byte(wiretest.Format(comment, sections)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runTranscript(t *testing.T, sections []wiretest.Section, dec translate.Decoder) (got string) {
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
