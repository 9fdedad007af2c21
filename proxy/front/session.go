package front

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	pingEvery    = 30 * time.Second // docs/rules/iagent.md 4.11
	pingTimeout  = 5 * time.Second
	readDeadline = 75 * time.Second
	extendEvery  = 10 * time.Millisecond // a deadline is not set anew for each message
	frameLimit   = 1 << 20               // docs/rules/iagent.md 4.2
)

// session is one WebSocket connection: its reader is the goroutine that runs it,
// its writes are serialized, and its workers are waited for before it ends, since
// the connection may not be used after that.
type session struct {
	s  *Server
	ws *websocket.Conn
	id string // request id of the upgrade

	// ctx ends when the client has gone, or answers have to end.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex // guards writes
	deadline time.Time
	wrote    error // the first write that failed
	under    *conn.Conn
	buf      []byte        // the message that was read last, see readShared
	held     intake.Charge // what that message takes, while it is read and heard
	extended time.Time     // when the deadline of reading was last set

	// life guards the connection against those who are not waited for.
	life   sync.RWMutex
	ended  bool
	free   bool        // fasthttp does not wait for its end
	rests  bool        // the connection can be waited for without the reader
	ponged bool        // it was a pong that was waited for
	away   atomic.Bool // the server stops: answers may end first

	listens sync.WaitGroup // what is left of the reader then
	deaf    atomic.Bool    // nothing is read any more
	// farewell is the code that a client is sent away with; its reader sets it.
	farewell uint16
	// offence is why a client that broke the rules is sent away once it has been told what was wrong; its
	// reader sets it.
	offence string
	ping    *time.Timer
	workers sync.WaitGroup
	// done, if not nil, is called when the last worker has ended.
	done func()

	leave      func()      // tells the server that this is over
	resumeFunc func() bool // what goes on then, as rest was given it
	socketState
}

var writeBuffers sync.Pool

// upgrader is for sockets of one user.
var upgrader = newUpgrader(1 << 10)

// newUpgrader makes an upgrader whose sockets read so many bytes at once.
func newUpgrader(read int) *websocket.FastHTTPUpgrader {
	return &websocket.FastHTTPUpgrader{
		ReadBufferSize:  read,
		WriteBufferSize: 4 << 10,
		WriteBufferPool: &writeBuffers,
		CheckOrigin:     func(*fasthttp.RequestCtx) bool { return true },
		// The answer to a bad handshake is written by who called, headers and all.
		Error: func(ctx *fasthttp.RequestCtx, _ int, _ error) { ctx.Response.Header.Set("Sec-WebSocket-Version", "13") },
	}
}

// upgrade makes the request's connection a WebSocket and runs it, and reports
// whether run will be called. The caller has checked that the client wants one.
func (c *call) upgrade(by *websocket.FastHTTPUpgrader, run func(*session)) bool {
	return c.upgradeTo(by, func(s *session) bool { run(s); return false })
}

// upgradeTo is upgrade for a session that may rest: run then returns true, what rest
// returned.
func (c *call) upgradeTo(by *websocket.FastHTTPUpgrader, run func(*session) (rests bool)) bool {
	id := c.id
	server := c.s
	err := by.Upgrade(c.ctx, func(ws *websocket.Conn) {
		s := &session{s: server, ws: ws, id: id, farewell: websocket.CloseGoingAway}
		leave := func() { server.exit(s) }
		if !server.enter(s) {
			// It came while the server stops: there is nothing to read from it.
			s.goAway()
			s.run(run, func() {})
			return
		}
		if server.leaving.Load() {
			s.goAway() // it came too late to be among those of HandOver
		}
		if _, err := ws.NetConn().Read(nil); err == nil {
			// Frames came with the handshake. The socket reads them, and what follows,
			// through the request, which the next connection gets once this returns.
			s.run(run, leave)
			return
		}
		s.free = true
		// fasthttp keeps the request and its buffers until this function returns, and
		// the session may last for days.
		go s.run(run, leave)
	})
	if err != nil {
		c.failPlain(&translate.Error{Code: translate.CodeValidation, Message: "this is not a WebSocket handshake", Cause: err})
	}
	return err == nil
}

