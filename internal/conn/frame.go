package conn

import "encoding/binary"

// frames follows the WebSocket frames that are read from a connection (RFC 6455 5.2),
// as far as to know where each of them ends. Whoever reads them judges them.
type frames struct {
	on   bool
	part framePart
	left uint64   // bytes of the part that were not read yet
	head [14]byte // of the frame, as far as it was read
	n    int
}

type framePart uint8

const (
	framePayload framePart = iota // also before the first frame
	frameStart                    // the first two bytes
	frameRest                     // what else belongs to the head
)

// between reports whether all of each frame that was begun has been read.
func (f *frames) between() bool { return f.part == framePayload && f.left == 0 }

// allow returns how much may be read at once, which is of one part of one frame.
func (f *frames) allow() uint64 {
	for f.left == 0 {
		f.step()
	}
	return f.left
}

// took notes that p was read, which is no more than was allowed.
func (f *frames) took(p []byte) {
	f.left -= uint64(len(p))
	if f.part != framePayload {
		f.n += copy(f.head[f.n:], p)
	}
	for f.left == 0 && f.part != framePayload {
		f.step()
	}
}

// step goes on to the part behind one of which all was read.
func (f *frames) step() {
	switch f.part {
	case framePayload:
		f.part, f.left, f.n = frameStart, 2, 0
	case frameStart:
		f.part, f.left = frameRest, f.rest()
	case frameRest:
		f.part, f.left = framePayload, f.length()
	}
}

// rest is how long the head is behind its first two bytes.
func (f *frames) rest() (n uint64) {
	switch f.head[1] & 0x7f {
	case 126:
		n = 2
	case 127:
		n = 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4 // the mask
	}
	return n
}

func (f *frames) length() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}

// pongLength is how long the pong of a client is with which p begins; 0: it begins
// with something else, or with only a part of one.
func pongLength(p []byte) int {
	if len(p) < 6 || p[0] != 0x8a || p[1] < 0x80 || p[1] > 0x80+125 {
		return 0
	}
	if n := 6 + int(p[1]&0x7f); n <= len(p) {
		return n
	}
	return 0
}

// SplitFrames makes each Read return bytes of one WebSocket frame at most, so that a
// reader with a buffer of its own holds nothing when it has read a message: what comes
// next can be waited for without it. It reports whether that is possible. It is to be
// called before the first frame is read.
func (c *Conn) SplitFrames() bool {
	c.frames.on = c.readAhead.able() && len(c.back) == 0 && !c.hasByte
	return c.frames.on
}

// BetweenFrames reports whether SplitFrames was called, and all that has come was read
// to the end of a frame.
func (c *Conn) BetweenFrames() bool {
	return c.frames.on && c.frames.between() && !c.readAhead.holds()
}

// AwaitFrame waits for the next frame, between two of them. It takes nothing but a
// pong, which it reports.
func (c *Conn) AwaitFrame() (pong bool, err error) {
	if !c.readAhead.holds() {
		if err := c.readAhead.fill(); err != nil {
			return false, err
		}
	}
	return c.readAhead.pong(), nil
}

// readFrame is Read after SplitFrames.
func (c *Conn) readFrame(p []byte) (n int, err error) {
	may := c.frames.allow()
	p = p[:min(uint64(len(p)), may)]
	switch {
	case c.readAhead.holds():
		n = c.readAhead.read(p)
	case may >= directRead:
		n, err = c.Conn.Read(p)
	default:
		if err := c.readAhead.fill(); err != nil {
			return 0, err
		}
		n = c.readAhead.read(p)
	}
	c.frames.took(p[:n])
	return n, err
}

// directRead is what must be left of a frame for it to be read without a detour.
const directRead = 4 << 10
