package upstream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// route is where an HTTP dialect's questions go and how a key is shown.
type route struct {
	dialect translate.Dialect
	whole   string // path behind the base, for answers in one piece; a [translate.Pather] has none
	stream  string // the same for streams
	auth    string // bearer, or the header in which a key is shown where nothing else is configured
	// headers are those besides that every request has, each with its value.
	headers [][2]string
	// beta is the header in which a client's own goes on with what passes through.
	beta string
	// varied: the questions are of endpoints whose bodies, and answers, may be of any type.
	varied bool
	// lines: a stream is a JSON object on each line, not server-sent events.
	lines bool
	// marked: the dialect's streams end with [DONE]. In those of others it goes no further, since
	// the libraries of clients would fail on it.
	marked bool
	// needs are members without which the dialect has no question.
	needs []string
}

// httpUpstream is a channel that is asked with POST: one request, one answer.
type httpUpstream struct {
	route
	opts  Options
	key   secret
	event int // bytes that one event may have; 0: as many as a whole answer
	conns pool
	// heads are all of a request before the number of the content length, for a
	// whole answer and for a stream. margin has room for the longer one, but for a path.
	heads  [2]requestHead
	margin int
	paths  translate.Pather // has the paths; nil: they are in heads
	// untraced: the configuration has a traceparent of its own, typed a Content-Type.
	untraced, typed bool
	buffers         buffers
	arenas          sync.Pool // of *jsonx.Arena, for decoders
}

// requestHead is the head of a request up to the number of the content length.
type requestHead struct {
	before string // the path behind the base
	query  string // of the configuration, behind the path
	after  string
}

// newHTTP returns a channel of kind r.
func newHTTP(conf *config.Channel, key string, o Options, r route) (Upstream, error) {
	if strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, errors.New("key has a character that no header can carry")
	}
	u := &httpUpstream{route: r, opts: o, key: secret(key)}
	u.paths, _ = r.dialect.(translate.Pather)
	u.untraced = configured(conf.Headers, "traceparent") || configured(conf.Headers, "tracestate")
	u.typed = configured(conf.Headers, "Content-Type")
	for i, path := range []string{r.whole, r.stream} {
		at, err := newAddress(conf, path, o)
		if err != nil {
			return nil, err
		}
		// A proxy is given requests that are not behind TLS as they are: many allow tunnels
		// for TLS only.
		at.varies = u.paths != nil
		at.given = at.tls == nil && at.via != nil && at.via.speaksHTTP()
		u.conns.tubes = newTubes(&at, conf.Transport, conf.MaxAge)
		u.conns.at = at
		u.heads[i] = headOf(conf, key, &at, r, i == 1)
	}
	u.conns.limit, u.conns.maxAge = conf.Concurrent, conf.MaxAge
	u.margin = max(u.heads[0].size(), u.heads[1].size()) + len("9223372036854775807")
	return u, nil
}

// size is how many bytes the head takes, but for a path.
func (h *requestHead) size() int { return len(h.before) + len(h.query) + len(h.after) }

// headOf is the head of the requests to at, whose path is complete but where it varies.
func headOf(conf *config.Channel, key string, at *address, r route, stream bool) requestHead {
	h := requestHead{before: "POST ", query: at.url.RawQuery}
	if at.given {
		h.before += "http://" + at.url.Host
	}
	if path := at.url.EscapedPath(); path != "" || at.varies {
		h.before += path
	} else {
		h.before += "/"
	}
	if !at.varies && h.query != "" {
		h.before, h.query = h.before+"?"+h.query, ""
	}
	var b strings.Builder
	b.WriteString(" HTTP/1.1\r\nHost: " + at.url.Host + "\r\n")
	if at.given {
		b.WriteString(at.via.credential())
	}
	for _, h := range headersOf(conf, key, r, stream) {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("Content-Length: ")
	h.after = b.String()
	return h
}

// headersOf are the headers of every request, in their order: those of the
// configuration go before those that go without saying.
func headersOf(conf *config.Channel, key string, r route, stream bool) [][2]string {
	accept := "application/json"
	switch {
	case stream && r.lines:
		accept = "application/x-ndjson, application/json"
	case stream:
		accept = "text/event-stream, application/json"
	}
	all := [][2]string{{"User-Agent", "dragoman"}, {"Content-Type", "application/json"}, {"Accept", accept}, {"Accept-Encoding", "identity"}}
	if r.varied {
		all = [][2]string{all[0], {"Accept", "*/*"}, all[3]} // the type is that of the question
	}
	all = append(all, r.headers...)
	all = slices.DeleteFunc(all, func(h [2]string) bool { return configured(conf.Headers, h[0]) })
	switch auth := cmp.Or(conf.Auth, r.auth); {
	case key == "" || auth == "none":
	case auth == "bearer":
		all = append(all, [2]string{"Authorization", "Bearer " + key})
	default:
		all = append(all, [2]string{auth, key})
	}
	for _, name := range slices.Sorted(maps.Keys(conf.Headers)) {
		all = append(all, [2]string{name, conf.Headers[name]})
	}
	return all
}

// configured reports whether headers has name, in whatever case.
func configured(headers map[string]string, name string) bool {
	for own := range headers {
		if strings.EqualFold(own, name) {
			return true
		}
	}
	return false
}

// Open implements Upstream.
func (u *httpUpstream) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	if e := ended(ctx); e != nil {
		return nil, e
	}
	s := &httpStream{call: call{ctx: ctx, up: u, tap: req.Tap}, asked: req.Stream, pass: req.PassThrough, req: req}
	s.evs, s.labelled = s.few[:0], u.varied
	if e := s.connect(); e != nil {
		return nil, e
	}
	// Not before there is a connection, which may be waited for.
	s.buf = u.buffers.take(false)
	message, err := u.message(s.buf, req)
	if err != nil {
		s.unused()
		u.buffers.giveBack(s.buf, nil)
		return nil, u.key.typed(err, translate.FaultRejected)
	}
	if e := s.start(message, restOf(req)); e != nil {
		_ = s.Close()
		return nil, e
	}
	s.dec = u.dialect.NewDecoder(req)
	s.hide, _ = s.dec.(hider)
	s.named, _ = s.dec.(namer)
	s.scan.Most = u.event
	if e := s.accept(); e != nil {
		_ = s.Close()
		if len(e.Unknown) > 0 {
			e.Unknown = u.omissible(req, e.Unknown)
		}
		return nil, e
	}
	return s, nil
}