// socket is the connection behind that of the library.
func (s *session) socket() net.Conn {
	socket := s.ws.NetConn()
	if hijacked, ok := socket.(interface{ UnsafeConn() net.Conn }); ok {
		return hijacked.UnsafeConn()
	}
	return socket
}

// run is the goroutine of a session. leave is called at its end, which the server
// waits for.
func (s *session) run(body func(*session) bool, leave func()) {
	s.leave = leave
	defer s.recover()
	s.begin()
	s.resume(func() bool { return body(s) })
}

// resume runs body, and ends the session behind it unless it rests. Then another
// goroutine has it already.
func (s *session) resume(body func() bool) {
	rests := false
	func() {
		defer s.recover()
		rests = body()
	}()
	if rests {
		return
	}
	defer s.leave()
	defer s.recover()
	defer func() { _ = s.ws.Close() }()
	s.end()
}

// mayRest lets the session rest, where that is possible. It comes before all reads.
func (s *session) mayRest() {
	if !s.free {
		return
	}
	if wire := conn.Of(s.socket()); wire != nil && wire.SplitFrames() {
		s.rests = true
	}
}

// park reports whether nothing is there to be read, and the next message is likely to
// take long. The reader then returns at once, with its stack, and onward is called on
// another goroutine when something has come.
func (s *session) park(onward func() bool) bool {
	if !s.rests || s.deaf.Load() || !conn.Of(s.socket()).BetweenFrames() {
		return false
	}
	s.resumeFunc = onward
	go s.parkedWait()
	return true
}

// parkedWait waits for the next frame on a goroutine of its own, which has the smallest stack.
func (s *session) parkedWait() {
	defer func() { _ = recover() }()
	var err error
	if s.ponged, err = conn.Of(s.socket()).AwaitFrame(); err != nil {
		s.rests = false // a read will say what is wrong
	}
	go s.awake()
}

// awake ends rest.
func (s *session) awake() {
	defer s.recover()
	if s.ponged {
		s.extendRead()
		s.pongAt.Store(s.heard.Load())
		if s.park(s.resumeFunc) {
			return
		}
	}
	s.resume(s.resumeFunc)
}

// begin comes before anything is read.
func (s *session) begin() {
	s.ctx, s.cancel = context.WithCancelCause(s.s.life)
	s.ws.SetReadLimit(frameLimit)
	s.extendRead()
	s.ws.SetPongHandler(func(string) error { s.extendRead(); s.pongAt.Store(s.heard.Load()); return nil })
	s.ws.SetPingHandler(func(payload string) error {
		s.extendRead()
		if !s.control(websocket.PongMessage, payload) {
			s.giveUp()
		}
		return nil
	})
	s.life.Lock()
	s.ping = time.AfterFunc(pingEvery, s.sendPing)
	s.life.Unlock()
}

// end comes when nothing more is read.
func (s *session) end() {
	if !s.away.Load() {
		s.cancel(errClientGone)
	}
	s.workers.Wait()
	if s.offence != "" {
		s.close(websocket.ClosePolicyViolation, s.offence)
	}
	s.stopReading()
	s.listens.Wait()
	if s.done != nil {
		s.done()
	}
	s.cancel(errClientGone)
	if s.away.Load() {
		s.close(int(s.farewell), "shutting down")
	}
	s.held.Release()
	// Whoever uses the connection after this function has returned panics, so a
	// ping or a frame for a repeated message that is being written is waited for.
	s.mu.Lock()
	s.wrote = net.ErrClosed
	s.ping.Stop()
	s.mu.Unlock()
	s.life.Lock()
	s.ended = true
	s.life.Unlock()
}

// told is what a panic goes on with that the log has already.
type told struct{ bug any }

