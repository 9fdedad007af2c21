package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// httpLine asks on one HTTP/1.1 connection of the openai, anthropic or rest
// dialect.
type httpLine struct {
	*reader
	m      *meter
	head   []byte // of the request, up to and with its empty line
	body   []byte
	out    []byte
	user   int // rest: where the digits of the user begin in body; 0: there are none
	serial int // where the number of the question begins in body; 0: it has none
	asked  int
	begun  int // conversations
	turns  int // in this one
	limit  int
	paced  bool
	stream bool
	done   []byte // what only the last event holds
	count  count
	text   []byte // of a whole answer, in quotes

	data  []byte // of the stream, what is not yet a line
	over  bool   // the end mark came
	fresh int    // pieces since the last read
}

const userDigits = 7

func openHTTP(o *options, m *meter, number, want int, paced bool) (*httpLine, error) {
	r, err := dial(o.Addr)
	if err != nil {
		return nil, err
	}
	l := &httpLine{reader: r, m: m, limit: o.Turns, paced: paced, stream: o.Stream, count: count{want: want}, text: []byte(`"` + text(want) + `"`)}
	path, body, message := "", "", "hello there"
	if want == 0 {
		message = numbered(0, o.Bytes)
	}
	switch o.Dialect {
	case "openai":
		path, l.done = "/v1/chat/completions", []byte("[DONE]")
		body = fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":%q}]}`, o.Model, o.Stream, message)
	case "anthropic":
		path, l.done = "/v1/messages", []byte(`"type":"message_stop"`)
		body = fmt.Sprintf(`{"model":%q,"max_tokens":4096,"stream":%v,"messages":[{"role":"user","content":%q}]}`, o.Model, o.Stream, message)
	case "rest":
		path, l.done = "/api/chat", []byte(`"type":"end"`)
		if o.Stream {
			path += "/stream"
		}
		start := fmt.Sprintf(`{"userId":"u%d-`, number)
		l.user = len(start)
		body = start + fmt.Sprintf(`%0*d","message":%q,"preset":%q}`, userDigits, 0, message, o.Model)
	}
	l.body = []byte(body)
	if want == 0 {
		l.serial, l.text = strings.Index(body, message), []byte(message)
	}
	l.head = []byte("POST " + o.Prefix + path + " HTTP/1.1\r\nHost: " + o.Addr + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + o.Key +
		"\r\nanthropic-version: 2023-06-01\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	return l, nil
}

// numbered is question n, filled up to size bytes: a model that repeats it shows
// which question it answers.
func numbered(n, size int) string {
	s := fmt.Sprintf("question %09d ", n)
	return s + strings.Repeat("x", max(0, size-len(s)))
}

func (l *httpLine) meter() *meter { return l.m }

func (l *httpLine) close() { _ = l.conn.Close() }

func (l *httpLine) ask(int) error {
	if l.user > 0 {
		if l.turns++; l.turns > l.limit {
			l.turns = 1
			l.begun++
			copy(l.body[l.user:], fmt.Sprintf("%0*d", userDigits, l.begun))
		}
	}
	if l.serial > 0 {
		l.asked++
		copy(l.text, numbered(l.asked, 0))
		copy(l.body[l.serial:], l.text)
	}
	l.out = append(append(l.out, l.head...), l.body...)
	return nil
}

func (l *httpLine) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.conn.Write(l.out)
	l.out = l.out[:0]
	return err
}

func (l *httpLine) answer() (int, error) {
	if !l.paced {
		if err := l.flush(); err != nil {
			return 0, err
		}
	}
	length, err := l.readHead()
	if err != nil {
		return 0, err
	}
	if length >= 0 {
		return 0, l.readWhole(length)
	}
	return 0, l.readStream()
}

var emptyLine = []byte("\r\n\r\n")

