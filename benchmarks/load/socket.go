package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/url"
	"sync/atomic"
)

// socket is the client's end of a WebSocket. Its frames are masked with zeros,
// which is a mask like any other and leaves the bytes as they are.
type socket struct {
	*reader
	out []byte
}

// openSocket dials and does the handshake of RFC 6455 section 4.
func openSocket(addr, path string) (*socket, error) {
	r, err := dial(addr)
	if err != nil {
		return nil, err
	}
	s := &socket{reader: r}
	if err := s.handshake(addr, path); err != nil {
		_ = r.conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *socket) handshake(addr, path string) error {
	request := "GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	if _, err := s.conn.Write([]byte(request)); err != nil {
		return err
	}
	for {
		if i := bytes.Index(s.rest(), emptyLine); i >= 0 {
			head := s.rest()[:i]
			s.r += i + 4
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("refused: %.200q %.300q", head, s.rest())
			}
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// appendFrame appends one whole frame.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}

func (s *socket) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

func (s *socket) close() { _ = s.conn.Close() }

// message returns the next text message if all of it is there; it lives until the
// next fill. It answers pings.
func (s *socket) message() (msg []byte, ok bool, err error) {
	for {
		op, payload, ok, err := s.frame()
		if !ok || err != nil {
			return nil, false, err
		}
		switch op {
		case opText:
			return payload, true, nil
		case opPing:
			if _, err := s.conn.Write(appendFrame(nil, opPong, payload)); err != nil {
				return nil, false, err
			}
		case opPong:
		case opClose:
			return nil, false, fmt.Errorf("the server closed the socket: %.100q", payload)
		default:
			return nil, false, fmt.Errorf("a frame of kind %d", op)
		}
	}
}

func (s *socket) frame() (op byte, payload []byte, ok bool, err error) {
	b := s.rest()
	if len(b) < 2 {
		return 0, nil, false, nil
	}
	if b[0]&0xf0 != 0x80 || b[1]&0x80 != 0 {
		return 0, nil, false, fmt.Errorf("a frame in pieces, or masked: %x", b[:2])
	}
	head, n := 2, int(b[1])
	switch n {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if len(b) < head {
		return 0, nil, false, nil
	}
	switch n {
	case 126:
		n = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		n = int(binary.BigEndian.Uint64(b[2:]) & (1<<31 - 1))
	}
	if len(b) < head+n {
		return 0, nil, false, nil
	}
	s.r += head + n
	return b[0] & 0xf, b[head : head+n], true, nil
}

// talk is a chatnio connection: one conversation, one turn at a time.
type talk struct {
	*socket
	o     *options
	m     *meter
	turns int
	paced bool
	count count
}

func openTalk(o *options, m *meter, want int, paced bool) (*talk, error) {
	t := &talk{o: o, m: m, paced: paced, count: count{want: want}}
	return t, t.connect()
}

// connect begins a new conversation: the first frame signs in (docs/rules/chatnio.md 3.2).
func (t *talk) connect() (err error) {
	if t.socket, err = openSocket(t.o.Addr, t.o.Prefix+"/chat"); err != nil {
		return err
	}
	t.turns = 0
	t.out = appendFrame(t.out, opText, fmt.Appendf(nil, `{"token":%q,"id":-1}`, t.o.Key))
	return nil
}

func (t *talk) meter() *meter { return t.m }

func (t *talk) ask(int) error {
	if t.turns == t.o.Turns && !t.paced {
		t.close()
		if err := t.connect(); err != nil {
			return err
		}
	}
	t.turns++
	t.out = appendFrame(t.out, opText, fmt.Appendf(nil, `{"type":"chat","message":"hello there","model":%q}`, t.o.Model))
	return nil
}

var endFrame = []byte(`"end":true`)

func (t *talk) answer() (int, error) {
	if !t.paced {
		if err := t.flush(); err != nil {
			return 0, err
		}
	}
	fresh := 0
	for {
		msg, ok, err := t.message()
		if err != nil {
			return 0, err
		}
		if !ok {
			t.m.arrived(fresh)
			fresh = 0
			if err := t.fill(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := t.count.take(msg)
		if err != nil {
			return 0, err
		}
		fresh += n
		if bytes.Contains(msg, endFrame) {
			t.m.arrived(fresh)
			return 0, t.count.end()
		}
	}
}

// crowd is an iagent connection: many users, each slot another one.
type crowd struct {
	*socket
	o      *options
	m      *meter
	number int
	paced  bool
	serial []atomic.Int64 // of each slot: its newest question
	text   []byte
}

func openCrowd(o *options, m *meter, number, want int, paced bool) (*crowd, error) {
	s, err := openSocket(o.Addr, o.Prefix+"/ws/v1/chat?app_token="+url.QueryEscape(o.Key))
	if err != nil {
		return nil, err
	}
	return &crowd{socket: s, o: o, m: m, number: number, paced: paced, serial: make([]atomic.Int64, o.Slots), text: []byte(`"content":"` + text(want) + `"`)}, nil
}

func (c *crowd) meter() *meter { return c.m }

// ask numbers the message with its slot, so that the answer finds it again.
func (c *crowd) ask(slot int) error {
	serial := c.serial[slot].Add(1)
	c.out = appendFrame(c.out, opText, fmt.Appendf(nil,
		`{"chat_type":1,"msg_id":"m-%d-%d-%d.","timestamp":1767225600000,"sender_type":1,"sender_id":"u%d-%d-%d","receiver_id":%q,"resp_code":0,"content_type":1,"content":"hello there"}`,
		c.number, slot, serial, c.number, slot, serial/int64(c.o.Turns), c.o.Model))
	return nil
}

var refID = []byte(`"ref_msg_id":"m-`)

func (c *crowd) answer() (int, error) {
	for {
		msg, ok, err := c.message()
		if err != nil {
			return 0, err
		}
		if ok {
			return c.check(msg)
		}
		if !c.paced {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// check finds the question of an answer, which must be the running one of its
// slot: a second answer to the same question is none.
func (c *crowd) check(msg []byte) (int, error) {
	var number, slot, serial int
	i := bytes.Index(msg, refID)
	if i < 0 {
		return 0, fmt.Errorf("an answer to nothing: %.300q", msg)
	}
	id := msg[i+len(refID):]
	for _, part := range []*int{&number, &slot, &serial} {
		j := 0
		for ; j < len(id) && id[j] >= '0' && id[j] <= '9'; j++ {
			*part = 10**part + int(id[j]-'0')
		}
		id = id[min(j+1, len(id)):]
	}
	if number != c.number || slot >= len(c.serial) || int64(serial) != c.serial[slot].Load() || c.m.due[slot].Load() == 0 {
		return 0, fmt.Errorf("an answer to no open question: %.300q", msg)
	}
	if !bytes.Contains(msg, c.text) {
		return 0, fmt.Errorf("not the answer: %.400q", msg)
	}
	return slot, nil
}
