package front

import (
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
)

// write queues a frame, and waits while the queue is full. The error says that the
// connection is over.
func (c *iagentConn) write(frame []byte) error {
	if c.left.Load() {
		return net.ErrClosed
	}
	c.queued(frame)
	select {
	case c.out <- frame:
	case <-c.sent:
		c.written(frame)
		return net.ErrClosed
	}
	select {
	case <-c.sent:
		c.unqueue() // it may have come too late
		return net.ErrClosed
	default:
		return nil
	}
}

// queued charges the caller with a frame that waits to be written, and written gives
// that back.
func (c *iagentConn) queued(frame []byte) {
	if len(frame) > intake.Free {
		c.s.bodies.Overdraw(c.name, int64(len(frame)))
	}
}

func (c *iagentConn) written(frame []byte) {
	if len(frame) > intake.Free {
		c.s.bodies.Give(c.name, int64(len(frame)))
	}
}

// unqueue gives back what is still queued when nothing is written any more.
func (c *iagentConn) unqueue() {
	for {
		select {
		case frame := <-c.out:
			c.written(frame)
		default:
			return
		}
	}
}

// send writes what is queued until the queue is over and empty, and then the
// farewell, if there is one. It is a goroutine of its own.
func (c *iagentConn) send() {
	defer close(c.sent)
	var burst [][]byte
	for {
		select {
		case frame := <-c.out:
			runtime.Gosched() // answers that are as good as ready go with this one
			burst = c.sendWith(append(burst[:0], frame))
			continue
		case <-c.over:
		}
		for len(c.out) > 0 {
			burst = c.sendWith(append(burst[:0], <-c.out))
		}
		if c.why != "" {
			c.close(c.code, c.why)
		}
		return
	}
}

// Bounds of what is written at once.
const (
	maxBurst   = 64       // frames
	burstBytes = 32 << 10 // that no further frame is added to
)

// sendWith writes burst, which holds one frame, with those that are queued already.
func (c *iagentConn) sendWith(burst [][]byte) [][]byte {
	for size := len(burst[0]); len(c.out) > 0 && len(burst) < maxBurst && size < burstBytes; {
		frame := <-c.out
		burst = append(burst, frame)
		size += len(frame)
	}
	c.sendAll(burst)
	clear(burst)
	return burst
}

// sendAll writes frames. A peer that took none of it for a long time gets told
// that it is too slow, if it begins to read again before its connection is cut.
func (c *iagentConn) sendAll(frames [][]byte) {
	began := time.Now()
	if err := c.session.writeAll(frames); err == nil && time.Since(began) >= writeTimeout {
		c.close(websocket.CloseTryAgainLater, "the client reads too slowly")
		c.cancel(errClientGone)
		c.stopReading()
	}
	for _, frame := range frames {
		c.written(frame)
	}
}

// await implements [writer].
func (c *iagentConn) await(m *remembered) bool { return c.awaited.add(m) }

// forget implements [writer].
func (c *iagentConn) forget(m *remembered) { c.awaited.remove(m) }

// abandon ends the questions whose answers only this connection waits for, which has
// ended.
func (c *iagentConn) abandon() {
	defer func() {
		if p := recover(); p != nil {
			c.s.log.Error("panic", "id", c.id, "what", p, "stack", string(debug.Stack()))
		}
	}()
	for m := range c.awaited.end() {
		c.s.recent.left(m, c)
	}
}
