package conn

import "time"

// Cork keeps back what is written, until the first write after Uncork goes out
// together with it, in one write to the socket. It is for a WebSocket with several
// messages to send, whose library writes each by itself. Writes themselves must come
// one after the other, as they do from such a library; Hold and Release may be called
// at any time. What is held back is never more than what is written until Release.
func (c *Conn) Cork() { c.holds.Store(true) }

// Uncork has the next write go out, with all that was held back.
func (c *Conn) Uncork() { c.holds.Store(false) }

// keptHeld is how much room for what is held back stays with a connection.
const keptHeld = 64 << 10

// Write writes p, behind what was held back; or holds it back. Then an error comes
// with a later write.
func (c *Conn) Write(p []byte) (int, error) {
	if c.holds.Load() {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if len(c.held) == 0 {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	n, err := c.Conn.Write(c.held)
	n = max(0, n-len(c.held)+len(p)) // of p
	if c.held = c.held[:0]; cap(c.held) > keptHeld {
		c.held = nil
	}
	return n, err
}

// SetWriteDeadline sets the time by which a write that goes out must have.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.holds.Load() {
		return nil // whoever releases it sets another one
	}
	c.writeBy.Store(nanos(t))
	return c.Conn.SetWriteDeadline(t)
}

// BoundWrite gives a write that begins now at most the time wait, and three quarters of
// it at least. A deadline that is in between stays: each change costs a timer's.
func (c *Conn) BoundWrite(wait time.Duration) {
	now := time.Now()
	if left := time.Duration(c.writeBy.Load() - now.UnixNano()); left < wait*3/4 || left > wait {
		_ = c.SetWriteDeadline(now.Add(wait))
	}
}

// Flush writes what was held back and will not go out with another write, since
// there will be none; by until. Hold must not be in force, nor may anybody write.
func (c *Conn) Flush(until time.Time) error {
	if len(c.held) == 0 {
		return nil
	}
	_ = c.SetWriteDeadline(until)
	_, err := c.Conn.Write(c.held)
	c.held = nil
	return err
}
