package intake

import (
	"bufio"
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

// Bounds of a chunk's first line.
const (
	chunkDigits    = 15
	chunkExtension = 1 << 10 // bytes
)

var errChunk = errors.New("a chunk is malformed")

// chunkReader is a body in chunks (RFC 9112 7.1). It takes nothing that another server
// may read otherwise.
type chunkReader struct {
	in    *Upload
	br    *bufio.Reader
	left  int // of the chunk
	total int // of all chunks so far, this one included
	began bool
	ended bool
}

func newChunkReader(in *Upload) *chunkReader {
	return &chunkReader{in: in, br: bufio.NewReaderSize(in, 4<<10)}
}

// close puts back what was read of the next request.
func (r *chunkReader) close() {
	behind, _ := r.br.Peek(r.br.Buffered())
	r.in.Wire.Unread(append([]byte(nil), behind...))
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if err := r.next(); err != nil {
			return 0, unexpected(err)
		}
		if r.ended {
			return 0, io.EOF
		}
	}
	n, err := r.br.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, unexpected(err)
}

// unexpected says that the connection must not end here.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// next goes on to the next chunk, or to the end behind the last one.
func (r *chunkReader) next() error {
	if r.ended {
		return nil
	}
	if r.began {
		if err := r.lineEnd(); err != nil {
			return err
		}
	}
	r.began = true
	size, err := r.size()
	if err != nil {
		return err
	}
	if size == 0 {
		r.ended = true
		var trailer fasthttp.RequestHeader // of no use to anybody
		if err := trailer.ReadTrailer(r.br); err != nil {
			return err
		}
		for name := range trailer.Trailers() {
			if len(name) == 0 || tokenLength(name) < len(name) {
				return errors.New("a trailer has a name that is none")
			}
		}
		return nil
	}
	if r.total += size; r.total > r.in.Most {
		if err := r.in.admit(r.total); err != nil {
			return err
		}
	}
	r.left = size
	return nil
}

// lineEnd reads CR LF.
func (r *chunkReader) lineEnd() error {
	for _, want := range []byte("\r\n") {
		if b, err := r.br.ReadByte(); err != nil {
			return err
		} else if b != want {
			return errChunk
		}
	}
	return nil
}

// size reads the line in front of a chunk.
func (r *chunkReader) size() (n int, err error) {
	digits, extension, spaced := 0, 0, false
	for {
		b, err := r.br.ReadByte()
		if err != nil {
			return 0, err
		}
		value := hexValue(b)
		switch {
		case b == '\r' && digits > 0:
			if b, err = r.br.ReadByte(); err != nil {
				return 0, err
			}
			if b != '\n' {
				return 0, errChunk
			}
			return n, nil
		case b == '\n' || b == '\r' || b == 0 || digits == 0 && value < 0:
			return 0, errChunk
		case extension > 0:
			if extension++; extension > chunkExtension {
				return 0, errChunk
			}
		case value >= 0 && !spaced:
			if digits++; digits > chunkDigits {
				return 0, errChunk
			}
			n = min(n<<4|value, 1<<30)
		case b == ' ' || b == '\t':
			spaced = true
		case b == ';' && !spaced:
			extension = 1
		default:
			return 0, errChunk
		}
	}
}

// hexValue is the value of a hexadecimal digit; -1: it is none.
func hexValue(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
