package upstream

import "errors"

// Framing errors of an answer's body.
var (
	errChunk = errors.New("malformed chunked body")
	errExtra = errors.New("bytes after the end of the body")
)

// framing says how the end of a body is found.
type framing uint8

const (
	framedByClose framing = iota // it ends with the connection
	framedByLength
	framedByChunks
)

// chunkState is where in the grammar of a chunked body the next byte stands.
type chunkState uint8

const (
	chunkSize    chunkState = iota // in the digits
	chunkExt                       // behind them, up to the line feed
	chunkData                      // in the data
	chunkEnd                       // behind the data, up to the line feed
	chunkTrailer                   // at the beginning of a line of the trailer
	chunkLine                      // inside of one
)

// maxChunkLine bounds a size line with its extensions, and the whole trailer.
const maxChunkLine = 4 << 10

// body takes the framing off an answer's bytes, which may be cut anywhere.
type body struct {
	framing framing
	state   chunkState
	over    bool  // the end has been seen
	left    int64 // of the body, or of the chunk
	line    int   // bytes of the current line, or of the trailer
	digits  int
}

// decode moves the content in p to its front and returns its length. After the
// end, further bytes are an error: nobody asked for them.
func (b *body) decode(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.over {
		return 0, errExtra
	}
	switch b.framing {
	case framedByLength:
		n := min(int64(len(p)), b.left)
		b.left -= n
		b.over = b.left == 0
		if n < int64(len(p)) {
			return int(n), errExtra
		}
		return len(p), nil
	case framedByChunks:
		return b.dechunk(p)
	}
	return len(p), nil
}

func (b *body) dechunk(p []byte) (int, error) {
	w := 0
	for r := 0; r < len(p); {
		if b.over {
			return w, errExtra
		}
		if b.state == chunkData {
			n := int(min(int64(len(p)-r), b.left))
			copy(p[w:], p[r:r+n])
			w, r, b.left = w+n, r+n, b.left-int64(n)
			if b.left == 0 {
				b.state = chunkEnd
			}
			continue
		}
		if err := b.step(p[r]); err != nil {
			return w, err
		}
		r++
	}
	return w, nil
}

// step takes one byte that is not content.
func (b *body) step(c byte) error {
	if b.line++; b.line > maxChunkLine {
		return errChunk
	}
	switch b.state {
	case chunkSize:
		return b.size(c)
	case chunkExt:
		if c == '\n' {
			b.begin()
		}
	case chunkEnd:
		switch {
		case c == '\n':
			b.state, b.line, b.digits = chunkSize, 0, 0
		case c != '\r' || b.line > 1:
			return errChunk
		}
	case chunkTrailer:
		switch c {
		case '\n':
			b.over = true
		case '\r': // of the empty line
		default:
			b.state = chunkLine
		}
	case chunkLine:
		if c == '\n' {
			b.state = chunkTrailer
		}
	}
	return nil
}

func (b *body) size(c byte) error {
	digit := int64(-1)
	switch {
	case c >= '0' && c <= '9':
		digit = int64(c - '0')
	case c >= 'a' && c <= 'f':
		digit = int64(c-'a') + 10
	case c >= 'A' && c <= 'F':
		digit = int64(c-'A') + 10
	}
	if digit >= 0 {
		if b.digits++; b.digits > 12 {
			return errChunk
		}
		b.left = b.left<<4 | digit
		return nil
	}
	if b.digits == 0 {
		return errChunk
	}
	switch c {
	case '\n':
		b.begin()
	case '\r', ';', ' ', '\t':
		b.state = chunkExt
	default:
		return errChunk
	}
	return nil
}

// begin is called behind a size line.
func (b *body) begin() {
	b.line = 0
	b.state = chunkData
	if b.left == 0 {
		b.state = chunkTrailer
	}
}