// message renders the whole request into buf: the body first, behind a margin,
// then the head right before it, so that one write sends both.
func (u *httpUpstream) message(buf *[]byte, req *translate.Request) ([]byte, error) {
	head := &u.heads[0]
	if req.Stream {
		head = &u.heads[1]
	}
	path := u.pathOf(head, req)
	var room [256]byte
	end := u.appendEnd(room[:0], req)
	margin := u.margin + len(path) + len(end)
	p := slices.Grow((*buf)[:0], margin)[:margin]
	p, err := u.dialect.AppendRequest(p, req)
	if err != nil {
		return nil, err
	}
	if len(req.Omit) > 0 && !req.PassThrough {
		p = append(p[:margin], without(p[margin:], req)...)
	}
	*buf = p
	body := p[margin:]
	u.opts.trace('>', body)
	if req.Tap != nil {
		req.Tap.Sent(body)
	}
	var number [24]byte
	length := strconv.AppendInt(number[:0], lengthOf(body, req), 10)
	start := margin - len(end) - len(length) - len(head.after) - len(path) - len(head.before)
	at := start
	for _, piece := range [...]string{head.before, path, head.after} {
		at += copy(p[at:], piece)
	}
	copy(p[at:], length)
	copy(p[margin-len(end):], end)
	return p[start:], nil
}

// lengthOf is how long the body of req is, of which body has what is in memory.
func lengthOf(body []byte, req *translate.Request) int64 {
	if o := req.Opaque; o != nil && o.File != nil {
		return o.SentSize(req.Model)
	}
	return int64(len(body))
}

// restOf is the body of req where it is in a file; nil: it is in memory.
func restOf(req *translate.Request) io.Reader {
	if o := req.Opaque; o != nil && o.File != nil {
		return o.Sent(req.Model)
	}
	return nil
}

// appendEnd appends the end of the head of req, with what is another one for each question.
func (u *httpUpstream) appendEnd(dst []byte, req *translate.Request) []byte {
	dst = append(dst, "\r\n"...)
	if u.varied && !u.typed {
		dst = append(append(append(dst, "Content-Type: "...), cmp.Or(req.Opaque.Type, "application/json")...), "\r\n"...)
	}
	if req.PassThrough && req.Beta != "" && u.beta != "" {
		dst = append(append(append(append(dst, u.beta...), ": "...), req.Beta...), "\r\n"...)
	}
	if t := req.Trace; t != nil && !u.untraced {
		dst = append(t.AppendParent(append(dst, "traceparent: "...)), "\r\n"...)
		if t.State != "" {
			dst = append(append(append(dst, "tracestate: "...), t.State...), "\r\n"...)
		}
	}
	return append(dst, "\r\n"...)
}

// pathOf is the path of req behind what head has of it, with the query; empty: head has all.
func (u *httpUpstream) pathOf(head *requestHead, req *translate.Request) string {
	if u.paths == nil {
		return ""
	}
	path := u.paths.AppendPath(nil, req)
	if head.query == "" {
		return string(path)
	}
	between := byte('?')
	if bytes.IndexByte(path, '?') >= 0 {
		between = '&'
	}
	return string(append(append(path, between), head.query...))
}

// Close implements Upstream.
func (u *httpUpstream) Close() error {
	u.conns.close()
	return nil
}

// refusal returns what an answer with a status outside 2xx means.
func (s *httpStream) refusal() *translate.Error {
	s.brief = true
	content, err := s.all(maxRefusal)
	s.release(err == nil)
	if e := ended(s.ctx); e != nil {
		return e
	}
	if cause := s.up.conns.at.misplaced(s.head.status, s.head.location, content); cause != nil {
		return elsewhere(s.ctx, cause)
	}
	s.lend()
	_, err = s.dec.DecodeWhole(nil, s.head.status, content)
	if err == nil {
		err = translate.FromStatus(s.head.status, translate.Refusal{Message: http.StatusText(s.head.status)}, s.head.retry)
	}
	e := s.up.key.typed(err, translate.FaultBroken)
	if namesMembers(s.head.status) {
		e.Unknown = translate.UnknownMembers(content)
	}
	if e.Retry != 0 || s.head.retry == 0 {
		return e
	}
	e.Retry = s.head.retry
	if s.head.status == http.StatusServiceUnavailable && e.Fault == translate.FaultBroken {
		// With a hint when to come back it is a throttle, not a failure.
		busy := translate.FromStatus(s.head.status, translate.Refusal{}, e.Retry)
		e.Code, e.Fault, e.Message = busy.Code, busy.Fault, busy.Message
	}
	return e
}
