package upstream

import "sync"

// Sizes of the buffers that hold a question and then its answer. Larger ones are
// not kept.
const (
	newBuffer  = 4 << 10
	keepBuffer = 16 << 10
)

// buffers are those of a channel that wait for their next question. Safe for concurrent use.
type buffers struct {
	small sync.Pool // of *[]byte
	large sync.Pool // of *[]byte, of keepBuffer each
}

// take returns an empty buffer of newBuffer or more, or a large one of keepBuffer.
func (b *buffers) take(large bool) *[]byte {
	pool, size := &b.small, newBuffer
	if large {
		pool, size = &b.large, keepBuffer
	}
	if buf, ok := pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, 0, size)
	return &buf
}

// giveBack takes a buffer back, and what it has become.
func (b *buffers) giveBack(buf *[]byte, grown []byte) {
	if cap(grown) > cap(*buf) && cap(grown) <= keepBuffer {
		*buf = grown
	}
	*buf = (*buf)[:0]
	switch {
	case cap(*buf) < keepBuffer:
		b.small.Put(buf)
	case cap(*buf) == keepBuffer:
		b.large.Put(buf)
	}
}
