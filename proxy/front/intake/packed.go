package intake

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"math"

	"github.com/dragoman-gateway/dragoman/translate"
)

// errPacked is a body that is not what its Content-Encoding says.
var errPacked = translate.Invalid("the body is not what its Content-Encoding says")

// unpack reads src, which is in a coding, to its end. What it unpacks to counts against all
// bounds of a body.
func (in *Upload) unpack(src io.Reader, coding string) ([]byte, error) {
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

func (in *Upload) unpacked(from *packed, coding string) ([]byte, error) {
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
