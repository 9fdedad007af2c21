package front

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// strictly lets handle see only requests that every HTTP server reads alike, and
// refuses those that fasthttp takes though another server may find their end, their
// headers or their target elsewhere (RFC 9112 2.2, 2.3, 3.2, 5.2, 6.1 and 6.3). The
// connection of a refused one is closed: what follows on it means nothing.
func (s *Server) strictly(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		why := ambiguous(ctx)
		if why == "" {
			handle(ctx)
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
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(wait))
}

// ambiguous says what is unclear about a request; empty: nothing.
func ambiguous(ctx *fasthttp.RequestCtx) string {
	h := &ctx.Request.Header
	if version := h.Protocol(); !bytes.Equal(version, http11) && !bytes.Equal(version, http10) {
		return "this server speaks HTTP/1.1"
	}
	framing, why := readHeaders(h.RawHeaders())
	if why != "" {
		return why
	}
	if framing.encoded && !bytes.EqualFold(framing.encoding, []byte("chunked")) {
		return "the only Transfer-Encoding is chunked"
	}
	if framing.encoded && framing.length {
		return "Content-Length and Transfer-Encoding exclude each other"
	}
	return badTarget(ctx.Method(), h.RequestURI(), framing.host)
}

var http10, http11 = []byte("HTTP/1.0"), []byte("HTTP/1.1")

// framing is what the headers say of where the request ends and whom it is for.
type framing struct {
	encoded, length bool
	encoding, host  []byte
}

var (
	nameEncoding = []byte("transfer-encoding")
	nameLength   = []byte("content-length")
	nameHost     = []byte("host")
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
			f.length = true
		case bytes.EqualFold(name, nameHost):
			f.host = value
		}
	}
	return f, ""
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
