package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// socketUpstream is a chatnio channel: a WebSocket for each conversation. A
// socket carries one turn at a time, and is the remote memory of what was said
// on it (docs/rules/chatnio.md 9).
type socketUpstream struct {
	at     address
	opts   Options
	key    secret
	signed bool // a token is sent
	kept   idleSessions
	age    time.Duration // of a socket at most; 0: whatever it is
}

// newSocket returns a channel of kind chatnio.
func newSocket(conf *config.Channel, key string, o Options) (Upstream, error) {
	at, err := newAddress(conf, "/chat", o)
	if err != nil {
		return nil, err
	}
	token := chatnio.BareToken(key)
	return &socketUpstream{at: at, opts: o, key: secret(token), signed: token != "", age: conf.MaxAge}, nil
}

// Server names the server that is dialled: all channels of one server count together
// for its throttle.
func (u *socketUpstream) Server() string { return strings.ToLower(u.at.dialed) }

// Idle reports whether a socket is kept for the conversation name; any, if name is empty.
func (u *socketUpstream) Idle(name string) bool { return u.kept.has(name) }

// socket is one connection of a conversation.
type socket struct {
	ws    *websocket.Conn
	under *frameConn
	name  string // of the conversation, Memory.ID; empty: what it remembers is nobody's
	since time.Time
	born  time.Time
}

// end closes s at once.
func (s *socket) end() { _ = s.under.socket.Close() }

// leave says good-bye and closes s.
func (s *socket) leave() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(10*time.Millisecond))
	s.end()
}

// errNoSocket is the failure of a question for which none was to be dialled.
var errNoSocket = &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "the model is throttled"}

// Open implements Upstream.
func (u *socketUpstream) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	if e := ended(ctx); e != nil {
		return nil, e
	}
	if u.kept.shut() {
		return nil, unreachable(ctx, errClosed)
	}
	chat, err := chatnio.Dialect.AppendRequest(nil, req)
	if err != nil {
		return nil, u.key.typed(err, translate.FaultRejected)
	}
	chat = chatWithout(chat, req)
	sock := u.kept.take(req.Memory.ID)
	if req.Memory.Any {
		sock = u.kept.takeAny()
	}
	for sock != nil && (!req.Memory.InSync && !req.Memory.Any || u.outlived(sock) || !sock.under.alive()) {
		sock.end()
		if sock = nil; req.Memory.Any {
			sock = u.kept.takeAny()
		}
	}
	if sock == nil && req.Memory.Idle {
		return nil, errNoSocket
	}
	var opening [][]byte
	var connecting time.Duration
	if sock == nil {
		began := time.Now()
		var e *translate.Error
		if sock, e = u.dial(ctx); e != nil {
			return nil, e
		}
		connecting = time.Since(began)
		sock.name = req.Memory.ID
		opening = append(opening, chatnio.AppendAuth(nil, string(u.key), -1))
		if n := len(req.Messages); n > 1 {
			opening = append(opening, chatnio.AppendMask(nil, req.Messages[:n-1]))
		}
	}
	dec := chatnio.NewDecoder(req)
	dec.ExpectSigned = u.signed
	s := &socketStream{ctx: ctx, up: u, sock: sock, dec: dec, chat: chat, connecting: connecting, spent: req.Memory.Any, tap: req.Tap}
	s.stop = context.AfterFunc(ctx, sock.end)
	if err := u.send(sock, opening, chat, req.Tap); err != nil {
		_ = s.Close()
		return nil, broken(ctx, err)
	}
	return s, nil
}

// outlived reports whether sock is too old for further questions.
func (u *socketUpstream) outlived(sock *socket) bool {
	return u.age > 0 && time.Since(sock.born) >= u.age
}

// send writes all frames at once: nothing answers the first ones.
func (u *socketUpstream) send(s *socket, opening [][]byte, chat []byte, tap translate.Tap) error {
	s.under.hold()
	var err error
	for i, frame := range append(opening, chat) {
		if i > 0 || len(opening) == 0 { // the first one of a new socket holds the token
			u.opts.trace('>', frame)
			if tap != nil {
				tap.Sent(append(frame[:len(frame):len(frame)], '\n'))
			}
		}
		err = errors.Join(err, s.ws.WriteMessage(websocket.TextMessage, frame))
	}
	return errors.Join(err, s.under.flush())
}

// dial opens a socket.
func (u *socketUpstream) dial(ctx context.Context) (*socket, *translate.Error) {
	ws, under, resp, err := websocketAt(ctx, &u.at)
	if err == nil {
		return &socket{ws: ws, under: under, born: time.Now()}, nil
	}
	if !errors.Is(err, websocket.ErrBadHandshake) || resp == nil {
		return nil, unreachable(ctx, err)
	}
	return nil, u.key.typed(u.at.refused(ctx, resp, chatnio.NewDecoder(nil)), translate.FaultBroken)
}