// readHead reads the status and the header, and returns the length of the body;
// -1 for chunks.
func (l *httpLine) readHead() (length int, err error) {
	end, from := -1, 0
	for {
		if end = bytes.Index(l.rest()[from:], emptyLine); end >= 0 {
			end += from
			break
		}
		from = max(0, len(l.rest())-3)
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	head := l.rest()[:end]
	l.r += end + 4
	length = -2
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("refused: %.200q %.300q", head, l.rest())
	}
	if length == -2 {
		return 0, fmt.Errorf("the body has no length: %.300q", head)
	}
	return length, nil
}

func (l *httpLine) readWhole(length int) error {
	for l.w-l.r < length {
		if err := l.fill(); err != nil {
			return err
		}
	}
	body := l.rest()[:length]
	l.r += length
	if l.stream || !bytes.Contains(body, l.text) {
		return fmt.Errorf("not the answer: %.300q", body)
	}
	return nil
}

// readStream reads chunks and the lines in them until the last one.
func (l *httpLine) readStream() error {
	l.data, l.over, l.fresh = l.data[:0], false, 0
	for {
		size, err := l.readChunkSize()
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		if err := l.readChunk(size); err != nil {
			return err
		}
	}
	l.m.arrived(l.fresh)
	if !l.stream {
		if !bytes.Contains(l.data, l.text) {
			return fmt.Errorf("not the answer: %.300q", l.data)
		}
		return nil
	}
	if !l.over || len(l.data) > 0 {
		return fmt.Errorf("the stream ended without its end mark, and with %.100q", l.data)
	}
	return l.count.end()
}

// refill reads once more, and notes what the last read brought.
func (l *httpLine) refill() error {
	l.m.arrived(l.fresh)
	l.fresh = 0
	return l.fill()
}

// readChunkSize reads the line before a chunk; after the last one also the empty
// line behind it.
func (l *httpLine) readChunkSize() (size int, err error) {
	for {
		i := bytes.IndexByte(l.rest(), '\n')
		if i < 0 {
			if err := l.refill(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(l.rest()[:i])), 16, 31)
		if err != nil {
			return 0, fmt.Errorf("not the size of a chunk: %.100q", l.rest()[:i])
		}
		l.r += i + 1
		if n == 0 {
			return 0, l.skipLineEnd()
		}
		return int(n), nil
	}
}

func (l *httpLine) skipLineEnd() error {
	for l.w-l.r < 2 {
		if err := l.refill(); err != nil {
			return err
		}
	}
	if l.rest()[0] != '\r' || l.rest()[1] != '\n' {
		return fmt.Errorf("a chunk does not end with a line: %.100q", l.rest())
	}
	l.r += 2
	return nil
}

func (l *httpLine) readChunk(size int) error {
	for size > 0 {
		if l.r == l.w {
			if err := l.refill(); err != nil {
				return err
			}
		}
		part := l.rest()
		part = part[:min(len(part), size)]
		size -= len(part)
		l.r += len(part)
		if err := l.take(part); err != nil {
			return err
		}
	}
	return l.skipLineEnd()
}

// take uses all complete lines of part and of what was left before it.
func (l *httpLine) take(part []byte) error {
	if !l.stream {
		l.data = append(l.data, part...)
		return nil
	}
	if len(l.data) > 0 {
		l.data = append(l.data, part...)
		part = l.data
	}
	for {
		i := bytes.IndexByte(part, '\n')
		if i < 0 {
			break
		}
		if err := l.takeLine(part[:i]); err != nil {
			return err
		}
		part = part[i+1:]
	}
	l.data = append(l.data[:0], part...)
	return nil
}

var (
	dataField  = []byte("data:")
	errorField = []byte(`"error"`)
)

func (l *httpLine) takeLine(line []byte) error {
	if !bytes.HasPrefix(line, dataField) {
		return nil
	}
	if l.over {
		return fmt.Errorf("after the end mark: %.200q", line)
	}
	n, err := l.count.take(line)
	l.fresh += n
	if err != nil || n > 0 {
		return err
	}
	if bytes.Contains(line, errorField) {
		return errors.New("an error instead of the answer: " + string(line[:min(len(line), 300)]))
	}
	l.over = bytes.Contains(line, l.done)
	return nil
}
