package mockmodel

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// style is how one HTTP dialect writes one answer.
type style interface {
	start(dst []byte) []byte            // what precedes the first piece of a stream
	step(dst []byte, st *Step) []byte   // one piece of a stream
	end(dst []byte) []byte              // what follows the last piece, end mark included
	broke(dst []byte, r refusal) []byte // an error within a stream
	whole(dst []byte) []byte            // the answer in one piece
	refuse(dst []byte, r refusal) []byte
	settled() // the answer went out whole
}

// answer is one answer over HTTP: a body that fasthttp writes.
type answer struct {
	s    *Server
	c    *conn
	sc   Script
	st   style
	buf  []byte
	over bool
	left bool
}

// converse answers the question of ctx. It has been counted with begin.
func (s *Server) converse(ctx *fasthttp.RequestCtx, sc Script, st style, stream bool) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		panic("BUG: the connection is not ours")
	}
	a := &answer{s: s, c: c, sc: sc, st: st}
	switch sc.Fault {
	case FaultFail:
		a.refuse(ctx)
	case FaultDrop, FaultRefuse:
		a.drop(ctx)
	case FaultHang:
		a.left = !c.wait(-1)
		a.drop(ctx)
	default:
		if stream {
			a.open(ctx)
			return
		}
		a.whole(ctx)
	}
	_ = a.Close()
}

func (a *answer) refuse(ctx *fasthttp.RequestCtx) {
	refuse(ctx, a.sc.refusal(), a.st)
}

// refuse sends r as a whole response.
func refuse(ctx *fasthttp.RequestCtx, r refusal, st interface {
	refuse([]byte, refusal) []byte
}) {
	ctx.SetStatusCode(r.status)
	if r.retry > 0 {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(r.retry))
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(st.refuse(nil, r))
}

func (a *answer) drop(ctx *fasthttp.RequestCtx) {
	ctx.SetConnectionClose()
	a.c.cut()
}

// asLines is a style whose streams are lines of JSON, not server-sent events.
type asLines interface{ lines() }

// framed is a frame of a stream with data that no style has.
func (a *answer) framed(data string) string {
	if _, lines := a.st.(asLines); lines {
		return data + "\n"
	}
	return "data: " + data + "\n\n"
}

// open sends the answer as server-sent events or as lines, after the handler has returned.
func (a *answer) open(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.SetContentType("text/event-stream; charset=utf-8")
	if _, lines := a.st.(asLines); lines {
		h.SetContentType("application/x-ndjson")
	}
	h.Set("Cache-Control", "no-cache")
	if a.sc.Fault == FaultGarbage {
		h.SetContentType("text/html; charset=utf-8")
	}
	ctx.SetBodyStream(a, -1)
}

// Read is never called: fasthttp uses WriteTo.
func (a *answer) Read([]byte) (int, error) { return 0, io.EOF }

// SupportsBodyWriteTo tells fasthttp to let WriteTo drive the body on the
// connection's own goroutine.
func (a *answer) SupportsBodyWriteTo() bool { return true }

// Close settles the accounts of the answer, once.
func (a *answer) Close() error {
	if !a.over {
		a.over = true
		a.s.finish(a.left)
	}
	return nil
}

// WriteTo writes the stream; every Write is one HTTP chunk and one system call.
func (a *answer) WriteTo(w io.Writer) (n int64, err error) {
	defer a.Close()
	defer a.s.survive()
	err = errCut
	switch a.sc.Fault {
	case FaultBlank:
		return 0, nil
	case FaultGarbage:
		a.buf = append(a.buf, page...)
		return 0, a.flush(w)
	case FaultError200:
		a.buf = a.st.broke(a.buf, a.sc.refusal())
		return 0, a.flush(w)
	}
	a.buf = a.st.start(a.buf)
	if err = a.steps(w); err != nil {
		return 0, err
	}
	return 0, a.last(w)
}

