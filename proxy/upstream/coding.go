package upstream

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
)

// unpack makes fill unpack what comes. What has come already is in scan. The bytes say
// whether they are compressed as the head claims.
func (c *call) unpack() {
	p := &packed{call: c, came: slices.Clone(c.scan.Bytes())}
	c.scan.Reset((*c.buf)[:0])
	c.packed = p
}

// packed reads the content of an answer as it comes, and its plain form.
type packed struct {
	call  *call
	came  []byte    // with the head
	plain io.Reader // nil: nothing was read
}

// Read reads what comes, compressed. It implements io.Reader for those that unpack.
func (p *packed) Read(to []byte) (int, error) {
	if len(p.came) > 0 {
		n := copy(to, p.came)
		p.came = p.came[n:]
		return n, nil
	}
	for {
		n, err := p.call.receive(to)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// unpacked reads the plain form.
func (p *packed) unpacked(to []byte) (int, error) {
	if p.plain == nil {
		if err := p.begin(); err != nil {
			return 0, err
		}
	}
	for {
		n, err := p.plain.Read(to)
		if n > 0 {
			return n, nil // the error comes again
		}
		if err != nil {
			return 0, err
		}
	}
}

// gzipMagic is what gzip's format begins with, which no text does.
var gzipMagic = []byte{0x1f, 0x8b}

// legible reports whether what has come is the beginning of an answer in plain text.
func legible(raw *bufio.Reader) bool {
	const enough = 16 // for bytes that are packed to show
	came, _ := raw.Peek(min(raw.Buffered(), enough))
	came = bytes.TrimPrefix(came, []byte("\xef\xbb\xbf"))
	for _, c := range came {
		if (c < ' ' || c > '~') && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return len(came) > 0 && bytes.IndexByte([]byte("{[<:deir \t\r\n"), came[0]) >= 0
}

// begin looks at the first bytes: deflate is zlib's format by the standard and without
// it in practice, and some servers send plain text under either name.
func (p *packed) begin() error {
	raw := bufio.NewReader(p)
	first, err := raw.Peek(2)
	if len(first) < 2 {
		if err == io.EOF && len(first) > 0 {
			p.plain = raw
			return nil
		}
		return err
	}
	switch {
	case bytes.Equal(first, gzipMagic):
		p.plain, err = gzip.NewReader(raw)
	case p.call.head.coding == codingUnknown && !legible(raw):
		return errCoding
	case p.call.head.coding != codingDeflate:
		p.plain = raw
	case first[0]&0x0f == 8 && (int(first[0])<<8|int(first[1]))%31 == 0:
		p.plain, err = zlib.NewReader(raw)
	case legible(raw):
		p.plain = raw
	default:
		p.plain = flate.NewReader(raw)
	}
	return err
}
