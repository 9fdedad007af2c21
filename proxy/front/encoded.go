package front

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"math"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// codings are those of a body that are understood, as Accept-Encoding names them (RFC
// 9110 12.5.3).
const codings = "gzip, deflate"

// coding is the Content-Encoding of a request's body: gzip, deflate or empty. ok is false
// for any other.
func (c *call) coding() (coding string, ok bool) {
	given := bytes.ToLower(bytes.TrimSpace(c.ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding)))
	switch string(given) {
	case "", "identity":
		return "", true
	case "gzip", "x-gzip":
		return "gzip", true
	case "deflate":
		return "deflate", true
	}
	return "", false
}

// wrongCoding is the answer to a body in another coding.
func (c *call) wrongCoding() *translate.Error {
	c.ctx.Response.Header.Set(fasthttp.HeaderAcceptEncoding, codings)
	given := c.ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding)
	return &translate.Error{Code: translate.CodeMediaType, Message: "the Content-Encoding " + translate.Printable(string(given)) + " is not understood; the body may be gzip or deflate"}
}

// errPacked is a body that is not what its Content-Encoding says.
var errPacked = translate.Invalid("the body is not what its Content-Encoding says")

// unpack reads src, which is in a coding, to its end. What it unpacks to counts against all
// bounds of a body.
func (in *upload) unpack(src io.Reader, coding string) ([]byte, error) {
	from := &packed{src: src}
	body, err := in.unpacked(from, coding)
	if err == nil && from.err == nil {
		_, _ = io.Copy(io.Discard, from) // the next request begins behind it
	}
	var known *translate.Error
	switch {
	case errors.As(err, &known):
	case from.err != nil: // the connection's
		err = from.err
	case err != nil:
		err = errPacked
	}
	return body, err
}

func (in *upload) unpacked(from *packed, coding string) ([]byte, error) {
	br := bufio.NewReader(from)
	if coding == "gzip" {
		r, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		return in.fill(r, math.MaxInt)
	}
	// Some send deflate as it is, others as RFC 9110 has it, with a head of two bytes.
	head, _ := br.Peek(2)
	if len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		r, err := zlib.NewReader(br)
		if err != nil {
			return nil, err
		}
		return in.fill(r, math.MaxInt)
	}
	return in.fill(flate.NewReader(br), math.MaxInt)
}

// packed is the source of a body that is to be unpacked, and remembers how it failed.
type packed struct {
	src io.Reader
	err error
}

// Read implements io.Reader.
func (p *packed) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// inline unpacks a body that the server has read already.
func (c *call) inline(coding string, handle func(*call)) {
	c.hold()
	defer func() { c.held.Release() }()
	in := &upload{call: c, whole: true}
	in.most = min(strangerBody, c.front.limit(c.s.settings()))
	body, err := in.unpack(bytes.NewReader(c.ctx.Request.Body()), coding)
	if err == nil {
		err = in.settle(body)
	}
	if err != nil {
		c.held.Release()
		c.refuseBody(typed(err))
		return
	}
	c.ctx.Request.SetBodyRaw(body)
	handle(c)
}
