package front

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/translate"
)

// byteMark is U+FEFF in UTF-8. Programs on Windows put one before a text, and a reader of JSON
// may read past it (RFC 8259 8.1).
var byteMark = []byte("\xef\xbb\xbf")

// trimMark takes a byte order mark off a body that the server has read.
func (c *call) trimMark() {
	if body := c.ctx.Request.Body(); bytes.HasPrefix(body, byteMark) {
		c.ctx.Request.SetBody(body[len(byteMark):]) // in its own place: the buffer is lent
	}
}

// setBody makes body the one of the request, without a byte order mark.
func (c *call) setBody(body []byte) { c.ctx.Request.SetBodyRaw(bytes.TrimPrefix(body, byteMark)) }

// inUTF8 refuses a body in UTF-16, which is no JSON between programs (RFC 8259 8.1). It has
// handle answer all else.
func inUTF8(handle func(*call)) func(*call) {
	return func(c *call) {
		if isUTF16(c.ctx.Request.Body()) {
			c.refuseBody(translate.Invalid("the body is UTF-16; JSON must be UTF-8"))
			return
		}
		handle(c)
	}
}

// isUTF16 reports whether a text has the mark of UTF-16, or begins with an ASCII character in it.
func isUTF16(p []byte) bool {
	if len(p) < 2 {
		return false
	}
	switch mark := [2]byte(p); mark {
	case [2]byte{0xff, 0xfe}, [2]byte{0xfe, 0xff}:
		return true
	default:
		return (mark[0] == 0) != (mark[1] == 0)
	}
}
