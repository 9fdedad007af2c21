package gemini

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Counting is the dialect of :countTokens: a question that is counted and not answered. Its
// answer is one event of kind KindFinish.
var Counting translate.Dialect = counting{}

type counting struct{ codec }

// AppendPath implements [translate.Pather].
func (counting) AppendPath(dst []byte, req *translate.Request) []byte {
	return appendPath(dst, req.Model, verbCount)
}

// DecodeRequest reads the contents to be counted, or the whole question that holds them.
func (counting) DecodeRequest(req *translate.Request, body []byte) error {
	o, once := translate.ScanTopLevel(body, []string{whole, wholeSnake})
	m := o.Find(whole)
	if m == nil {
		m = o.Find(wholeSnake)
	}
	if m == nil {
		return decode(req, body)
	}
	if err := decode(req, body[m.Start:m.End]); err != nil {
		return err
	}
	if req.Raw, req.Outline = nil, nil; once && len(o.Members) == 1 {
		req.Raw = body
	}
	return nil
}

// The member of a body that holds a whole question.
const (
	whole      = "generateContentRequest"
	wholeSnake = "generate_content_request"
)

// AppendRequest appends what counts of req, as the question that it would be.
func (counting) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return appendCounted(dst, req), nil
	}
	dst = append(dst, `{"`+whole+`":{"model":`...)
	dst = append(jsonx.AppendString(dst, "models/"+req.Model), ',')
	dst, err := appendQuestion(dst, req)
	if err != nil {
		return dst, err
	}
	return append(appendTools(dst, req), `}}`...), nil
}

// appendCounted appends the client's body, with the channel's model where it names one.
func appendCounted(dst []byte, req *translate.Request) []byte {
	req.Dropped = nil
	o := req.RawOutline()
	at := o.Find(whole)
	if at == nil {
		at = o.Find(wholeSnake)
	}
	if at == nil {
		return appendRaw(dst, req)
	}
	inner := req.Raw[at.Start:at.End]
	members, _ := jsonx.Members(inner)
	m := members.Find("model")
	if m == nil {
		return append(dst, req.Raw...)
	}
	dst = append(dst, req.Raw[:at.Start]...)
	dst = jsonx.Splice(dst, inner, m, "models/"+req.Model)
	return append(dst, req.Raw[at.End:]...)
}

// NewDecoder implements translate.Dialect.
func (counting) NewDecoder(req *translate.Request) translate.Decoder {
	return &translate.CountDecoder{Decoder: Dialect.NewDecoder(req), Read: countIn}
}

// countIn is the count in an answer.
func countIn(body []byte) int64 {
	if v, err := fastjson.ParseBytes(bytes.TrimSpace(body)); err == nil {
		if at := first(v, "totalTokens", "total_tokens"); at != nil {
			return translate.CountOf(at)
		}
	}
	return translate.NoCount
}

// AppendCount appends the answer to such a question.
func AppendCount(dst []byte, tokens int) []byte {
	return append(jsonx.AppendInt(append(dst, `{"totalTokens":`...), int64(tokens)), '}')
}
