package codectest

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Text is an event with a piece of text.
func Text(s string) translate.Event {
	return translate.Event{Kind: translate.KindText, Text: []byte(s)}
}

// RequestRoundTrip runs [RequestRoundTrip] with the full question in each mode of its tools.
func (v *Vendor) RequestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, mode := range v.Modes {
		req := v.Full()
		req.ToolChoice = translate.ToolChoice{Mode: mode, NoParallel: mode != translate.ToolNone}
		if mode == translate.ToolNamed {
			req.ToolChoice.Name = "look"
		}
		RequestRoundTrip(t, v.Dialect, req, v.Again)
	}
}

// RequestRoundTrip makes sure that req, of which nothing may be dropped, is read from
// what puts it as it was; again, if it is not nil, changes req to what must be read.
// A dialect that passes bodies through must have kept the body.
func RequestRoundTrip(t *testing.T, d translate.Dialect, req *translate.Request, again func(*translate.Request)) {
	t.Helper()
	body, err := d.AppendRequest(nil, req)
	if err != nil || req.Dropped != nil {
		t.Fatalf("AppendRequest: %v, dropped %v", err, req.Dropped)
	}
	var got translate.Request
	if err := Receive(d, &got, req, body); err != nil {
		t.Fatalf("DecodeRequest(%s): %v", body, err)
	}
	if _, passes := d.(translate.RoutingScanner); passes && string(got.Raw) != string(body) {
		t.Fatal("a body of one reading was not kept")
	}
	got.Raw = nil
	if again != nil {
		again(req)
	}
	if diff := cmp.Diff(*req, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

// Receive reads into got what a server of d reads of sent, whose body is given: what a
// [translate.Pather] says in its path comes from there.
func Receive(d translate.Dialect, got, sent *translate.Request, body []byte) error {
	if p, ok := d.(translate.Pather); ok {
		at, query, _ := strings.Cut(string(p.AppendPath(nil, sent)), "?")
		path, err := url.PathUnescape(at)
		if err == nil {
			err = p.FromPath(got, path, query)
		}
		if err != nil {
			return err
		}
	}
	return d.DecodeRequest(got, body)
}

// End appends the end of an answer that is complete without its last frame, as transports do
// when the connection has ended.
func End(d translate.Decoder, evs []translate.Event) []translate.Event {
	if e, ok := d.(translate.Ender); ok && e.Complete() {
		return e.End(evs)
	}
	return evs
}

// Invalid makes sure that d refuses each body as invalid, in words that hold the
// body's value.
func Invalid(t *testing.T, d translate.Dialect, words map[string]string) {
	t.Helper()
	for body, word := range words {
		err := d.DecodeRequest(&translate.Request{}, []byte(body))
		if !IsValidation(err) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want a validation error with %q", body, err, word)
		}
	}
}

// Failure is how clients are told of Err: with an HTTP status, and in words of the dialect.
type Failure struct {
	Err    translate.Error
	Status int
	Words  string
}

// Failures makes sure that the dialect tells clients of each failure, whose message is "why", with its
// status and in the form of body, where %s stands for its words.
func (v *Vendor) Failures(t *testing.T, body string, failures []Failure) {
	t.Helper()
	for _, f := range failures {
		f.Err.Message = "why"
		got := string(v.Dialect.NewEncoder(&translate.Request{}, head).AppendError(nil, &f.Err, false))
		if want := strings.Replace(body, "%s", f.Words, 1); got != want || v.Status(&f.Err) != f.Status {
			t.Errorf("%s: %d %s, want %d %s", f.Err.Code, v.Status(&f.Err), got, f.Status, want)
		}
	}
}

// Read returns what a stream of server-sent events of d means, as transcripts tell it,
// and the answer that it makes.
func Read(t *testing.T, d translate.Dialect, stream []byte) (events []string, answer translate.Answer) {
	t.Helper()
	dec := d.NewDecoder(&translate.Request{UsageInStream: true})
	take := func(evs []translate.Event) {
		for _, ev := range evs {
			events = append(events, Describe(ev))
			answer.Add(ev)
		}
	}
	for _, f := range Data(stream) {
		evs, err := Decode(dec, nil, f)
		if err != nil {
			t.Fatal(err)
		}
		take(evs)
	}
	take(End(dec, nil))
	if !dec.Done() {
		t.Error("the end was not seen")
	}
	return events, answer
}

// AnswerRoundTrip makes sure that the script is read from a stream and from a body as it was
// written.
func (v *Vendor) AnswerRoundTrip(t *testing.T) {
	t.Parallel()
	d, req := v.Dialect, &translate.Request{UsageInStream: true}
	enc := d.NewEncoder(req, head)
	var stream []byte
	var want []string
	for _, ev := range v.Script() {
		stream = enc.Append(stream, ev)
		want = append(want, Describe(ev))
	}
	got, answer := Read(t, d, enc.AppendTail(stream))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream (-want +got)\n%s", diff)
	}
	whole := d.NewEncoder(req, head).AppendWhole(nil, &answer)
	evs, err := d.NewDecoder(req).DecodeWhole(nil, 200, whole)
	if err != nil {
		t.Fatalf("%s: %v", whole, err)
	}
	var again translate.Answer
	for _, ev := range evs {
		again.Add(ev)
	}
	if diff := cmp.Diff(answer.Parts, again.Parts); diff != "" || answer.Finish != again.Finish || answer.Usage != again.Usage {
		t.Errorf("whole: %s", diff)
	}
}

// Runes makes sure that a character that comes in two pieces is sent in one, wherever
// the pieces meet, and that half a character is not lost at the end. text returns the
// text of a frame, a JSON object, and whether the frame is there to say one.
func Runes(t *testing.T, encoder func() translate.Encoder, text func(frame []byte) (string, bool)) {
	t.Helper()
	texts := func(stream []byte) (all []string) {
		for line := range bytes.Lines(stream) {
			if line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data: "))); len(line) > 0 {
				if s, ok := text(line); ok {
					all = append(all, s)
				}
			}
		}
		return all
	}
	finish := translate.Event{Kind: translate.KindFinish}
	const whole = "a ключ 😀 你好\u2028"
	for cut := range len(whole) + 1 {
		enc := encoder()
		stream := enc.Append(nil, Text(whole[:cut]))
		stream = enc.Append(stream, Text(whole[cut:]))
		stream = enc.AppendTail(enc.Append(stream, finish))
		got := texts(stream)
		if len(got) > 2 || strings.Join(got, "") != whole {
			t.Errorf("cut at %d: %q", cut, got)
		}
		for _, piece := range got {
			if piece == "" {
				t.Errorf("cut at %d: an empty text", cut)
			}
		}
	}
	enc := encoder()
	half := enc.Append(nil, Text("\xf0\x9f"))
	if got := texts(half); len(got) != 0 {
		t.Errorf("half a character was sent: %q", got)
	}
	if end := enc.Append(nil, finish); !strings.Contains(string(end), `\ufffd`) {
		t.Errorf("the end lost half a character: %s", end)
	}
}
