package sse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// event is a frame that outlives the scanner's buffer.
type event struct{ Name, Data, Raw string }

// scan feeds stream in pieces of n bytes and collects the events.
func scan(t testing.TB, stream string, n int) []event {
	t.Helper()
	var s Scanner
	var evs []event
	for i := 0; len(stream) > 0; i++ {
		piece := stream[:min(n, len(stream))]
		if i%3 == 1 && i < 1000 { // each move copies what there is
			move(t, &s)
		}
		room := s.Room(len(piece))
		s.Wrote(copy(room, piece))
		stream = stream[len(piece):]
		evs = drained(t, &s, evs)
	}
	s.End()
	return drained(t, &s, evs)
}

// drained appends the events that s has.
func drained(t testing.TB, s *Scanner, evs []event) []event {
	t.Helper()
	for {
		f, ok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return evs
		}
		evs = append(evs, event{string(f.Name), string(f.Data), string(f.Raw)})
	}
}

// move gives s another buffer, and overwrites the one before.
func move(t testing.TB, s *Scanner) {
	t.Helper()
	rest := len(s.Bytes())
	if _, ok := s.Move(make([]byte, 0, max(rest, 1)-1)); ok != (rest == 0) {
		t.Fatalf("%d bytes were moved to a buffer for one less", rest)
	}
	from, ok := s.Move(make([]byte, 0, rest))
	if !ok {
		t.Fatal("not moved")
	}
	for i := range from[:cap(from)] {
		from[:cap(from)][i] = '!'
	}
}

func TestEventsAreFoundWhateverTheirLinesEndWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stream string
		want         []event
	}{
		{"line feeds", "data: a\n\ndata: b\n\n", []event{{"", "a", "data: a\n\n"}, {"", "b", "data: b\n\n"}}},
		{"both", "data: a\r\n\r\ndata: b\r\n\r\n", []event{{"", "a", "data: a\r\n\r\n"}, {"", "b", "data: b\r\n\r\n"}}},
		{"carriage returns", "data: a\r\rdata: b\r\r", []event{{"", "a", "data: a\r\r"}, {"", "b", "data: b\r\r"}}},
		{"no space", "data:a\n\n", []event{{"", "a", "data:a\n\n"}}},
		{"only one space is framing", "data:  a\n\n", []event{{"", " a", "data:  a\n\n"}}},
		{"a name", "event: ping\ndata: {}\n\n", []event{{"ping", "{}", "event: ping\ndata: {}\n\n"}}},
		{"several lines", "data: a\ndata: b\ndata\ndata:c\n\n", []event{{"", "a\nb\n\nc", "data: a\ndata: b\ndata\ndata:c\n\n"}}},
		{"empty data", "data\n\ndata:\n\n", []event{{"", "", "data\n\n"}, {"", "", "data:\n\n"}}},
		{"no data", "event: x\n\nid: 3\n\ndata: a\n\n", []event{{"", "a", "data: a\n\n"}}},
		{"comments", ": hi\n\n:\ndata: a\n: in\n\n", []event{{"", "a", "data: a\n: in\n\n"}}},
		{"id and retry", "id: 1\nretry: 5\ndata: a\n\n", []event{{"", "a", "id: 1\nretry: 5\ndata: a\n\n"}}},
		{"other fields", "datax: 1\n dat: 2\nevents: 3\neventually: 4\nerror\ndata: a\n\n",
			[]event{{"", "a", "datax: 1\n dat: 2\nevents: 3\neventually: 4\nerror\ndata: a\n\n"}}},
		{"fields that are written otherwise", " \x00data: a\n\nDATA: b\n\ndata : c\n\n\tEvent: x\ndata: d\n\n",
			[]event{{"", "a", " \x00data: a\n\n"}, {"", "b", "DATA: b\n\n"}, {"", "c", "data : c\n\n"}, {"x", "d", "\tEvent: x\ndata: d\n\n"}}},
		{"an error as a field", "data: a\n\nerror: {\"code\":5}\n\nerror:\n\n", []event{{"", "a", "data: a\n\n"}, {"error", `{"code":5}`, "error: {\"code\":5}\n\n"}}},
		{"an object without a field", "data: a\n\n{\"error\":5}\n\n", []event{{"", "a", "data: a\n\n"}, {"", `{"error":5}`, "{\"error\":5}\n\n"}}},
		{"such an object that is cut off", "data: a\n\n{\"error\":5}", []event{{"", "a", "data: a\n\n"}, {"", `{"error":5}`, "{\"error\":5}\n\n"}}},
		{"an error that is cut off", "data: a\n\nerror: gone\n", []event{{"", "a", "data: a\n\n"}, {"error", "gone", "error: gone\n\n"}}},
		{"a byte order mark", "\xef\xbb\xbfdata: a\n\n", []event{{"", "a", "data: a\n\n"}}},
		{"a mark before each event", "\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", []event{{"", "a", "\xef\xbb\xbfdata: a\n\n"}, {"", "b", "\xef\xbb\xbfdata: b\n\n"}}},
		{"cut before the empty line", "data: a\n\ndata: b\n", []event{{"", "a", "data: a\n\n"}, {"", "b", "data: b\n\n"}}},
		{"cut in the line", "data: a\n\ndata: b", []event{{"", "a", "data: a\n\n"}, {"", "b", "data: b\n\n"}}},
		{"cut before data", "data: a\n\nevent: b\n", []event{{"", "a", "data: a\n\n"}}},
		{"a NUL", "data: a\x00b\n\n", []event{{"", "a\x00b", "data: a\x00b\n\n"}}},
		{"nothing", "", nil},
		{"mixed ends", "data: a\ndata: b\r\n\r\n", []event{{"", "a\nb", "data: a\ndata: b\r\n\r\n"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= len(c.stream)+1; n++ {
				if d := cmp.Diff(c.want, scan(t, c.stream, n)); d != "" {
					t.Fatalf("in pieces of %d (-want +got):\n%s", n, d)
				}
			}
		})
	}
}

