// Package sse finds server-sent events in a growing buffer, in place, and
// appends them. It finds lines of JSON as well, which come where events might.
//
// The grammar is that of the HTML standard, section "Server-sent events", with
// one tolerance: an event that the end of the stream cut off before its empty
// line can be had too (docs/rules/rest.md 4.3).
package sse

import (
	"bytes"
	"cmp"
	"errors"
)

// MaxEvent bounds one event, and so one line, in bytes, framing included, unless a
// Scanner has a bound of its own. It is what a whole answer may have: images come as one
// event.
const MaxEvent = 32 << 20

// ErrTooLong says that an event is longer than it may be.
var ErrTooLong = errors.New("sse: event too long")

// Frame is one event with data. Its slices belong to the [Scanner] and are valid
// until the next call of Room, Next or Reset.
type Frame struct {
	Name []byte // the event field, empty without one
	Data []byte // the data lines, joined with \n
	Raw  []byte // the bytes of the event as they came, the empty line included
	// Lines is the number of data lines, at least 1.
	Lines int
	// Odd: not all of Raw is of the grammar, so that others may not read it; [Frame.Plain] they do.
	Odd bool
}

// span is a range of the buffer, relative to the beginning of the event.
type span struct{ from, to int }

// Scanner holds what has come of a stream and hands out its complete events.
// Whoever reads the stream asks for Room, fills some of it, says how much with
// Wrote, and calls Next until it reports false. In steady state nothing is
// allocated and no byte is copied, but for the rest of an event that moves to
// the front of the buffer. The zero value is ready for use. One goroutine uses
// it.
type Scanner struct {
	// Most bounds one event, in bytes, framing included; 0: [MaxEvent].
	Most int
	// Lines: the stream is none of server-sent events, but a JSON value on each line, which is
	// the data of an event. It may be set before the first call of Next and Peek.
	Lines bool

	buf    []byte // [start:len] is what has not been handed out
	start  int    // where the event being looked for begins
	line   int    // where its current line begins
	seen   int    // no line ends between line and seen
	noLF   int    // no \n between seen and noLF, where there is one, or the buffer ends
	data   span   // its first data line
	name   span
	lines  int       // of data so far
	joined [2][]byte // all data lines of an event with several; two take turns, as Peek looks one event ahead
	turn   uint8
	odd    bool // the event has lines that are not of the grammar
	begun  bool // a first byte has been looked at
	crlf   bool // the line before this one ended in \r\n
	skipLF bool // an \r was the last byte: an \n now belongs to it
	have   bool // next is a frame that Peek found
	next   Frame
}

// Reset forgets everything and makes buf, whose content is the beginning of the
// stream, the buffer. The scanner owns it until Release.
func (s *Scanner) Reset(buf []byte) {
	*s = Scanner{Most: s.Most, Lines: s.Lines, buf: buf, joined: s.joined}
}

// Release returns the buffer, grown perhaps, and forgets it.
func (s *Scanner) Release() []byte {
	buf := s.buf
	s.Reset(nil)
	return buf[:0]
}

// Park gives the buffer away while nothing is in it that was not handed out, and
// reports whether that is so. Frames handed out before are gone. Until Unpark only
// Release may be called.
func (s *Scanner) Park() (buf []byte, ok bool) {
	if s.have || s.start < len(s.buf) {
		return nil, false
	}
	buf = s.buf[:0]
	s.buf, s.start, s.line, s.seen, s.noLF = nil, 0, 0, 0, 0
	return buf, true
}

// Move makes to the buffer, with what was not handed out, and returns the one before.
// Frames handed out before are gone. ok is false where to has no room for it, or a
// frame that was looked at waits.
func (s *Scanner) Move(to []byte) (from []byte, ok bool) {
	if s.have || len(s.buf)-s.start > cap(to) {
		return nil, false
	}
	s.shift()
	from = s.buf[:0]
	s.buf = append(to[:0], s.buf...)
	return from, true
}

// Unpark makes buf, whose content is what has come since Park, the buffer.
func (s *Scanner) Unpark(buf []byte) { s.buf = buf }

