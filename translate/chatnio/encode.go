package chatnio

import (
	"cmp"
	"fmt"
	"math"
	"strconv"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Encoder writes the frames of one turn (docs/rules/chatnio.md 5.1, 8.3): six keys in their
// order, a newline at the end, strings escaped as encoding/json does. It is a
// translate.Encoder, used by one goroutine.
//
// Each Append makes one frame or none, so that what it appended is one WebSocket
// message. Frame 1 is not its business: the front sends it with [AppendFirst]
// before anything is asked.
type Encoder struct {
	// Quota is the cost of the turn so far, in points. It may be raised between
	// events.
	Quota float32
	// Plan tells clients that a subscription pays.
	Plan bool

	number int64
	model  string
	runes  jsonx.Runes
}

// NewEncoder returns an encoder for the answer to req. It keeps the model's name
// for the texts of errors; without one it is "default".
func NewEncoder(req *translate.Request, h translate.Envelope) *Encoder {
	return &Encoder{number: h.Number, model: cmp.Or(req.Model, "default")}
}

// AppendFirst appends frame 1 of a turn: the number of the conversation, -1 for
// an anonymous one, and the words of a web search, normally empty. It goes out
// before the upstream is asked (docs/rules/chatnio.md 5.2).
func AppendFirst(dst []byte, conversation int64, keyword string) []byte {
	dst = appendHead(dst, conversation, 0)
	dst = jsonx.AppendHTMLString(dst, keyword)
	return append(dst, `,"message":"","end":false,"plan":false}`+"\n"...)
}

// Append appends the frame for ev: text, and the words of a search. The end is
// AppendTail's; all other events have no frame here (see [Losses]). A rune that
// is not complete yet waits for the next text or the end.
func (e *Encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindText:
		return e.text(dst, e.runes.Next(ev.Text))
	case translate.KindKeyword:
		if len(ev.Text) == 0 {
			return dst
		}
		dst = appendHead(dst, 0, e.Quota)
		dst = jsonx.AppendHTMLString(dst, ev.Text)
		return e.tail(append(dst, `,"message":""`...), false)
	case translate.KindFinish:
		return e.text(dst, e.runes.Rest())
	}
	return dst
}

// AppendTail appends the end frame of a turn that went well.
func (e *Encoder) AppendTail(dst []byte) []byte {
	return e.tail(append(appendHead(dst, 0, e.Quota), `"","message":""`...), true)
}

// AppendBlank appends a frame that says nothing, which every client takes
// (docs/rules/chatnio.md 8.7).
func (e *Encoder) AppendBlank(dst []byte) []byte {
	return e.tail(append(appendHead(dst, 0, e.Quota), `"","message":""`...), false)
}

// AppendWhole appends all frames of a turn, frame 1 included, a line each. No
// client of the protocol is served that way; it is for tests and tools.
func (e *Encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	dst = AppendFirst(dst, e.number, a.Keyword)
	dst = e.text(dst, []byte(a.Text()))
	return e.AppendTail(dst)
}

// AppendError appends the one frame that ends a turn that failed, whether or not
// part of the answer was sent: text with end true, in the words of the real
// server where it has any (docs/rules/chatnio.md 5.2), else "CODE: message".
func (e *Encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	dst = append(appendHead(dst, 0, 0), `"","message":`...)
	dst = jsonx.AppendHTMLString(dst, e.ErrorText(err))
	return e.tail(dst, true)
}

// ErrorText is the text of the frame that AppendError appends.
func (e *Encoder) ErrorText(err *translate.Error) string {
	if s := err.Spent; s != nil {
		return fmt.Sprintf("%s error (model: %s, minimum quota: %.2f, your quota: %.2f)", textQuota, e.model, s.Needs, s.Left)
	}
	switch err.Code {
	case translate.CodeUnauthorized, translate.CodeInvalidToken, translate.CodeTokenExpired:
		return textNotSigned + " (model: " + e.model + ")"
	case translate.CodeModelNotFound:
		return textNoPrice + " (model: " + e.model + ")"
	case translate.CodePermission:
		return textNoChannel + " for model " + e.model
	case translate.CodeUnavailable:
		return textNoChannel + " for model " + e.model + " (" + err.Text() + ")"
	}
	return err.Text()
}

func (e *Encoder) text(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = append(appendHead(dst, 0, e.Quota), `"","message":`...)
	return e.tail(jsonx.AppendHTMLString(dst, text), false)
}

func (e *Encoder) tail(dst []byte, end bool) []byte {
	dst = jsonx.AppendBool(append(dst, `,"end":`...), end)
	dst = jsonx.AppendBool(append(dst, `,"plan":`...), e.Plan)
	return append(dst, "}\n"...)
}

func appendHead(dst []byte, conversation int64, quota float32) []byte {
	dst = append(dst, `{"conversation":`...)
	dst = jsonx.AppendInt(dst, conversation)
	dst = append(dst, `,"quota":`...)
	dst = appendQuota(dst, quota)
	return append(dst, `,"keyword":`...)
}

// appendQuota appends q with the digits of a float32, as the real server does:
// 0.016, where 0.01600000075995922 would be the same number. What is no number
// in JSON becomes 0.
func appendQuota(dst []byte, q float32) []byte {
	f := float64(q)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, '0')
	}
	format := byte('f')
	if abs := float32(math.Abs(f)); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 32)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
