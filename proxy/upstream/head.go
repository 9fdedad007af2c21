package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxHead bounds the status line and the headers of an answer.
const maxHead = 64 << 10

// minRead is the room for one read.
const minRead = 1 << 10

// errHead says that an answer does not begin like one.
var errHead = errors.New("malformed response head")

// media is what an answer's content type comes down to.
type media uint8

const (
	mediaOther media = iota // none, or one that says nothing
	mediaEvents
	mediaJSON
	mediaHTML
)

// coding is how the content of an answer is compressed. None is asked for; some proxies
// do it all the same.
type coding uint8

const (
	codingNone coding = iota
	codingGzip
	codingDeflate
	codingUnknown // such as br and zstd, or no coding at all
)

func codingOf(value []byte) coding {
	switch {
	case len(value) == 0, is(value, "identity"):
		return codingNone
	case is(value, "gzip"), is(value, "x-gzip"):
		return codingGzip
	case is(value, "deflate"):
		return codingDeflate
	}
	return codingUnknown
}

// head is what matters of an answer's status line and headers.
type head struct {
	status  int
	media   media
	keep    bool   // the connection may be used again
	coding  coding // of the content, though none was asked for
	chunked bool
	length  int64         // -1: not said
	retry   time.Duration // Retry-After; 0: none
	// location is where a redirect points to.
	location string
}

// body returns how the bytes behind the head are framed.
func (h *head) body() body {
	switch {
	case h.chunked:
		return body{framing: framedByChunks}
	case h.length >= 0:
		return body{framing: framedByLength, left: h.length, over: h.length == 0}
	case h.status == 204 || h.status == 304:
		return body{framing: framedByLength, over: true}
	}
	h.keep = false
	return body{}
}

// beginsHTTP reports whether p may become an answer of HTTP/1. A server of another
// protocol may say something and wait.
func beginsHTTP(p []byte) bool {
	const first = "HTTP/"
	if len(p) > 0 && p[0] == 0 && len(p) < 9 {
		return true // it takes nine bytes to know what it is
	}
	n := min(len(p), len(first))
	return string(p[:n]) == first[:n]
}

// headEnd returns the length of the head that p begins with, 0 while it is
// incomplete. It looks from p[seen] on.
func headEnd(p []byte, seen int) int {
	for at := max(0, seen-3); ; {
		n := bytes.IndexByte(p[at:], '\n')
		if n < 0 {
			return 0
		}
		at += n + 1
		rest := p[at:]
		if len(rest) > 0 && rest[0] == '\n' {
			return at + 1
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return at + 2
		}
	}
}

// parseHead reads a complete head.
func parseHead(p []byte) (head, error) {
	h := head{length: -1}
	line, p := cutLine(p)
	// HTTP/1.x SSS reason
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return h, errHead
	}
	status, ok := decimal(line[9:12])
	if !ok || status < 100 {
		return h, errHead
	}
	h.status = int(status)
	h.keep = line[7] == '1'
	for len(p) > 0 {
		line, p = cutLine(p)
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue // a folded value: none of those that matter here
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return h, errHead
		}
		if err := h.header(name, bytes.TrimSpace(value)); err != nil {
			return h, err
		}
	}
	if h.chunked && h.length >= 0 {
		h.keep = false // one of the two lies: RFC 9112, section 6.3
	}
	return h, nil
}

func cutLine(p []byte) (line, rest []byte) {
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		return p, nil
	}
	return bytes.TrimSuffix(p[:n], []byte{'\r'}), p[n+1:]
}

func (h *head) header(name, value []byte) error {
	switch len(name) {
	case len("connection"):
		if is(name, "connection") {
			h.keep = h.keep && !hasToken(value, "close") || hasToken(value, "keep-alive")
		}
	case len("retry-after"):
		if is(name, "retry-after") {
			h.retry = max(h.retry, retryAfter(value, time.Now()))
		}
	case len("location"):
		if h.status >= 300 && h.status <= 399 && is(name, "location") {
			h.location = string(value)
		}
	case len("content-type"):
		if is(name, "content-type") {
			h.media = mediaOf(value)
		}
	case len("content-length"):
		if !is(name, "content-length") {
			break
		}
		n, ok := decimal(value)
		if !ok || h.length >= 0 && h.length != n {
			return errHead
		}
		h.length = n
	case len("content-encoding"):
		if is(name, "content-encoding") {
			h.coding = codingOf(value)
		}
	case len("transfer-encoding"):
		if !is(name, "transfer-encoding") {
			break
		}
		if is(value, "identity") {
			break // none, by an older standard
		}
		if !is(value, "chunked") || h.chunked {
			return errHead
		}
		h.chunked = true
	}
	return nil
}

// is compares without regard to the case of ASCII letters; lower is lower-case.
func is(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range s {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		token, rest, _ := bytes.Cut(list, []byte{','})
		if is(bytes.TrimSpace(token), lower) {
			return true
		}
		list = rest
	}
	return false
}

func mediaOf(value []byte) media {
	value, _, _ = bytes.Cut(value, []byte{';'})
	value = bytes.TrimSpace(value)
	switch {
	case is(value, "text/event-stream"):
		return mediaEvents
	case is(value, "application/json"), bytes.HasSuffix(value, []byte("+json")):
		return mediaJSON
	case is(value, "text/html"), is(value, "application/xhtml+xml"):
		return mediaHTML
	}
	return mediaOther
}

// decimal reads digits and nothing else.
func decimal(s []byte) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// maxRetry bounds what a server may ask us to wait.
const maxRetry = 24 * time.Hour

// retryAfter reads seconds, with a fraction if need be, or a date. It returns 0
// for what says nothing.
func retryAfter(value []byte, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(string(value), 64); err == nil {
		if !(s > 0) { // not a number neither
			return 0
		}
		return time.Duration(min(s, maxRetry.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(string(value))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetry)
}
