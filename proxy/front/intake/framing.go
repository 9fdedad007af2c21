package intake

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// Examine reads what the head of a request says of its end, and says what another server
// could read otherwise; empty: nothing.
func Examine(ctx *fasthttp.RequestCtx) (f Framing, why string) {
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

// Framing is what the headers say of where the request ends and whom it is for.
type Framing struct {
	encoded, length bool
	expects         bool // 100 Continue
	size            int  // of the body, where length says it
	encoding, host  []byte
}

var (
	nameEncoding = []byte("transfer-encoding")
	nameLength   = []byte("content-length")
	nameHost     = []byte("host")
	nameExpect   = []byte("expect")
	valueExpect  = []byte("100-continue")
)

// readHeaders goes through the lines as they were sent.
func readHeaders(raw []byte) (f Framing, why string) {
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
