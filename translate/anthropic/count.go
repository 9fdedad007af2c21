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
	return &translate.CountDecoder{Decoder: Dialect.NewDecoder(req), Read: countIn}
}

// countIn is the count in an answer.
func countIn(body []byte) int64 {
	body = bytes.TrimSpace(body)
	if o, ok := jsonx.Members(body); ok {
		if m := o.Find("input_tokens"); m != nil {
			if n, err := strconv.ParseInt(string(body[m.Start:m.End]), 10, 64); err == nil {
				return n
			}
		}
	}
	return translate.NoCount
}

// AppendCount appends the answer to such a question.
func AppendCount(dst []byte, tokens int) []byte {
	dst = jsonx.AppendInt(append(dst, `{"input_tokens":`...), int64(tokens))
	return append(dst, '}')
}
