package anthropic

import (
	"bytes"
	"strconv"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Counting is the dialect of POST /v1/messages/count_tokens: a question that is counted
// and not answered. Its answer is one event of kind KindUsage and one of KindFinish.
var Counting translate.Dialect = counting{}

type counting struct{ codec }

// DecodeRequest is that of [Dialect] for a question that needs no max_tokens.
func (counting) DecodeRequest(req *translate.Request, body []byte) error {
	o, ok := translate.ScanTopLevel(body, known)
	return decode(req, body, o, ok, false)
}

// AppendRequest appends what counts of req: the vendor refuses all else here.
func (counting) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return req.AppendRaw(dst, req.RawOutline())
	}
	dst, plan, err := appendQuestion(dst, req, false)
	if err != nil {
		return dst, err
	}
	dst = appendThought(dst, &plan)
	return append(appendTools(dst, req), '}'), nil
}

// NewDecoder implements translate.Dialect.
func (counting) NewDecoder(req *translate.Request) translate.Decoder {
	return &counted{Decoder: Dialect.NewDecoder(req)}
}

// counted reads the answer.
type counted struct {
	translate.Decoder // for refusals
	done              bool
}

// Decode implements translate.Decoder: nothing comes in pieces.
func (d *counted) Decode([]translate.Event, []byte) ([]translate.Event, error) {
	return nil, translate.Broken("the answer is no count", nil)
}

// DecodeWhole implements translate.Decoder.
func (d *counted) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	if status < 200 || status > 299 {
		return d.Decoder.DecodeWhole(evs, status, body)
	}
	n := -1
	if o, ok := jsonx.Members(bytes.TrimSpace(body)); ok {
		if m := o.Find("input_tokens"); m != nil {
			if v, err := strconv.Atoi(string(bytes.TrimSpace(body)[m.Start:m.End])); err == nil {
				n = v
			}
		}
	}
	if n < 0 || int64(n) > translate.MaxTokens {
		return evs, translate.Broken("the answer is no count", nil)
	}
	d.done = true
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop, Usage: translate.Usage{Input: int64(n)}}), nil
}

// Done implements translate.Decoder.
func (d *counted) Done() bool { return d.done }

// AppendCount appends the answer to such a question.
func AppendCount(dst []byte, tokens int) []byte {
	dst = jsonx.AppendInt(append(dst, `{"input_tokens":`...), int64(tokens))
	return append(dst, '}')
}
