package front

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/translate"
)

// strictly lets handle see only requests that every HTTP server reads alike, and
// refuses those that fasthttp takes though another server may find their end, their
// headers or their target elsewhere (RFC 9112 2.2, 2.3, 3.2, 5.2, 6.1 and 6.3). The
// connection of a refused one is closed: what follows on it means nothing.
func (s *Server) strictly(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if uri := ctx.Request.Header.RequestURI(); len(uri) > 1 && uri[0] == '/' && uri[1] == '/' {
			// Else what follows would be taken for the name of a host.
			ctx.Request.SetRequestURIBytes(append([]byte{'/'}, bytes.TrimLeft(uri, "/")...))
		}
		framing, why := ambiguous(ctx)
		if why == "" {
			framing.leaveBody(ctx)
			handle(ctx)
			if b := left(ctx); b != nil && !b.read {
				ctx.SetConnectionClose() // or the body would be taken for a request
			}
			boundWrite(ctx)
			return
		}
		s.guard(func(c *call) {
			c.failPlain(translate.Invalid(why))
			c.ctx.SetConnectionClose()
		})(ctx)
	}
}

// boundWrite gives a client a time to take an answer in one piece: writeTimeout, and
// a second more for each 64 KiB. Streams and sockets bound their writes one by one.
func boundWrite(ctx *fasthttp.RequestCtx) {
	if ctx.Response.IsBodyStream() || ctx.Hijacked() {
		return
	}
	wait := writeTimeout + time.Duration(len(ctx.Response.Body())>>16)*time.Second
	if c := conn.Of(ctx.Conn()); c != nil {
		c.BoundWrite(wait)
	}
}

// ambiguous says what is unclear about a request; empty: nothing.
func ambiguous(ctx *fasthttp.RequestCtx) (f framing, why string) {
	h := &ctx.Request.Header
	if version := h.Protocol(); !bytes.Equal(version, http11) && !bytes.Equal(version, http10) {
		return f, "this server speaks HTTP/1.1"
	}
	if f, why = readHeaders(h.RawHeaders()); why != "" {
		return f, why
	}
	if f.encoded && !bytes.EqualFold(f.encoding, []byte("chunked")) {
		return f, "the only Transfer-Encoding is chunked"
	}
	if f.encoded && f.length {
		return f, "Content-Length and Transfer-Encoding exclude each other"
	}
	return f, badTarget(ctx.Method(), h.RequestURI(), f.host)
}

var http10, http11 = []byte("HTTP/1.0"), []byte("HTTP/1.1")

// framing is what the headers say of where the request ends and whom it is for.
type framing struct {
	encoded, length bool
	expects         bool // 100 Continue
	size            int  // of the body, where length says it
	encoding, host  []byte
}

// leaveBody notes the body that leaveBody has left.
func (f *framing) leaveBody(ctx *fasthttp.RequestCtx) {
	switch {
	case f.encoded:
		ctx.SetUserValue(leftBodyKey{}, &leftBody{length: chunkedLength, expects: f.expects})
	case f.size > inlineBody:
		ctx.SetUserValue(leftBodyKey{}, &leftBody{length: f.size, expects: f.expects})
	}
}

var (
	nameEncoding = []byte("transfer-encoding")
	nameLength   = []byte("content-length")
	nameHost     = []byte("host")
	nameExpect   = []byte("expect")
	valueExpect  = []byte("100-continue")
)

// readHeaders goes through the lines as they were sent.
func readHeaders(raw []byte) (f framing, why string) {
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end <= 0 || raw[end-1] != '\r' {
			return f, "a line of the header does not end with CR LF"
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return f, "a line of the header is folded"
		}
		colon := tokenLength(line)
		if colon == 0 || colon == len(line) || line[colon] != ':' {
			return f, "a header has a name that is none"
		}
		name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
		switch {
		case bytes.EqualFold(name, nameEncoding):
			f.encoded, f.encoding = true, value
		case bytes.EqualFold(name, nameLength):
			f.length, f.size = true, number(value)
		case bytes.EqualFold(name, nameHost):
			f.host = value
		case bytes.EqualFold(name, nameExpect):
			f.expects = bytes.EqualFold(value, valueExpect)
		}
	}
	return f, ""
}

// number reads the digits of a length, which fasthttp has read already.
func number(digits []byte) (n int) {
	for _, b := range digits {
		n = n*10 + int(b-'0')
	}
	return n
}

// tokenBytes are those that a header's name consists of (RFC 9110 5.6.2).
var tokenBytes = func() (is [256]bool) {
	for _, b := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		is[b] = true
	}
	return is
}()

// tokenLength is how many bytes line begins with that a header's name may have.
func tokenLength(line []byte) int {
	for i, b := range line {
		if !tokenBytes[b] {
			return i
		}
	}
	return len(line)
}

// badTarget says what is wrong with a target: it is a path, or a whole address of
// the host that the header names, or the star of OPTIONS.
func badTarget(method, target, host []byte) string {
	const wrong = "the target of the request is no path"
	switch {
	case len(target) > 0 && target[0] == '/':
		return ""
	case string(target) == "*" && string(method) == fasthttp.MethodOptions:
		return ""
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
		return wrong
	}
	if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	if !bytes.EqualFold(rest, host) {
		return "the target of the request and its Host name different servers"
	}
	return ""
}