func TestAnEventEndedByALoneReturnIsHandedOutWithoutWaiting(t *testing.T) {
	t.Parallel()
	var s Scanner
	s.Wrote(copy(s.Room(64), "data: a\r\r"))
	f, ok, err := s.Next()
	if err != nil || !ok || string(f.Data) != "a" {
		t.Fatalf("got %q %v %v", f.Data, ok, err)
	}
}

func TestAReturnAndFeedCutApartStayInOneFrame(t *testing.T) {
	t.Parallel()
	var s Scanner
	s.Wrote(copy(s.Room(64), "data: a\r\n\r"))
	if _, ok, _ := s.Next(); ok {
		t.Fatal("the frame came without its last byte")
	}
	s.Wrote(copy(s.Room(64), "\n"))
	f, ok, _ := s.Next()
	if !ok || string(f.Raw) != "data: a\r\n\r\n" {
		t.Fatalf("got %q %v", f.Raw, ok)
	}
}

func TestPeekDoesNotTouchTheFrameThatWasHandedOut(t *testing.T) {
	t.Parallel()
	var s Scanner
	s.Wrote(copy(s.Room(128), "data: a\ndata: b\n\ndata: c\ndata: d\n\ndata: e\n\n"))
	f, _, _ := s.Next()
	if ok, _ := s.Peek(); !ok {
		t.Fatal("no second event")
	}
	s.Room(4096)
	if string(f.Data) != "a\nb" {
		t.Errorf("the first event became %q", f.Data)
	}
	for _, want := range []string{"c\nd", "e"} {
		if f, ok, _ := s.Next(); !ok || string(f.Data) != want {
			t.Errorf("got %q, want %q", f.Data, want)
		}
	}
}

func TestAnEventOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n\n"} {
		var s Scanner
		s.Wrote(copy(s.Room(MaxEvent+16), "data: "+strings.Repeat("x", MaxEvent)+end))
		if _, ok, err := s.Next(); ok || err != ErrTooLong {
			t.Errorf("got %v %v", ok, err)
		}
	}
}

func TestCommentsAreNotCollected(t *testing.T) {
	t.Parallel()
	var s Scanner
	for range 3 * MaxEvent / 8 {
		s.Wrote(copy(s.Room(8), ": hello\n"))
		if _, ok, err := s.Next(); ok || err != nil {
			t.Fatalf("got %v %v", ok, err)
		}
	}
	if n := cap(s.Release()); n > 4096 {
		t.Errorf("the buffer has grown to %d bytes", n)
	}
}

func TestWhatIsAppendedIsFound(t *testing.T) {
	t.Parallel()
	b := AppendComment(nil, "keep-alive")
	b = AppendData(b, []byte("a"))
	b = AppendEvent(b, "n", []byte("b"))
	want := []event{{"", "a", "data: a\n\n"}, {"n", "b", "event: n\ndata: b\n\n"}}
	if d := cmp.Diff(want, scan(t, string(b), 7)); d != "" {
		t.Error(d)
	}
}

