package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Settings of HTTP/2 connections: a silent one is asked whether it lives while answers are
// awaited on it, and an answer nobody reads holds no more than this.
const (
	pingAfter = 15 * time.Second
	pingFor   = 10 * time.Second
	tubeAhead = 256 << 10
)

// errNoConn is why nothing was sent.
var errNoConn = errors.New("no connection")

// tubes carry questions over the transport of net/http, which is what speaks HTTP/2. Each
// question has a tube, which looks like a connection of HTTP/1 of its own. Safe for
// concurrent use.
type tubes struct {
	at     address
	only   bool // HTTP/2 and nothing else
	maxAge time.Duration
	proved atomic.Bool // an answer came through one

	mu     sync.Mutex
	closed bool
	now    *trunk
	// spoken: the server has chosen HTTP/2, where it was asked.
	spoken bool
}

// trunk is a transport with its connections. The lock of tubes guards what is in it.
type trunk struct {
	*http.Transport
	born    time.Time
	busy    int  // tubes
	over    bool // no more tubes
	sockets map[net.Conn]bool
	ready   net.Conn // a connection behind TLS that was made already; nil: none
}

// newTubes returns what mode wants at at, nil for HTTP/1. It sets what at offers.
func newTubes(at *address, mode string, maxAge time.Duration) *tubes {
	if mode != "http2" && (mode != "auto" || at.tls == nil) {
		return nil
	}
	at.given = false
	t := &tubes{at: *at, only: mode == "http2", maxAge: maxAge}
	if at.tls != nil {
		t.at.tls = at.tls.Clone()
		t.at.tls.NextProtos = []string{"h2"}
		if !t.only {
			t.at.tls.NextProtos = []string{"h2", "http/1.1"}
		}
	}
	return t
}

// chosen reports whether questions go through tubes without asking the server again.
func (t *tubes) chosen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.only || t.spoken
}

// settle notes what the server has chosen on a new connection, which is kept for the
// tubes if that is HTTP/2. It reports whether it is.
func (t *tubes) settle(conn, socket net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	if !ok || secured.ConnectionState().NegotiatedProtocol != "h2" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spoken = true
	k := t.trunk()
	if t.closed || k.ready != nil || len(k.sockets) > 0 {
		_ = socket.Close()
		return true
	}
	k.ready = conn
	k.sockets[socket] = true
	return true
}

// trunk is the one for new tubes; t.mu is held.
func (t *tubes) trunk() *trunk {
	if k := t.now; k != nil && (t.maxAge == 0 || time.Since(k.born) < t.maxAge) {
		return k
	}
	t.retire(t.now)
	k := &trunk{born: time.Now(), sockets: map[net.Conn]bool{}}
	var protocols http.Protocols
	protocols.SetHTTP2(t.at.tls != nil)
	protocols.SetUnencryptedHTTP2(t.at.tls == nil)
	protocols.SetHTTP1(!t.only)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx, k) }
	k.Transport = &http.Transport{
		Protocols: &protocols, DialContext: dial, DialTLSContext: dial, DisableCompression: true,
		MaxResponseHeaderBytes: maxHead, IdleConnTimeout: idleFor, MaxIdleConnsPerHost: maxIdle,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingFor, MaxReceiveBufferPerStream: tubeAhead},
	}
	t.now = k
	return k
}

// retire lets k end with its last tube; t.mu is held.
func (t *tubes) retire(k *trunk) {
	if k == nil {
		return
	}
	k.over = true
	k.end()
}

// end closes everything, if nothing goes through k any more and nothing will. The
// transport finds out by itself: its own way would come back for the lock.
func (k *trunk) end() {
	if !k.over || k.busy > 0 {
		return
	}
	for socket := range k.sockets {
		_ = socket.Close()
	}
}

// held is a socket of a trunk.
type held struct {
	net.Conn
	left func()
}

func (h *held) Close() error {
	h.left()
	return h.Conn.Close()
}

