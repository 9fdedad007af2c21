package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// firstRoom is the room that a body begins with; it doubles with what comes.
	firstRoom = 16 << 10
	// An upload whose sender had to be known must bring paceBytes in each paceTime.
	paceTime  = 5 * time.Second
	paceBytes = 40 << 10
	// continueTimeout bounds the write of 100 Continue.
	continueTimeout = 30 * time.Second
)

// Sender is who sends a body.
type Sender interface {
	// Allowed identifies the sender, and says how many bytes its bodies may have.
	Allowed() (who string, most int, err *translate.Error)
}

// Upload is one body, which is read as it comes, into room that its sender is charged
// with. One goroutine uses it, once.
type Upload struct {
	Wire   *conn.Conn      // that it comes on; nil: it has come already
	Coding string          // that it is to be unpacked from; empty: none
	Held   *Charge         // what it takes: of a stranger, until its sender has to be known
	Life   context.Context // ends the waiting for room
	Most   int             // bytes that it may have, as long as nobody knows whose it is
	Sender Sender          // is asked for a longer one; nil: there may be none

	known  bool      // Most is that of the sender
	until  time.Time // the request must be there by
	paced  bool
	came   int // bytes, on the wire
	marked int // of them, when the present paceTime began
}

// Body reads the body that was left. The error is a *translate.Error where that is what
// the client is to be told; the connection is of no use then.
func (in *Upload) Body(b *Left) (body []byte, err error) {
	err = in.receive(b, func(src io.Reader, length int) error {
		if body, err = in.take(src, length); err != nil {
			return err
		}
		return in.settle(body)
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// receive has read take all of the body that was left, which has length bytes at most.
func (in *Upload) receive(b *Left, read func(src io.Reader, length int) error) error {
	if in.Wire == nil || !in.Wire.AtHead() {
		return errors.New("the body was not left alone") // it must never be
	}
	in.until = in.Wire.ReadDeadline()
	if err := in.admit(b.length); err != nil {
		return err
	}
	if b.expects {
		_ = in.Wire.SetWriteDeadline(time.Now().Add(continueTimeout))
		if _, err := io.WriteString(in.Wire, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
		_ = in.Wire.SetWriteDeadline(time.Time{})
	}
	in.Wire.SplitHeads(false)
	defer in.Wire.SplitHeads(true)
	var err error
	if b.length == unknown {
		chunks := newChunkReader(in)
		err = read(chunks, math.MaxInt)
		chunks.close()
	} else {
		err = read(&sizedReader{in, b.length}, b.length)
	}
	if err != nil {
		return err
	}
	if in.paced {
		_ = in.Wire.SetReadDeadline(in.until)
	}
	b.read = true
	return nil
}

// Unpack is Body for one that has come already, and is packed.
func (in *Upload) Unpack(packed []byte) ([]byte, error) {
	body, err := in.unpack(bytes.NewReader(packed), in.Coding)
	if err != nil {
		return nil, err
	}
	return body, in.settle(body)
}

// take is fill, and unpacks what is packed.
func (in *Upload) take(src io.Reader, length int) ([]byte, error) {
	if in.Coding != "" {
		return in.unpack(src, in.Coding)
	}
	return in.fill(src, length)
}

// settle charges what will be made of the body.
func (in *Upload) settle(body []byte) error {
	if err := in.Held.Came(in.Life, len(body)); err != nil {
		return err
	}
	return nil // and no *translate.Error that is nil
}

// admit looks whether the body may have n bytes. Beyond Most that depends on who sends it.
func (in *Upload) admit(n int) error {
	if n <= in.Most {
		return nil
	}
	large := &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"}
	if in.known || in.Sender == nil {
		return large
	}
	who, most, err := in.Sender.Allowed()
	if err != nil {
		return err
	}
	if in.known, in.Most = true, most; n > most {
		return large
	}
	if err := in.Held.Move(in.Life, who); err != nil {
		return err
	}
	if in.Wire != nil {
		in.pace()
	}
	return nil
}

// fill reads src to its end, of at most length bytes, into room that grows with what comes, and is charged.
func (in *Upload) fill(src io.Reader, length int) ([]byte, error) {
	room := min(length, firstRoom)
	if err := in.Held.Grow(in.Life, room); err != nil {
		return nil, err
	}
	body := make([]byte, 0, room)
	for {
		if len(body) == cap(body) {
			more, err := in.enlarge(src, body, length)
			if err != nil || more == nil {
				return body, err
			}
			body = more
		}
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// enlarge returns body with one byte more, and room for others up to length; nil: that
// was all.
func (in *Upload) enlarge(src io.Reader, body []byte, length int) ([]byte, error) {
	var next [1]byte
	for n := 0; n == 0; {
		var err error
		if n, err = src.Read(next[:]); n == 0 && err == io.EOF {
			return nil, nil
		} else if n == 0 && err != nil {
			return nil, err
		}
	}
	if err := in.admit(len(body) + 1); err != nil {
		return nil, err
	}
	room := max(min(2*cap(body), in.Most, length), len(body)+1)
	if err := in.Held.Grow(in.Life, room-cap(body)); err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, room), body...), next[0]), nil
}

// pace begins with a paceTime in which paceBytes must come.
func (in *Upload) pace() {
	in.paced, in.marked = true, in.came
	end := time.Now().Add(paceTime)
	if !in.until.IsZero() && end.After(in.until) {
		end = in.until
	}
	_ = in.Wire.SetReadDeadline(end)
}

// Read reads the connection. It fails with a timeout when the time of the request is
// over, or the upload is too slow.
func (in *Upload) Read(p []byte) (int, error) {
	for {
		n, err := in.Wire.Read(p)
		in.came += n
		var timeout net.Error
		if n > 0 || !in.paced || !errors.As(err, &timeout) || !timeout.Timeout() {
			return n, err
		}
		if in.came-in.marked < paceBytes || !in.until.IsZero() && !time.Now().Before(in.until) {
			return n, err
		}
		in.pace()
	}
}

// sizedReader is a body whose length is known.
type sizedReader struct {
	in   *Upload
	left int
}

// Read implements io.Reader.
func (r *sizedReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	if r.left -= n; err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