func (a *answer) steps(w io.Writer) error {
	if !a.sc.Joined {
		if err := a.flush(w); err != nil {
			return err
		}
	}
	steps := a.sc.Steps[:a.sc.before()]
	for i := range steps {
		st := &steps[i]
		if st.Wait > 0 {
			if err := a.flush(w); err != nil {
				return err
			}
			if a.left = !a.c.wait(st.Wait); a.left {
				return errCut
			}
		}
		a.buf = a.st.step(a.buf, st)
		if i+1 < len(steps) && steps[i+1].Join || i+1 == len(steps) && a.sc.Joined {
			continue
		}
		if err := a.flush(w); err != nil {
			return err
		}
	}
	return nil
}

// last writes what follows the pieces: the end, or the fault.
func (a *answer) last(w io.Writer) error {
	switch a.sc.Fault {
	case FaultStall, FaultStallMid:
		if err := a.flush(w); err != nil {
			return err
		}
		a.left = !a.c.wait(-1)
		return errCut
	case FaultCut, FaultCut0:
		if err := a.flush(w); err != nil {
			return err
		}
		_, _ = a.c.Conn.Write([]byte("400\r\n" + strings.TrimRight(a.framed(`{"id":"ch`), "\n")))
		a.c.cut()
		return errCut
	case FaultGarbageMid:
		a.buf = append(a.buf, a.framed(nonsense)...)
	case FaultErrorMid:
		a.buf = a.st.broke(a.buf, a.sc.refusal())
	case FaultNoEnd:
	default:
		a.st.settled()
		a.buf = a.st.end(a.buf)
	}
	return a.flush(w)
}

func (a *answer) flush(w io.Writer) error {
	if len(a.buf) == 0 {
		return nil
	}
	_, err := w.Write(a.buf)
	a.buf = a.buf[:0]
	a.left = err != nil
	return err
}

// whole sends the answer as one JSON body.
func (a *answer) whole(ctx *fasthttp.RequestCtx) {
	if d := a.sc.delay(); d > 0 {
		if a.left = !a.c.wait(d); a.left {
			a.drop(ctx)
			return
		}
	}
	ctx.SetContentType("application/json")
	switch a.sc.Fault {
	case FaultBlank:
	case FaultGarbage, FaultGarbageMid:
		ctx.SetContentType("text/html; charset=utf-8")
		ctx.SetBodyString(page)
	case FaultError200, FaultErrorMid:
		ctx.SetBody(a.st.refuse(nil, a.sc.refusal()))
	case FaultStall, FaultCut0:
		a.part(ctx, 0)
	case FaultStallMid, FaultCut:
		a.part(ctx, 2)
	case FaultNoEnd:
		body := a.st.whole(nil)
		ctx.SetBody(body[:len(body)-1])
	default:
		a.st.settled()
		ctx.SetBody(a.st.whole(nil))
	}
}

// part sends the headers and, when cut is not 0, one of cut parts of the body,
// and then nothing: silence or the end of the connection.
func (a *answer) part(ctx *fasthttp.RequestCtx, cut int) {
	body := a.st.whole(nil)
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	if cut == 0 {
		body = nil
	} else {
		body = body[:len(body)/cut]
	}
	_, err := a.c.Conn.Write(append([]byte(head), body...))
	if stalls := a.sc.Fault == FaultStall || a.sc.Fault == FaultStallMid; stalls || err != nil {
		a.left = err != nil || !a.c.wait(-1)
	}
	a.drop(ctx)
}

// bearer returns the credential of an Authorization header.
func bearer(ctx *fasthttp.RequestCtx) string {
	v := string(ctx.Request.Header.Peek("Authorization"))
	if len(v) > 7 && strings.EqualFold(v[:7], "bearer ") {
		return v[7:]
	}
	return ""
}

// unixSeconds is the time that answers carry.
func unixSeconds() int64 { return time.Now().Unix() }