// dial makes a connection for k.
func (t *tubes) dial(ctx context.Context, k *trunk) (net.Conn, error) {
	t.mu.Lock()
	ready := k.ready
	k.ready = nil
	t.mu.Unlock()
	if ready != nil {
		return ready, nil
	}
	at := t.at
	reach := at.reach
	at.reach = func(ctx context.Context, address string) (net.Conn, error) {
		socket, err := reach(ctx, address)
		if err != nil {
			return nil, err
		}
		h := &held{Conn: socket}
		h.left = func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(k.sockets, socket)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		k.sockets[socket] = true
		return h, nil
	}
	conn, _, err := at.dial(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	over := k.over && k.busy == 0
	t.mu.Unlock()
	secured, ok := conn.(*tls.Conn)
	spoken := !ok || secured.ConnectionState().NegotiatedProtocol == "h2"
	switch {
	case over:
		err = errClosed
	case !spoken && t.only:
		err = errors.New(wantsHTTP1)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if !spoken {
		t.mu.Lock()
		t.spoken = false
		t.mu.Unlock()
	}
	return conn, nil
}

// open returns a tube for one question under ctx.
func (t *tubes) open(ctx context.Context) (*tube, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	c := &tube{all: t, trunk: t.trunk()}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.trunk.busy++
	return c, nil
}

// close ends idle connections; the others end with their last answer.
func (t *tubes) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.retire(t.now)
}

// tube is one question and its answer, as bytes of HTTP/1: the question is written in one
// piece, and read is the answer, whose body ends with the connection unless its length is
// known. What ends it early resets the stream. Reading is for one goroutine; Close for any.
type tube struct {
	all    *tubes
	trunk  *trunk
	ctx    context.Context // a tube lives as long as its question
	cancel context.CancelCauseFunc
	once   sync.Once

	head       []byte // of the answer, what has not been read yet
	body       io.ReadCloser
	connecting time.Duration
	clock      *time.Timer // of the deadline; nil: none
}

// Write sends a whole question and waits for the head of the answer.
func (c *tube) Write(message []byte) (int, error) {
	if err := c.send(message, nil); err != nil {
		return 0, err
	}
	return len(message), nil
}

// send is Write of a question whose end is in rest, which may be read for as long as the tube is open;
// nil: there is none.
func (c *tube) send(message []byte, rest io.Reader) error {
	// The transport may still send when the answer is there already.
	whole := io.Reader(bytes.NewReader(bytes.Clone(message)))
	if rest != nil {
		whole = io.MultiReader(whole, rest)
	}
	req, err := http.ReadRequest(bufio.NewReader(whole))
	if err != nil {
		return err
	}
	began, got := time.Now(), false
	var lock sync.Mutex // a late connection may be told of after the end
	req = req.WithContext(httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		lock.Lock()
		defer lock.Unlock()
		if !got {
			got, c.connecting = true, time.Since(began)
		}
	}}))
	req.RequestURI = ""
	req.URL.Scheme, req.URL.Host = c.all.at.url.Scheme, c.all.at.url.Host
	resp, err := c.trunk.RoundTrip(req)
	lock.Lock()
	defer lock.Unlock()
	if err != nil {
		err = c.why(err)
		switch {
		case !got:
			err = errors.Join(errNoConn, err)
		case c.all.at.tls == nil && c.ctx.Err() == nil && !c.all.proved.Load() && !strings.Contains(err.Error(), wantsHTTP1):
			// A server of HTTP/1 may close before what it says of it has been read.
			err = fmt.Errorf("%w: perhaps %s", err, wantsHTTP1)
		}
		return err
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", resp.StatusCode, http.StatusText(resp.StatusCode))
	resp.Header.Del("Connection")
	_ = resp.Header.Write(&head)
	head.WriteString("\r\n")
	c.head, c.body = head.Bytes(), resp.Body
	c.all.proved.Store(true)
	return nil
}

// why adds to an error of the transport what to set.
func (c *tube) why(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	if strings.Contains(err.Error(), "looked like an HTTP/1.1 header") {
		return fmt.Errorf("%w: %s", err, wantsHTTP1)
	}
	return err
}

// Read implements net.Conn.
func (c *tube) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if c.body == nil {
		return 0, io.EOF
	}
	n, err := c.body.Read(p)
	if err != nil && err != io.EOF {
		err = c.why(err)
	}
	return n, err
}

// Close implements net.Conn.
func (c *tube) Close() error {
	c.cancel(net.ErrClosed)
	c.once.Do(func() {
		c.all.mu.Lock()
		defer c.all.mu.Unlock()
		c.trunk.busy--
		c.trunk.end()
	})
	return nil
}

// SetReadDeadline implements net.Conn: a tube whose deadline has passed is of no more use.
func (c *tube) SetReadDeadline(at time.Time) error {
	if c.clock != nil {
		c.clock.Stop()
		c.clock = nil
	}
	if !at.IsZero() {
		c.clock = time.AfterFunc(time.Until(at), func() {
			defer func() { _ = recover() }()
			c.cancel(os.ErrDeadlineExceeded)
		})
	}
	return nil
}

// What else a net.Conn has is not used.
func (c *tube) SetDeadline(at time.Time) error   { return c.SetReadDeadline(at) }
func (c *tube) SetWriteDeadline(time.Time) error { return nil }
func (c *tube) LocalAddr() net.Addr              { return nil }
func (c *tube) RemoteAddr() net.Addr             { return nil }