// reference reads a whole stream by the letter of the standard.
func reference(stream string) []string {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	var out, data []string
	for _, line := range strings.Split(stream, "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data != nil:
			out = append(out, strings.Join(data, "\n"))
			data = nil
		case name == "data":
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	if data != nil {
		out = append(out, strings.Join(data, "\n"))
	}
	return out
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{"data: a\r\n\r\nevent: x\rdata\r\r", "\xef\xbb\xbf: c\n\ndata:b\n\n", "data: a\ndata: b", "\r\n\n\rdata: x\r"} {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, stream string, n uint8) {
		if len(stream) > MaxEvent/2 {
			return
		}
		got := scan(t, stream, int(n)+1)
		want := reference(stream)
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d: %q", len(got), len(want), got)
		}
		for i := range got {
			if got[i].Data != want[i] {
				t.Errorf("event %d: %q, want %q", i, got[i].Data, want[i])
			}
		}
	})
}

func TestScanningAllocatesNothing(t *testing.T) {
	chunk := bytes.Repeat([]byte("event: x\ndata: {\"a\":1}\n\ndata: a\ndata: b\n\n: c\n\n"), 10)
	var s Scanner
	got := testing.AllocsPerRun(100, func() { scanChunk(&s, chunk) })
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func scanChunk(s *Scanner, chunk []byte) (n int) {
	s.Wrote(copy(s.Room(len(chunk)), chunk))
	for {
		_, ok, err := s.Next()
		if !ok || err != nil {
			return n
		}
		n++
	}
}

func BenchmarkScanner(b *testing.B) {
	one := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 150) + `"}}]}` + "\n\n"
	chunk := []byte(strings.Repeat(one, 14))
	var s Scanner
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += scanChunk(&s, chunk)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// Where lines end with \r and there is no \n, what has come is looked at for one once.
func TestABufferIsNotSearchedAgainForEachOfItsLines(t *testing.T) {
	t.Parallel()
	var s Scanner
	text := strings.Repeat("data: x\r\r", 10_000)
	s.Wrote(copy(s.Room(len(text)), text))
	for i := range 9_999 {
		if _, ok, err := s.Next(); !ok || err != nil {
			t.Fatalf("event %d: %v, %v", i, ok, err)
		}
		if s.noLF != len(s.buf) {
			t.Fatalf("after event %d there was looked for a line's end up to byte %d of %d only", i, s.noLF, len(s.buf))
		}
	}
}

func TestTheBufferIsNeverMuchLargerThanTheLongestEvent(t *testing.T) {
	t.Parallel()
	s := Scanner{Most: 100 << 10}
	for {
		room := s.Room(1 << 10)
		copy(room, bytes.Repeat([]byte("x"), len(room)))
		s.Wrote(len(room))
		if _, _, err := s.Next(); err != nil {
			break
		}
	}
	if got := cap(s.buf); got > 110<<10 {
		t.Errorf("an endless event of at most %d bytes took a buffer of %d", s.Most, got)
	}
}

// Lines of JSON come in any pieces, with blank lines, white space and CR LF between them.
func TestLinesAreEventsToo(t *testing.T) {
	t.Parallel()
	const stream = "{\"a\":1}\n\r\n  \n \t{\"b\":2}\r\n{\"c\":3}"
	for n := 1; n <= len(stream); n++ {
		s := Scanner{Lines: true}
		var got []event
		for rest := stream; rest != ""; {
			piece := rest[:min(n, len(rest))]
			rest = rest[len(piece):]
			s.Wrote(copy(s.Room(len(piece)), piece))
			got = drained(t, &s, got)
		}
		if len(got) != 2 || !s.Pending() {
			t.Errorf("in pieces of %d: %q, pending %v", n, got, s.Pending())
		}
		s.End()
		var data []string
		for _, e := range drained(t, &s, got) {
			data = append(data, e.Data)
		}
		if want := `{"a":1} {"b":2} {"c":3}`; strings.Join(data, " ") != want {
			t.Errorf("in pieces of %d: %q", n, data)
		}
	}
	s := Scanner{Lines: true, Most: 4}
	s.Wrote(copy(s.Room(8), "12345678"))
	if _, _, err := s.Next(); err != ErrTooLong {
		t.Errorf("a line without an end: %v", err)
	}
}

func TestAnOddEventHasAPlainForm(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		" data: a\nEVENT: x\n\n":             "event: x\ndata: a\n\n",
		"{\"a\":1}\n{\"b\":2}\n\n":           "data: {\"a\":1}\ndata: {\"b\":2}\n\n",
		"error: gone\n\n":                    "event: error\ndata: gone\n\n",
		"data: a\n\n":                        "",
		"event: x\nid: 1\ndata: a\n\n":       "",
		"datax: b\n: c\ndata:a\ndata: b\n\n": "",
	} {
		var s Scanner
		s.Wrote(copy(s.Room(len(stream)), stream))
		f, ok, err := s.Next()
		if !ok || err != nil || f.Odd != (want != "") || f.Odd && string(f.Plain()) != want {
			t.Errorf("%q: %v, %v, odd %v, %q", stream, ok, err, f.Odd, f.Plain())
		}
	}
}
