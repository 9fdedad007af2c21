package chatnio

import (
	"bytes"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Decoder reads the server frames of one turn: those with six keys and the four
// of older servers (docs/rules/chatnio.md 5.1). It is a translate.Decoder.
//
// A turn begins with a frame whose conversation is not 0; what comes before it is
// left over from another turn and ignored (docs/rules/chatnio.md 9.8). Servers that send no
// conversation at all begin with any frame.
type Decoder struct {
	// ExpectSigned is set by a caller that sent a token: a first frame with
	// conversation -1 then means that the token was not accepted, and is an
	// error with FaultDenied (docs/rules/chatnio.md 9.4).
	ExpectSigned bool

	parser jsonx.Parser
	number [20]byte
	quota  float64
	begun  bool
	done   bool
}

// NewDecoder returns a decoder for the answer to req.
func NewDecoder(*translate.Request) *Decoder { return &Decoder{} }

// Quota returns what the turn has cost so far, in the server's points: the
// latest report, error frames left out. It is 0 when there was none.
func (d *Decoder) Quota() float64 { return d.quota }

// Done reports whether the end frame has been seen.
func (d *Decoder) Done() bool { return d.done }

// Decode appends the events of one frame. An end frame with text is an *Error,
// classified by the text (docs/rules/chatnio.md 9.5). Frames after the end are ignored: a
// stopped turn has two of them.
func (d *Decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if d.done {
		return evs, nil
	}
	v, err := d.parser.ParseBytes(frame)
	if err != nil && bytes.IndexByte(bytes.TrimSpace(frame), '\n') > 0 {
		return d.lines(evs, frame) // several at once
	}
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, translate.Broken("the model answered nonsense", err)
	}
	if v.Get("end") == nil && translate.Failed(v) {
		d.done = true
		return evs, translate.FailedIn(frame)
	}
	evs, ours, err := d.begin(evs, v)
	if err != nil || !ours {
		return evs, err
	}
	if words := v.GetStringBytes("keyword"); len(words) > 0 {
		evs = append(evs, translate.Event{Kind: translate.KindKeyword, Text: words})
	}
	text := v.GetStringBytes("message")
	if !v.GetBool("end") {
		d.charge(v)
		if len(text) > 0 {
			evs = append(evs, translate.Event{Kind: translate.KindText, Text: text})
		}
		return evs, nil
	}
	d.done = true
	if len(text) > 0 {
		return evs, classify(string(text))
	}
	d.charge(v)
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop}), nil
}

// begin looks for the mark of a turn's first frame. ours is false for a frame of
// an earlier turn.
func (d *Decoder) begin(evs []translate.Event, v *fastjson.Value) (_ []translate.Event, ours bool, err error) {
	if d.begun {
		return evs, true, nil
	}
	conversation := v.Get("conversation")
	if conversation == nil {
		d.begun = true
		return append(evs, translate.Event{Kind: translate.KindStart}), true, nil
	}
	n, bad := conversation.Int64()
	if bad != nil || n == 0 {
		return evs, false, nil
	}
	if d.ExpectSigned && n < 0 {
		d.done = true
		return evs, true, denied("the first frame is that of an anonymous caller")
	}
	d.begun = true
	id := strconv.AppendInt(d.number[:0], n, 10)
	return append(evs, translate.Event{Kind: translate.KindStart, ID: id}), true, nil
}

// charge notes the cost. Old servers report nonsense below 0 (docs/rules/chatnio.md 9.12).
func (d *Decoder) charge(v *fastjson.Value) {
	if q := v.GetFloat64("quota"); q > 0 {
		d.quota = q
	}
}

// DecodeWhole reads what came instead of a socket: the refusal of an upgrade,
// whose HTTP status may well be 200 (docs/rules/chatnio.md 2), or the frames of a turn, one
// on each line.
func (d *Decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	v, err := d.parser.ParseBytes(body)
	if err == nil && string(v.GetStringBytes("error")) == "request_throttled" {
		return evs, throttled(status)
	}
	if status < 200 || status > 299 {
		if err != nil { // coai puts a line of text before its object
			if at := bytes.IndexByte(body, '{'); at > 0 {
				v, err = d.parser.ParseBytes(body[at:])
			}
		}
		if err != nil {
			return evs, translate.Refused(status, body)
		}
		return evs, translate.FromStatus(status, refusal(v), 0)
	}
	if evs, err = d.lines(evs, body); err != nil {
		return evs, err
	}
	if !d.done {
		return evs, translate.Broken("the channel answered with something that is no chat", nil)
	}
	return evs, nil
}

// lines appends the events of several frames, one on each line, in memory of their own.
func (d *Decoder) lines(evs []translate.Event, frames []byte) (_ []translate.Event, err error) {
	for line := range bytes.Lines(frames) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		frame := Decoder{ExpectSigned: d.ExpectSigned, begun: d.begun, done: d.done, quota: d.quota}
		evs, err = frame.Decode(evs, line)
		d.begun, d.done, d.quota = frame.begun, frame.done, frame.quota
		if err != nil {
			return evs, err
		}
	}
	return evs, nil
}

// throttled is the refusal of a dial that came too soon. Each further dial
// restarts the server's clock of one second (docs/rules/chatnio.md 9.9).
func throttled(status int) *translate.Error {
	e := translate.FromStatus(429, translate.Refusal{Code: "request_throttled"}, time.Second)
	e.Upstream.Status = status
	return e
}

func refusal(v *fastjson.Value) translate.Refusal {
	ref := translate.Refusal{}
	for _, key := range []string{"message", "error", "reason"} {
		if text := v.GetStringBytes(key); len(text) > 0 && ref.Message == "" {
			ref.Message = cut(string(text))
		}
	}
	return ref
}
