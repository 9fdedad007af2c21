package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// line is one connection to the server. One goroutine asks and one, perhaps the
// same, reads the answers.
type line interface {
	// ask puts the question of a slot into the buffer that flush writes.
	ask(slot int) error
	// flush writes the questions.
	flush() error
	// answer reads until an answer is complete and right, and returns its slot. It
	// flushes first unless somebody else asks.
	answer() (slot int, err error)
	// meter is what the line counted.
	meter() *meter
	// close ends a read that waits.
	close()
}

// meter counts what arrives on a line. The totals may be read while the line
// works, the distributions only afterwards.
type meter struct {
	answers, events, glued atomic.Int64
	window                 *atomic.Bool // is open while distributions are taken

	whole histogram // of an answer, from when its question was due
	first histogram // of its first piece
	gap   histogram // between pieces

	due  []atomic.Int64 // of each slot: Unix nanoseconds; 0: nothing is asked
	last time.Time      // of the last piece; zero: none yet
}

// asked notes when the question of a slot was due.
func (m *meter) asked(slot int, due time.Time) { m.due[slot].Store(due.UnixNano()) }

// answered notes a complete answer.
func (m *meter) answered(slot int) {
	m.answers.Add(1)
	m.last = time.Time{}
	if due := m.due[slot].Swap(0); m.window.Load() {
		m.whole.add(time.Duration(time.Now().UnixNano() - due))
	}
}

// arrived notes n pieces that one read brought.
func (m *meter) arrived(n int) {
	if n == 0 {
		return
	}
	m.events.Add(int64(n))
	now := time.Now()
	if m.window.Load() {
		m.glued.Add(int64(n - 1))
		if m.last.IsZero() {
			m.first.add(time.Duration(now.UnixNano() - m.due[0].Load()))
		} else {
			m.gap.add(now.Sub(m.last))
		}
	}
	m.last = now
}

// reader is a connection with the bytes that were read and not yet used. What
// lies in it moves with the next fill.
type reader struct {
	conn net.Conn
	buf  []byte
	r, w int
}

func dial(addr string) (*reader, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &reader{conn: conn, buf: make([]byte, 4<<10)}, nil
}

// maxBuffer bounds one head, chunk line, event or frame.
const maxBuffer = 16 << 20

// fill reads once.
func (r *reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	if r.w == len(r.buf) {
		if r.r > 0 {
			r.w = copy(r.buf, r.buf[r.r:r.w])
			r.r = 0
		} else if len(r.buf) >= maxBuffer {
			return errors.New("what the server sends has no end")
		} else {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
	}
	n, err := r.conn.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *reader) rest() []byte { return r.buf[r.r:r.w] }

// open makes a line of the dialect.
func (o *options) open(number int, want int, window *atomic.Bool, paced bool) (line, error) {
	m := &meter{window: window, due: make([]atomic.Int64, o.Slots)}
	switch o.Dialect {
	case "chatnio":
		return openTalk(o, m, want, paced)
	case "iagent":
		return openCrowd(o, m, number, want, paced)
	case "openai", "anthropic", "rest":
		return openHTTP(o, m, number, want, paced)
	}
	return nil, fmt.Errorf("no dialect %q", o.Dialect)
}