// recover keeps a bug in one session from ending the process.
func (s *session) recover() {
	if p := recover(); p != nil {
		if _, known := p.(told); !known {
			s.s.log.Error("panic", "id", s.id, "what", p, "stack", string(debug.Stack()))
		}
		s.close(websocket.CloseInternalServerErr, "internal error")
		s.cancel(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
		s.stopReading()
	}
}

// work runs f on a goroutine that the session waits for.
func (s *session) work(f func()) {
	s.workers.Go(func() {
		defer s.recover()
		f()
	})
}

// goAway implements [closer]: no more questions are read, and the session ends when
// its answers have, or its client has gone.
func (s *session) goAway() {
	s.away.Store(true)
	s.stopReading()
}

// stopReading ends a read that waits, and all later ones.
func (s *session) stopReading() {
	s.deaf.Store(true)
	s.life.RLock()
	defer s.life.RUnlock()
	if !s.ended {
		_ = s.ws.SetReadDeadline(time.Unix(1, 0))
	}
}

// watchDisconnect notices a client that leaves while the last answers are awaited: what it
// still says is thrown away. It is called by the reader, which has read all that it
// will, and works on a goroutine of its own.
func (s *session) watchDisconnect() {
	_ = s.ws.SetReadDeadline(time.Time{})
	s.listens.Go(func() {
		defer s.recover()
		var waste [512]byte
		for {
			if _, err := s.ws.NetConn().Read(waste[:]); err != nil {
				_ = s.unreadable(err)
				return
			}
		}
	})
}

// unread notices a client that leaves while the reader does not read, where the
// system tells. The reader must call stop before it reads on.
func (s *session) unread() (stop func()) {
	var mu sync.Mutex
	over := false
	again := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			_ = s.ws.SetReadDeadline(time.Time{})
		}
		return !over
	}
	socket := s.socket()
	var wait sync.WaitGroup
	wait.Go(func() {
		defer s.recover()
		for again() {
			err := conn.AwaitEnd(socket)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue // stop, or the server stops, which ends reading only
			}
			if !errors.Is(err, errors.ErrUnsupported) {
				s.cancel(errClientGone)
			}
			return
		}
	})
	return func() {
		mu.Lock()
		over = true
		_ = s.ws.SetReadDeadline(time.Unix(1, 0))
		mu.Unlock()
		wait.Wait()
		s.extendRead()
	}
}

// unreadable ends the session's answers, since their client has gone, unless reading
// failed because the server stops. It reports whether that is so.
func (s *session) unreadable(err error) (stopped bool) {
	var timeout net.Error
	if s.away.Load() && errors.As(err, &timeout) && timeout.Timeout() {
		return true
	}
	s.cancel(errClientGone)
	return false
}

func (s *session) extendRead() {
	s.extended = time.Now()
	s.heard.Store(s.extended.UnixMilli())
	if !s.deaf.Load() {
		_ = s.ws.SetReadDeadline(s.extended.Add(readDeadline))
	}
	if s.deaf.Load() {
		// stopReading came in between, and what it set must stand.
		_ = s.ws.SetReadDeadline(time.Unix(1, 0))
	}
}

func (s *session) sendPing() {
	defer s.recover()
	if !s.pinged() {
		s.giveUp()
	}
}

// pinged sends a ping and sees to the next one. It reports whether the client may
// still be there.
func (s *session) pinged() bool {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.ended {
		return true
	}
	if !s.control(websocket.PingMessage, "") {
		return false
	}
	s.ping.Reset(pingEvery)
	return true
}

// control sends a ping or a pong, and reports whether the client may still be there:
// it is not when it takes none of that for a while. A message that is being written
// has a time of its own, and the control frame is left out then.
func (s *session) control(kind int, payload string) bool {
	err := s.ws.WriteControl(kind, []byte(payload), time.Now().Add(pingTimeout))
	var timeout net.Error
	busy := errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, os.ErrDeadlineExceeded)
	return err == nil || busy || errors.Is(err, websocket.ErrCloseSent)
}

// giveUp ends the session of a client that takes nothing any more.
func (s *session) giveUp() {
	s.cancel(errClientGone)
	s.stopReading()
}

// close says farewell with code; the connection itself is closed when the
// session's goroutine returns.
func (s *session) close(code int, why string) {
	_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(time.Second))
}
