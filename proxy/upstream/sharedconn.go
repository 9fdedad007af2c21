package upstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
)

// Bounds of a line.
const (
	maxQueued  = 1024     // questions that wait to be written
	maxBurst   = 64       // of them in one write
	lineBuffer = 16 << 10 // that answers are read into
	writeFor   = 10 * time.Second
)

// sharedConn is one connection of a shared pool. The goroutine that dialled it reads
// it; another one writes it, so that no question waits for the write of another.
type sharedConn struct {
	ws    *websocket.Conn
	under *frameConn
	out   chan *waiter
	done  chan struct{} // closed when the reader has ended
	load  int           // questions under way; the pool's lock is held
	used  bool          // it has taken a question; the same
	old   bool          // it takes no more; the same
	born  time.Time
	once  sync.Once
}

// cut ends the connection; its goroutines end by that.
func (l *sharedConn) cut() { l.once.Do(func() { _ = l.under.socket.Close() }) }

// run dials a connection and serves it until it ends. It is a goroutine of its
// own.
func (u *sharedUpstream) run(ctx context.Context) {
	defer func() { _ = recover() }() // dial and read have their own, which tell the pool
	l, e := u.dial(ctx)
	if e != nil {
		u.failed(e)
		return
	}
	if !u.joined(l) {
		l.cut()
		return
	}
	u.wg.Go(func() { u.write(l) })
	begun := time.Now()
	useful, err := u.read(l)
	l.cut()
	close(l.done)
	u.left(l, useful || time.Since(begun) > youngFor, err)
}

// dial connects.
func (u *sharedUpstream) dial(ctx context.Context) (l *sharedConn, e *translate.Error) {
	defer func() {
		if r := recover(); r != nil {
			e = unreachable(ctx, fmt.Errorf("panic: %v", r))
		}
	}()
	ws, under, resp, err := websocketAt(ctx, &u.at)
	if err == nil {
		under.grow(lineBuffer)
		return &sharedConn{ws: ws, under: under, born: time.Now(), out: make(chan *waiter, maxQueued), done: make(chan struct{})}, nil
	}
	if !errors.Is(err, websocket.ErrBadHandshake) || resp == nil {
		return nil, u.key.typed(unreachable(ctx, err), translate.FaultDial)
	}
	if resp.StatusCode == 401 || resp.StatusCode == 403 {
		e := translate.FromStatus(resp.StatusCode, translate.Refusal{}, 0)
		e.Key = true // no model was named yet
		return nil, e
	}
	return nil, u.key.typed(u.at.refused(ctx, resp, iagent.Dialect.NewDecoder(nil)), translate.FaultBroken)
}

// read hands out what comes, until the connection ends. useful: something came.
func (u *sharedUpstream) read(l *sharedConn) (useful bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	var reader iagent.Reader
	var buf []byte // of what the library reads
	l.under.heard = time.Now()
	for {
		err := l.under.wait(pingEvery, l.pong)
		if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(l.under.heard) < silentFor {
			_ = l.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeFor))
			continue
		}
		if err != nil {
			return useful, err
		}
		frame, whole := l.under.text()
		if !whole {
			if buf, err = message(l.ws, buf); err != nil {
				return useful, err
			}
			frame = buf
		} else if !utf8.Valid(frame) {
			return useful, errText
		}
		u.opts.trace('<', frame)
		useful = true
		u.answered(reader.Next(frame), &reader, frame)
	}
}

func (l *sharedConn) pong(payload []byte) {
	_ = l.ws.WriteControl(websocket.PongMessage, payload, time.Now().Add(writeFor))
}

// write sends what is queued, several questions in one write when they are there.
func (u *sharedUpstream) write(l *sharedConn) {
	defer l.cut()
	defer func() { _ = recover() }() // the reader notices that the connection is gone
	var burst [maxBurst]*waiter
	var messages [][]byte
	for {
		n := 1
		select {
		case burst[0] = <-l.out:
		case <-l.done:
			return
		}
		runtime.Gosched() // questions that are as good as asked go with this one
		for n < maxBurst && len(l.out) > 0 {
			burst[n] = <-l.out
			n++
		}
		messages = u.taken(messages[:0], burst[:n])
		if err := l.send(messages); err != nil {
			return
		}
		clear(burst[:n])
		clear(messages)
	}
}

// send writes messages in one write.
func (l *sharedConn) send(messages [][]byte) (err error) {
	if len(messages) == 0 {
		return nil
	}
	l.under.hold()
	for i := 0; i < len(messages) && err == nil; i++ {
		err = l.ws.WriteMessage(websocket.TextMessage, messages[i])
	}
	_ = l.under.SetWriteDeadline(time.Now().Add(writeFor))
	return errors.Join(err, l.under.flush())
}