// Room returns at least n free bytes at the end of the buffer. They are the
// caller's to fill until the next call of any method.
func (s *Scanner) Room(n int) []byte {
	full := cap(s.buf)-len(s.buf) < n
	if !s.have && s.start > 0 && (full || s.start == len(s.buf)) {
		s.shift()
	}
	if cap(s.buf)-len(s.buf) < n {
		// Twice as much, but no more than an event may have: it would never be filled.
		grown := make([]byte, len(s.buf), max(min(2*cap(s.buf), cmp.Or(s.Most, MaxEvent)+n), len(s.buf)+n))
		copy(grown, s.buf)
		s.buf = grown
	}
	return s.buf[len(s.buf):cap(s.buf)]
}

// shift moves what is left to the front.
func (s *Scanner) shift() {
	n := copy(s.buf, s.buf[s.start:])
	s.buf = s.buf[:n]
	s.line -= s.start
	s.seen -= s.start
	s.noLF = max(0, s.noLF-s.start)
	s.start = 0
}

// Wrote says that the first n bytes of what Room returned are filled.
func (s *Scanner) Wrote(n int) { s.buf = s.buf[:len(s.buf)+n] }

// Bytes returns everything that has not been handed out as a frame. It is for
// streams that turn out not to be events at all.
func (s *Scanner) Bytes() []byte { return s.buf[s.start:] }

// Take hands out everything that has not been handed out, for streams that turn out not to be events
// at all. It is valid until the next call of any method.
func (s *Scanner) Take() []byte {
	all := s.buf[s.start:]
	s.start = len(s.buf)
	s.line, s.seen, s.noLF = s.start, s.start, s.start
	return all
}

// Pending reports whether part of an event with data is in the buffer.
func (s *Scanner) Pending() bool {
	if s.lines > 0 {
		return true
	}
	if s.Lines {
		return len(bytes.TrimSpace(s.buf[s.line:])) > 0
	}
	rest := bytes.TrimSuffix(s.buf[s.line:], []byte("\r")) // its \n may not have come
	return bytes.HasPrefix(rest, []byte("data:")) || string(rest) == "data" || oddBegun(rest)
}

// End says that the stream is over: what is pending becomes an event, as if its
// empty line had come.
func (s *Scanner) End() {
	if !s.Pending() {
		return
	}
	if s.buf[len(s.buf)-1] != '\n' {
		s.buf = append(s.buf, '\n')
	}
	s.buf = append(s.buf, '\n')
}

// Peek reports whether Next would return a frame.
func (s *Scanner) Peek() (bool, error) {
	if s.have {
		return true, nil
	}
	ok, err := s.find()
	s.have = ok
	return ok, err
}

// Next returns the next complete event that has data; comments and events
// without data are skipped. It returns false when there is none: more bytes are
// needed. The error is ErrTooLong, and final.
func (s *Scanner) Next() (Frame, bool, error) {
	ok, err := s.Peek()
	s.have = false
	if !ok || err != nil {
		return Frame{}, false, err
	}
	return s.next, true, nil
}

// find looks for the end of the current event and goes on to the next one while
// they have no data.
func (s *Scanner) find() (bool, error) {
	if !s.begun && !s.begin() {
		return false, nil
	}
	for {
		end, after, ok := s.lineEnd()
		if !ok {
			break
		}
		if s.Lines {
			if s.value(end, after) {
				err := s.tooLong(len(s.next.Raw))
				return err == nil, err
			}
			continue
		}
		if end > s.line {
			if s.line == s.start && s.buf[s.line] == ':' {
				s.drop(after) // nothing collects what a sender of comments only sends
			} else {
				s.field(s.line, end)
			}
			s.line, s.seen = after, after
			continue
		}
		s.line, s.seen = after, after
		if s.lines > 0 {
			s.complete(after)
			err := s.tooLong(len(s.next.Raw))
			return err == nil, err
		}
		s.drop(after)
	}
	return false, s.tooLong(len(s.buf) - s.start)
}

// value makes the line up to end, behind which the next one begins at after, a frame. It reports
// whether there is anything in it.
func (s *Scanner) value(end, after int) bool {
	line := bytes.TrimLeft(s.buf[s.line:end], " \t")
	if s.line, s.seen = after, after; len(line) == 0 {
		s.drop(after)
		return false
	}
	s.data, s.lines = span{end - len(line) - s.start, end - s.start}, 1
	s.complete(after)
	return true
}

func (s *Scanner) tooLong(n int) error {
	if n > cmp.Or(s.Most, MaxEvent) {
		return ErrTooLong
	}
	return nil
}

