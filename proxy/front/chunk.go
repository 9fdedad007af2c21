package front

import (
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/translate"
)

// chunkMargin is the room before the content of a chunk for its size line.
const chunkMargin = len("7fffffffffffffff\r\n")

// lastChunk ends a body.
var lastChunk = []byte("0\r\n\r\n")

// keptChunk is the largest buffer that is kept.
const keptChunk = 64 << 10

var chunkBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// chunk is the buffer of one chunk after the other: a margin, and the content; or of a whole
// body. It is lent by a pool while there is something in it. The zero value holds nothing.
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

// framing is what tells the pieces of a streamed answer apart, as far as the front writes it
// and not the dialect. It does not change.
type framing struct {
	kind  string // content type
	alive []byte // what a silent stream says between two pieces
	// mute: the answer is bytes of any kind, among which and behind which nothing can be said. One that
	// breaks off ends with its connection.
	mute bool
}

// eventStream is the framing of server-sent events (docs/rules/rest.md 3.2).
var eventStream = &framing{kind: "text/event-stream; charset=utf-8", alive: sse.AppendComment(nil, "keep-alive")}

// framingOf is the framing of the answer to req.
func (f *Front) framingOf(req *translate.Request) *framing {
	if f.framing == nil {
		return eventStream
	}
	return f.framing(req)
}

// streamHeaders says in the head of an answer that it is a stream of a content type.
func streamHeaders(h *fasthttp.ResponseHeader, kind string) {
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}