// refused returns what a response means that is no upgrade.
func (a *address) refused(ctx context.Context, resp *http.Response, dec translate.Decoder) error {
	if e := ended(ctx); e != nil {
		return e
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if cause := a.misplaced(resp.StatusCode, resp.Header.Get("Location"), text); cause != nil {
		return elsewhere(ctx, cause)
	}
	retry := retryAfter([]byte(resp.Header.Get("Retry-After")), time.Now())
	_, err := dec.DecodeWhole(nil, resp.StatusCode, text)
	var e *translate.Error
	if !errors.As(err, &e) {
		return astray(resp, text)
	}
	switch e.Fault {
	case translate.FaultDenied, translate.FaultPurse, translate.FaultPlace, translate.FaultSlow:
		return e
	case translate.FaultBusy:
		e.Retry = max(e.Retry, retry)
		return e
	case translate.FaultBroken:
		if resp.StatusCode >= 500 {
			if retry > 0 && resp.StatusCode == http.StatusServiceUnavailable {
				return translate.FromStatus(resp.StatusCode, translate.Refusal{}, retry)
			}
			return e
		}
	}
	return astray(resp, text)
}

// astray is the failure of a handshake that was answered by somebody who knows of no
// socket there: nobody has seen the question. The log gets the answer and what to look at.
func astray(resp *http.Response, text []byte) *translate.Error {
	hint := "look at url: it must be the address of the server's socket"
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUpgradeRequired {
		hint = "no request for a socket arrived there: a proxy in between must pass on the headers Upgrade and Connection (nginx: proxy_http_version 1.1 and two lines of proxy_set_header)"
	}
	return &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultAstray, Message: "what answered is no model",
		Cause: fmt.Errorf("upstream: %d %q instead of a socket (%s)", resp.StatusCode, jsonx.Cut(string(bytes.TrimSpace(text)), 300), hint)}
}

// Close implements Upstream.
func (u *socketUpstream) Close() error {
	u.kept.close()
	return nil
}

// socketStream is one turn on a socket.
type socketStream struct {
	queue
	ctx    context.Context // of the exchange, whose life this is
	up     *socketUpstream
	sock   *socket
	stop   func() bool
	dec    *chatnio.Decoder
	chat   []byte // the question's frame, until its answer has begun
	buf    []byte
	closed bool
	spent  bool // the socket takes more questions that stand alone
	tap    translate.Tap
	// connecting is how long the dial took.
	connecting time.Duration
}

// Connecting is how long the question waited for its socket: nothing where that was
// kept from an earlier turn.
func (s *socketStream) Connecting() time.Duration { return s.connecting }

// Next implements translate.Stream.
func (s *socketStream) Next() (translate.Event, error) { return s.next(s) }

// Ready implements translate.Stream.
func (s *socketStream) Ready() bool {
	if s.waiting() || s.dec.Done() {
		return true
	}
	s.promised = s.sock.under.ready()
	return s.promised
}

func (s *socketStream) more() error {
	if s.dec.Done() {
		if s.finished {
			return io.EOF
		}
		return truncated(s.ctx, errEarly)
	}
	var err error
	if s.buf, err = message(s.sock.ws, s.buf); err != nil {
		return truncated(s.ctx, err)
	}
	s.up.opts.trace('<', s.buf)
	if s.tap != nil {
		s.tap.Came(append(s.buf[:len(s.buf):len(s.buf)], '\n'))
	}
	evs, err := s.dec.Decode(s.evs, s.buf)
	s.took(evs)
	if s.chat != nil && slices.ContainsFunc(evs, isContent) {
		s.chat = nil
	}
	if err == nil {
		return nil
	}
	e := s.up.key.typed(err, translate.FaultBroken)
	if e.Fault == translate.FaultRejected && s.chat != nil {
		e.Unknown = chatOmissible(s.chat, s.buf)
	}
	return e
}

// Close implements translate.Stream. Only a socket whose turn ended well is used
// again: after a stop, leftovers of the old turn would come (docs/rules/chatnio.md 5.3).
func (s *socketStream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	well := s.finished && s.dec.Done() && (s.err == nil || s.err == io.EOF)
	alive := s.stop()
	switch {
	case !alive || !well:
		s.sock.end()
	case s.sock.name == "" && !s.spent:
		s.sock.leave()
	default:
		s.up.kept.put(s.sock)
	}
	s.end()
	return nil
}
