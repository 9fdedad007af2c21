package front

import (
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"
)

// chunkMargin is the room before the content of a chunk for its size line.
const chunkMargin = len("7fffffffffffffff\r\n")

// lastChunk ends a body.
var lastChunk = []byte("0\r\n\r\n")

// keptChunk is the largest buffer that is kept.
const keptChunk = 64 << 10

var chunkBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// chunk is the buffer of one chunk after the other: a margin, and the content. It is
// lent by a pool while there is something in it. The zero value holds nothing.
type chunk struct{ lent *[]byte }

// newChunk returns a chunk without content that belongs to no pool.
func newChunk() []byte { return make([]byte, chunkMargin, 256) }

// open returns the buffer to append to. What comes of that must go to keep.
func (c *chunk) open() []byte {
	if c.lent == nil {
		c.lent = chunkBuffers.Get().(*[]byte)
		*c.lent = (*c.lent)[:chunkMargin]
	}
	return *c.lent
}

// keep takes p, which open has returned, with what was appended to it.
func (c *chunk) keep(p []byte) []byte {
	*c.lent = p
	return p
}

// release gives the buffer back; its content is gone.
func (c *chunk) release() {
	if c.lent == nil {
		return
	}
	if cap(*c.lent) <= keptChunk {
		chunkBuffers.Put(c.lent)
	}
	c.lent = nil
}

// frameChunk makes an HTTP chunk of p, which begins with the margin and has content
// behind it, in place where there is room. What p held at its margin is lost.
func frameChunk(p []byte) []byte {
	var digits [16]byte
	size := strconv.AppendInt(digits[:0], int64(len(p)-chunkMargin), 16)
	start := chunkMargin - len(size) - len("\r\n")
	copy(p[start:], size)
	copy(p[start+len(size):], "\r\n")
	return append(p, "\r\n"...)[start:]
}

// eventStream is the content type of a streamed answer.
const eventStream = "text/event-stream; charset=utf-8"

// streamHeaders says in the head of an answer that it is streamed.
func streamHeaders(h *fasthttp.ResponseHeader) {
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}