// begin skips a byte order mark. It returns false while it cannot tell.
func (s *Scanner) begin() bool {
	rest := s.buf[s.start:]
	if len(rest) < len(bom) && bytes.Equal(rest, bom[:len(rest)]) {
		return false
	}
	if bytes.HasPrefix(rest, bom) {
		s.drop(s.start + len(bom))
		s.line, s.seen = s.start, s.start
	}
	s.begun = true
	return true
}

// lineEnd returns where the current line ends and where the one after it begins.
func (s *Scanner) lineEnd() (end, after int, ok bool) {
	if s.skipLF && s.line < len(s.buf) {
		s.skipLF = false
		if s.buf[s.line] == '\n' {
			s.crlf = true
			s.line++
			s.seen = s.line
			if s.line-1 == s.start {
				s.start = s.line
			}
		}
	}
	rest, n := s.buf[s.seen:], s.nextLF()
	upto := rest
	if n >= 0 {
		upto = rest[:n]
	}
	r := bytes.IndexByte(upto, '\r')
	switch {
	case r < 0 && n < 0:
		s.seen = len(s.buf)
		return 0, 0, false
	case r < 0:
		s.crlf = false
		return s.seen + n, s.seen + n + 1, true
	case r+1 < len(rest) && rest[r+1] == '\n':
		s.crlf = true
		return s.seen + r, s.seen + r + 2, true
	case r+1 < len(rest):
		s.crlf = false
		return s.seen + r, s.seen + r + 1, true
	case s.crlf:
		// The \n of a sender that writes \r\n is on its way; with it the frame
		// can be passed on in one piece.
		s.seen += r
		return 0, 0, false
	}
	s.skipLF = true
	return s.seen + r, s.seen + r + 1, true
}

// nextLF returns where the next \n is, from seen on, and -1 where there is none. It looks at
// each byte once, also where lines end with \r and there is no \n.
func (s *Scanner) nextLF() int {
	if s.noLF = max(s.noLF, s.seen); s.noLF < len(s.buf) && s.buf[s.noLF] != '\n' {
		n := bytes.IndexByte(s.buf[s.noLF:], '\n')
		if n < 0 {
			n = len(s.buf) - s.noLF
		}
		s.noLF += n
	}
	if s.noLF >= len(s.buf) {
		return -1
	}
	return s.noLF - s.seen
}

// field takes in the line buf[from:to].
func (s *Scanner) field(from, to int) {
	line := s.buf[from:to]
	if len(line) >= 4 {
		switch string(line[:4]) {
		case "data":
			if at, ok := value(line, len("data")); ok {
				s.addData(span{from + at - s.start, to - s.start})
				return
			}
		case "even":
			if len(line) == 4 || line[4] != 't' {
				break
			}
			if at, ok := value(line, len("event")); ok {
				s.name = span{from + at - s.start, to - s.start}
				return
			}
		}
	}
	if line[0] != ':' {
		s.oddField(from, to)
	}
}

// value returns where the value of a line begins whose field name has n bytes.
func value(line []byte, n int) (int, bool) {
	if len(line) == n {
		return n, true
	}
	if line[n] != ':' {
		return 0, false
	}
	if len(line) > n+1 && line[n+1] == ' ' {
		return n + 2, true
	}
	return n + 1, true
}

func (s *Scanner) addData(d span) {
	s.lines++
	if s.lines == 1 {
		s.data = d
		return
	}
	if s.lines == 2 {
		s.turn = 1 - s.turn
		s.joined[s.turn] = append(s.joined[s.turn][:0], s.at(s.data)...)
	}
	s.joined[s.turn] = append(s.joined[s.turn], '\n')
	s.joined[s.turn] = append(s.joined[s.turn], s.at(d)...)
}

func (s *Scanner) at(p span) []byte { return s.buf[s.start+p.from : s.start+p.to] }

// complete makes buf[start:end] the next frame.
func (s *Scanner) complete(end int) {
	s.next = Frame{Name: s.at(s.name), Data: s.at(s.data), Raw: s.buf[s.start:end:end], Lines: s.lines, Odd: s.odd}
	if s.lines > 1 {
		s.next.Data = s.joined[s.turn]
	}
	s.drop(end)
}

// drop begins a new event at start.
func (s *Scanner) drop(start int) {
	s.start = start
	s.data, s.name, s.lines, s.odd = span{}, span{}, 0, false
}
