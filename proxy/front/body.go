package front

import (
	"errors"
	"io"
	"math"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// inlineBody is up to which length fasthttp reads a body, along with its head: so
	// much a connection takes anyway. It makes room for all of it at once.
	inlineBody = headerLimit
	// strangerBody is the longest body of a client that has not shown who it is, and of
	// a path that needs none.
	strangerBody = 64 << 10
	// firstRoom is the room that any other body begins with; it doubles with what comes.
	firstRoom = 16 << 10
	// An upload of more than strangerBody must bring paceBytes in each paceTime.
	paceTime  = 5 * time.Second
	paceBytes = 40 << 10
)

// leaveBody has fasthttp leave a body alone that is longer than inlineBody, or of unknown
// length: what it would make room for at once is as much as the client says. Whoever
// handles the request reads it with readBody, or closes the connection.
func leaveBody(h *fasthttp.RequestHeader) (none fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > inlineBody || n == chunkedLength {
		h.SetContentLength(0)
		h.Del(fasthttp.HeaderExpect)
	}
	return none
}

// chunkedLength is what fasthttp says of a body whose length is not known.
const chunkedLength = -1

// leftBody is the body that leaveBody has left, as the head told of it.
type leftBody struct {
	length  int  // chunkedLength: unknown
	expects bool // the client waits for 100 Continue
	read    bool
}

// leftBodyKey is where a request's leftBody lies.
type leftBodyKey struct{}

// left is the body that is still to be read; nil: there is none.
func left(ctx *fasthttp.RequestCtx) *leftBody {
	b, _ := ctx.UserValue(leftBodyKey{}).(*leftBody)
	return b
}

// withBody has handle find the whole body in the request. It answers who sends too
// much, too slowly, or more than is to be had at the moment.
func (c *call) withBody(handle func(*call)) {
	b := left(c.ctx)
	coding, ok := c.coding()
	switch there := b == nil || b.read; {
	case there && (coding == "" && ok || len(c.ctx.Request.Body()) == 0):
		handle(c)
		return
	case !ok:
		c.refuseBody(c.wrongCoding())
		return
	case there:
		c.inline(coding, handle)
		return
	}
	c.hold()
	defer func() { c.held.Release() }()
	in := &upload{call: c, wire: conn.Of(c.ctx.Conn()), coding: coding}
	body, err := in.read(b)
	if err == nil {
		b.read = true
		c.ctx.Request.SetBodyRaw(body)
		handle(c)
		return
	}
	c.held.Release()
	var known *translate.Error
	if errors.As(err, &known) {
		in.wire.Linger()
		c.refuseBody(known)
	} else {
		c.unreadable(err)
	}
	c.ctx.SetConnectionClose()
}

// refuseBody answers a request whose body was not read.
func (c *call) refuseBody(err *translate.Error) {
	if c.front.refuse == nil {
		c.fail(err)
		return
	}
	c.front.refuse(c, err)
}

// hold begins to charge what the body takes.
func (c *call) hold() {
	held := c.s.bodies.Charge(intake.Account{Who: strangerAt(c.address())})
	c.held = &held
}

// upload reads one body off its connection, as it comes.
type upload struct {
	*call
	coding string // that it is to be unpacked from; empty: none
	whole  bool   // it has come, and needs no pace
	wire   *conn.Conn
	most   int  // bytes that the body may have
	known  bool // most is that of the caller

	until  time.Time // the request must be there by
	paced  bool
	came   int // bytes, on the wire
	marked int // of them, when the present paceTime began
}

// read returns the body. The error is a *translate.Error where that is what the client
// is to be told; the connection is of no use then.
func (in *upload) read(b *leftBody) (body []byte, err error) {
	if in.wire == nil || !in.wire.AtHead() {
		return nil, errors.New("the body was not left alone") // it must never be
	}
	in.until = in.wire.ReadDeadline()
	in.most = min(strangerBody, in.front.limit(in.s.settings()))
	if err := in.admit(b.length); err != nil {
		return nil, err
	}
	if b.expects && in.ctx.Request.Header.IsHTTP11() {
		_ = in.wire.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := io.WriteString(in.wire, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, err
		}
		_ = in.wire.SetWriteDeadline(time.Time{})
	}
	in.wire.SplitHeads(false)
	defer in.wire.SplitHeads(true)
	if b.length == chunkedLength {
		chunks := newChunkReader(in)
		body, err = in.take(chunks, math.MaxInt)
		chunks.close()
	} else {
		body, err = in.take(&sizedReader{in, b.length}, b.length)
	}
	if err != nil {
		return nil, err
	}
	if in.paced {
		_ = in.wire.SetReadDeadline(in.until)
	}
	return body, in.settle(body)
}

// take is fill, and unpacks what is packed.
func (in *upload) take(src io.Reader, length int) ([]byte, error) {
	if in.coding != "" {
		return in.unpack(src, in.coding)
	}
	return in.fill(src, length)
}

// settle charges what will be made of the body, most often about as much again.
func (in *upload) settle(body []byte) error {
	if err := in.held.Came(in.s.life, len(body)); err != nil {
		return err
	}
	return nil // and no *translate.Error that is nil
}

// admit looks whether the body may have n bytes. Beyond strangerBody that depends on
// who sends it.
func (in *upload) admit(n int) error {
	if n <= in.most {
		return nil
	}
	large := &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"}
	if in.known || in.most < strangerBody || in.front.token == nil {
		return large
	}
	caller, err := in.identify(in.front.token(in.call))
	if err != nil {
		return err
	}
	in.known, in.most = true, in.front.limit(in.s.settings())
	if anonymous := in.s.settings().Callers.Anonymous; caller.Anonymous && anonymous != nil {
		in.most = min(in.most, int(anonymous.MaxBody))
	}
	if n > in.most {
		return large
	}
	if err := in.held.Move(in.s.life, caller.Name); err != nil {
		return err
	}
	if !in.whole {
		in.pace()
	}
	return nil
}

// fill reads src to its end, of at most length bytes, into room that grows with what comes, and is charged.
func (in *upload) fill(src io.Reader, length int) ([]byte, error) {
	room := min(length, firstRoom)
	if err := in.held.Grow(in.s.life, room); err != nil {
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
func (in *upload) enlarge(src io.Reader, body []byte, length int) ([]byte, error) {
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
	room := max(min(2*cap(body), in.most, length), len(body)+1)
	if err := in.held.Grow(in.s.life, room-cap(body)); err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, room), body...), next[0]), nil
}

// pace begins with a paceTime in which paceBytes must come.
func (in *upload) pace() {
	in.paced, in.marked = true, in.came
	end := time.Now().Add(paceTime)
	if !in.until.IsZero() && end.After(in.until) {
		end = in.until
	}
	_ = in.wire.SetReadDeadline(end)
}

// Read reads the connection. It fails with a timeout when the time of the request is
// over, or the upload is too slow.
func (in *upload) Read(p []byte) (int, error) {
	for {
		n, err := in.wire.Read(p)
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
	in   *upload
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
