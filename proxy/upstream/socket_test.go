package upstream

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// upgrade answers a handshake on l, written from RFC 6455.
func (l *link) upgrade() bool {
	head, _, ok := l.request()
	if !ok {
		return false
	}
	_, key, _ := strings.Cut(head, "Sec-Websocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	l.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
	return true
}

// frame is a server's frame.
func frame(first byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{first, byte(n)}) + payload
	case n < 1<<16:
		return string(binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n))) + payload
	default:
		return string(binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n))) + payload
	}
}

func text(payload string) string { return frame(0x81, payload) }

// hear reads one frame of a client.
func (l *link) hear() (op byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(l.r, head[:]); err != nil {
		return 0, "", err
	}
	size := uint64(head[1] & 0x7f)
	if width := map[uint64]int{126: 2, 127: 8}[size]; width > 0 {
		ext := make([]byte, width)
		if _, err := io.ReadFull(l.r, ext); err != nil {
			return 0, "", err
		}
		size = 0
		for _, b := range ext {
			size = size<<8 | uint64(b)
		}
	}
	var mask [4]byte
	if head[1]&0x80 == 0 {
		return 0, "", errors.New("a client's frame without a mask")
	}
	_, _ = io.ReadFull(l.r, mask[:])
	b := make([]byte, size)
	_, err = io.ReadFull(l.r, b)
	for i := range b {
		b[i] ^= mask[i&3]
	}
	return head[0] & 0xf, string(b), err
}

// heard reads messages until one contains what.
func (l *link) heard(what string) (all []string) {
	for {
		op, payload, err := l.hear()
		if err != nil {
			return nil
		}
		if op == 1 {
			all = append(all, payload)
		}
		if strings.Contains(payload, what) {
			return all
		}
	}
}

const (
	first = `{"conversation":5,"quota":0,"keyword":"","message":"","end":false,"plan":false}` + "\n"
	delta = `{"conversation":0,"quota":0.1,"keyword":"","message":"Hi you","end":false,"plan":false}` + "\n"
	last  = `{"conversation":0,"quota":0.1,"keyword":"","message":"","end":true,"plan":false}` + "\n"
)

func wsURL(p *peer) string { return "ws://" + p.Addr().String() }

// remembered is a question of a conversation with earlier messages.
func remembered(id string, inSync bool) *translate.Request {
	req := question("m", true)
	req.Memory = translate.Memory{ID: id, InSync: inSync}
	req.Messages = append([]translate.Message{
		translate.TextMessage(translate.RoleSystem, "be kind"), translate.TextMessage(translate.RoleUser, "one"),
		translate.TextMessage(translate.RoleAssistant, "two"),
	}, req.Messages...)
	return req
}

// chats is a chatnio server that answers each question: all are the frames that came since
// the one before, the question the last of them.
func chats(answer func(l *link, all []string)) func(*link) {
	return func(l *link) {
		if !l.upgrade() {
			return
		}
		for all := l.heard(`"type":"chat"`); all != nil; all = l.heard(`"type":"chat"`) {
			answer(l, all)
		}
	}
}

func TestAMemberThatAChatServerRefusesIsNamedAndLeftOut(t *testing.T) {
	t.Parallel()
	said := make(chan string, 10)
	p := listen(t, chats(func(l *link, all []string) {
		chat := all[len(all)-1]
		said <- chat
		l.say(text(first))
		switch {
		case strings.Contains(chat, `"max_tokens"`):
			l.say(text(`{"conversation":0,"quota":0,"keyword":"","message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead. (type: invalid_request_error)","end":true,"plan":false}` + "\n"))
		case strings.Contains(chat, `"temperature"`):
			l.say(text(`{"conversation":0,"quota":0,"keyword":"","message":"Unsupported value: 'temperature' does not support 0.5 with this model. (type: invalid_request_error)","end":true,"plan":false}` + "\n"))
		default:
			l.say(text(delta) + text(last))
		}
	}))
	up := open(t, "chatnio", wsURL(p)+"/api")
	var omit []string
	for _, want := range []string{"max_tokens", "temperature", ""} {
		req := question("m", true)
		tokens, heat := 9, 0.5
		req.Params.MaxTokens, req.Params.Temperature, req.Omit = &tokens, &heat, omit
		a, err := ask(t, up, req)
		chat := <-said
		for _, path := range omit {
			if strings.Contains(chat, path) || !slices.Contains(req.Dropped, path) {
				t.Errorf("%s was asked with %s; dropped %q", chat, path, req.Dropped)
			}
		}
		if want == "" {
			if err != nil || a.Text() != "Hi you" {
				t.Errorf("%+v, %v", a, err)
			}
			continue
		}
		if e := fault(t, err); !slices.Equal(e.Unknown, []string{want}) {
			t.Errorf("%q is named, want %s: %v", e.Unknown, want, err)
		}
		omit = append(omit, want)
	}
}

func TestTheTurnsOfAConversationShareASocketThatRemembers(t *testing.T) {
	t.Parallel()
	said := make(chan []string, 10)
	p := listen(t, chats(func(l *link, all []string) {
		said <- all
		l.say(text(first) + text(delta) + text(last))
	}))
	up := open(t, "chatnio", wsURL(p)+"/api")
	for i, c := range []struct {
		req    *translate.Request
		frames int // of the question
		conns  int32
	}{
		{remembered("a", false), 3, 1}, {remembered("a", true), 1, 1}, {remembered("a", true), 1, 1},
		{remembered("b", true), 3, 2}, {remembered("a", true), 1, 2}, {remembered("a", false), 3, 3},
		{question("m", true), 2, 4}, {question("m", true), 2, 5},
	} {
		a, err := ask(t, up, c.req)
		if err != nil || a.Text() != "Hi you" || a.ID != "5" {
			t.Fatalf("%d: %+v, %v", i, a, err)
		}
		all := <-said
		if len(all) != c.frames || p.conns.Load() != c.conns {
			t.Errorf("%d: %d frames, %d connections: %q", i, len(all), p.conns.Load(), all)
		}
		if c.frames > 1 && !strings.HasPrefix(all[0], `{"token":"sk-test-key-0001","id":-1`) {
			t.Errorf("%d: first frame %q", i, all[0])
		}
		if c.frames == 3 && (!strings.Contains(all[1], `"mask"`) || !strings.Contains(all[1], "be kind") || strings.Contains(all[1], "hi")) {
			t.Errorf("%d: mask %q", i, all[1])
		}
		if want := fmt.Sprintf(`"context":%d`, len(c.req.Messages)); !strings.Contains(all[len(all)-1], want) {
			t.Errorf("%d: no %s in %q", i, want, all[len(all)-1])
		}
	}
}

func TestAQuestionThatStandsAloneGoesOnAnyIdleSocketWhichIsThenNobodys(t *testing.T) {
	t.Parallel()
	said := make(chan []string, 10)
	p := listen(t, chats(func(l *link, all []string) {
		said <- all
		end := ""
		if strings.Contains(all[len(all)-1], "good-bye") {
			end = frame(0x88, "\x03\xe8")
		}
		l.say(text(first) + text(delta) + text(last) + end)
	}))
	up := open(t, "chatnio", wsURL(p)+"/api")
	kept := up.(interface{ Idle(string) bool })
	alone := func(words string, idle bool) *translate.Request {
		req := question("m", true)
		req.Messages[0] = translate.TextMessage(translate.RoleUser, words)
		req.Memory = translate.Memory{Any: true, Idle: idle}
		return req
	}
	idle := remembered("b", true)
	idle.Memory.Idle = true
	if kept.Idle("") {
		t.Error("a socket is there that nobody dialled")
	}
	_, err := up.Open(within(t), alone("hi", true))
	wantFault(t, err, translate.FaultBusy, translate.CodeRateLimited)
	for i, c := range []struct {
		req    *translate.Request
		frames int // of the question
		conns  int32
		a, b   bool // their sockets are kept
	}{
		{remembered("a", false), 3, 1, true, false}, {remembered("b", false), 3, 2, true, true},
		{alone("hi", true), 1, 2, false, true}, {alone("hi", false), 1, 2, false, true}, // on a's, which has no name any more
		{idle, 1, 2, false, true}, {remembered("a", true), 3, 3, true, true},
		{alone("hi", true), 1, 3, true, true}, {alone("good-bye", true), 1, 3, true, true},
		{alone("hi", true), 1, 3, true, false},
	} {
		a, err := ask(t, up, c.req)
		if err != nil || a.Text() != "Hi you" {
			t.Fatalf("%d: %+v, %v", i, a, err)
		}
		all := <-said
		if len(all) != c.frames || p.conns.Load() != c.conns {
			t.Errorf("%d: %d frames, %d connections: %q", i, len(all), p.conns.Load(), all)
		}
		if c.req.Memory.Any != strings.Contains(all[len(all)-1], `"ignore_context":true`) {
			t.Errorf("%d: %q", i, all[len(all)-1])
		}
		if a, b := kept.Idle("a"), kept.Idle("b"); a != c.a || b != c.b {
			t.Errorf("%d: kept %v and %v, want %v and %v", i, a, b, c.a, c.b)
		}
	}
	_, err = up.Open(within(t), idle) // b's was used for the last one
	wantFault(t, err, translate.FaultBusy, translate.CodeRateLimited)
}

func TestLeftoversOfATurnAreNotTheNextAnswer(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) {
		for ok := l.upgrade(); ok && l.heard(`"type":"chat"`) != nil; {
			l.say(frame(0x89, "still there?") + text(first) + text(delta) + text(last) + text(last))
		}
	})
	up := open(t, "chatnio", wsURL(p))
	for i := range 10 {
		a, err := ask(t, up, remembered("a", i > 0))
		if err != nil || a.Text() != "Hi you" {
			t.Fatalf("%d: %+v, %v", i, a, err)
		}
	}
	if n := p.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestASocketIsForgottenUnlessItsTurnEndedWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply string
		end   string // what the server does afterwards
		stop  int    // events after which the client leaves; 0: none
		fault translate.Fault
	}{
		"left in the middle":  {text(first) + text(delta), "", 2, 0},
		"an error turn":       {text(first) + text(strings.Replace(last, `"message":""`, `"message":"no response"`, 1)), "", 0, translate.FaultBroken},
		"a cut":               {text(first) + text(delta), "close", 0, translate.FaultBroken},
		"a close frame":       {text(first) + text(delta) + frame(0x88, "\x03\xe8"), "", 0, translate.FaultBroken},
		"closed when idle":    {text(first) + text(delta) + text(last), "close", 0, 0},
		"good-bye when idle":  {text(first) + text(delta) + text(last) + frame(0x88, "\x03\xe8"), "", 0, 0},
		"nonsense":            {text("{nonsense"), "", 0, translate.FaultBroken},
		"no text":             {text(first) + text("\xff"), "", 0, translate.FaultBroken},
		"a huge frame":        {text(first) + frame(0x81, strings.Repeat("x", 2<<20)), "", 0, translate.FaultBroken},
		"a bad frame":         {text(first) + "\xf7\x00", "", 0, translate.FaultBroken},
		"a masked frame":      {text(first) + "\x81\x80abcd", "", 0, translate.FaultBroken},
		"an anonymous caller": {text(strings.Replace(first, "5", "-1", 1)), "", 0, translate.FaultDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{}, 10)
			p := listen(t, func(l *link) {
				if !l.upgrade() || l.heard(`"type":"chat"`) == nil {
					return
				}
				if l.n > 1 {
					l.say(text(first) + text(delta) + text(last))
					l.gone()
					return
				}
				l.say(c.reply)
				if c.end == "" && c.fault == 0 && c.stop == 0 {
					done <- struct{}{}
				}
				if c.end == "" {
					l.gone()
				}
				_ = l.Close()
				done <- struct{}{}
			})
			up := open(t, "chatnio", wsURL(p))
			s, err := up.Open(within(t), remembered("a", false))
			if err != nil {
				t.Fatal(err)
			}
			for n := 1; err == nil; n++ {
				if _, err = s.Next(); n == c.stop {
					break
				}
			}
			_ = s.Close()
			if c.fault != 0 {
				if e := fault(t, err); e.Fault != c.fault {
					t.Errorf("fault %s: %v", e.Fault, err)
				}
			}
			<-done
			a, err := ask(t, up, remembered("a", true))
			if err != nil || a.Text() != "Hi you" || p.conns.Load() != 2 {
				t.Errorf("%+v, %v, %d connections", a, err, p.conns.Load())
			}
		})
	}
}

func TestFramesCutAnywhereAreReadAndReadyIsExact(t *testing.T) {
	t.Parallel()
	stream := text(first) + frame(0x01, delta[:20]) + frame(0x89, "ping") + frame(0x80, delta[20:]) + text(delta) + text(last)
	for _, size := range []int{1, 3, 1 << 20} {
		p := listen(t, func(l *link) {
			if !l.upgrade() || l.heard(`"type":"chat"`) == nil {
				return
			}
			for s := stream; s != ""; {
				n := min(size, len(s))
				l.say(s[:n])
				s = s[n:]
			}
			l.gone()
		})
		s, err := open(t, "chatnio", wsURL(p)).Open(within(t), question("m", true))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for {
			ev, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got += string(ev.Text)
			if size == 1<<20 && !s.Ready() {
				t.Errorf("not ready after %q, though all has come in one write", got)
			}
		}
		_ = s.Close()
		if got != "Hi youHi you" {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}

func TestARefusedHandshakeIsTyped(t *testing.T) {
	t.Parallel()
	const throttled = `{"error":"request_throttled","reason":"You have sent too many requests. Please try again later.","status":false}`
	for _, c := range []struct {
		kind, reply string
		fault       translate.Fault
		retry       time.Duration
	}{
		{"chatnio", whole(jsonHead, throttled), translate.FaultBusy, time.Second},
		{"chatnio", whole(jsonHead+"Retry-After: 7\r\n", throttled), translate.FaultBusy, 7 * time.Second},
		{"chatnio", whole("HTTP/1.1 401 No\r\nContent-Type: application/json\r\n", `{"code":401,"message":"Access denied. Please provide correct api key."}`), translate.FaultDenied, 0},
		{"chatnio", whole("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<html>"), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 503 No\r\nRetry-After: 9\r\n", ""), translate.FaultBusy, 9 * time.Second},
		{"chatnio", whole("HTTP/1.1 400 Bad Request\r\n", "Bad Request\n"+`{"message":"","reason":"websocket: the client is not using the websocket protocol","status":false}`), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 400 Bad Request\r\n", `{"message":"","reason":"websocket: the client is not using the websocket protocol","status":false}`), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 404 Not Found\r\n", "<html><title>404 Not Found</title>"), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 403 Forbidden\r\n", "<!DOCTYPE html><title>Just a moment...</title>"), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 301 Moved\r\nLocation: /api/chat/\r\n", ""), translate.FaultAstray, 0},
		{"chatnio", whole("HTTP/1.1 413 No\r\n", ""), translate.FaultAstray, 0},
		{"iagent", whole("HTTP/1.1 426 Upgrade Required\r\n", `{"success":false,"error":"this path takes WebSockets only","code":"UPGRADE_REQUIRED"}`), translate.FaultAstray, 0},
		{"iagent", whole("HTTP/1.1 400 Bad Request\r\n", `{"error":{"message":"no"}}`), translate.FaultAstray, 0},
		{"iagent", whole("HTTP/1.1 404 Not Found\r\n", `{"success":false,"error":"no such route","code":"NOT_FOUND"}`), translate.FaultAstray, 0},
		{"chatnio", "HTTP/1.1 101 Yes\r\n\r\n", translate.FaultAstray, 0},
		{"iagent", whole("HTTP/1.1 401 No\r\n", `{"success":false,"error":"no","code":"INVALID_TOKEN"}`), translate.FaultDenied, 0},
		{"iagent", whole("HTTP/1.1 403 No\r\n", ``), translate.FaultDenied, 0},
		{"iagent", whole("HTTP/1.1 429 No\r\nRetry-After: 9\r\n", ``), translate.FaultBusy, 9 * time.Second},
		{"iagent", whole("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<html>"), translate.FaultAstray, 0},
	} {
		p := answering(t, always(c.reply))
		up := open(t, c.kind, wsURL(p))
		_, err := ask(t, up, question("m", true))
		if err == nil {
			t.Errorf("%s %q: no error", c.kind, c.reply)
			continue
		}
		e := fault(t, err)
		if e.Fault != c.fault || c.retry > 0 && (e.Retry > c.retry || e.Retry < c.retry/2) {
			t.Errorf("%s %q: fault %s, retry %v: %v", c.kind, c.reply, e.Fault, e.Retry, err)
		}
		if c.fault != translate.FaultBusy || c.kind == "chatnio" {
			continue // when a chatnio server is dialled again is for the gateway to say
		}
		_, err = ask(t, up, question("m", true))
		if e := fault(t, err); e.Fault != translate.FaultBusy || e.Retry <= 0 || p.conns.Load() != 1 {
			t.Errorf("%s: dialled again: %v, %d connections", c.kind, err, p.conns.Load())
		}
	}
}

func TestAHandshakeIsCancelledAndBounded(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"chatnio", "iagent"} {
		ctx, cancel := context.WithCancel(within(t))
		p := listen(t, func(l *link) {
			_, _, _ = l.request()
			cancel()
			l.gone()
		})
		up := open(t, kind, wsURL(p))
		_, err := up.Open(ctx, question("m", true))
		wantFault(t, err, translate.FaultGone, translate.CodeCanceled)
		_ = up.Close()

		slow := listen(t, func(l *link) { l.gone() })
		up = open(t, kind, wsURL(slow), func(c *config.Channel) { c.Timeouts.Connect = 30 * time.Millisecond })
		_, err = up.Open(within(t), question("m", true))
		wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
	}
}

func TestTheShelfIsBoundedAndKeepsTheNewest(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) { l.gone() })
	at, err := newAddress(&config.Channel{URL: wsURL(p)}, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var h idleSessions
	for i := range maxKept + 5 {
		conn, sock, err := at.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.put(&socket{under: &frameConn{Conn: conn, socket: sock}, name: fmt.Sprint(i)})
	}
	if h.order.Len() != maxKept || h.take("4") != nil {
		t.Errorf("%d sockets", h.order.Len())
	}
	s := h.take("5")
	if s == nil || h.take("5") != nil {
		t.Fatal("the oldest one kept is not there, or twice")
	}
	s.end()
	h.order.Back().Value.(*socket).since = time.Now().Add(-2 * keptFor)
	s = h.take("100")
	h.put(s)
	if h.take("6") != nil {
		t.Error("a socket is kept beyond its time")
	}
	h.close()
	h.put(s)
	if h.order.Len() != 0 {
		t.Error("sockets are kept after close")
	}
}

func TestChatnioRemembersOverTheScriptedModel(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{})
	up := open(t, "chatnio", "http://"+addr+"/api")
	msgs := remembered("a", false).Messages
	want := "system: be kind | user: one | assistant: two | user: hi"
	for i := range 3 {
		req := remembered("a", i > 0)
		req.Model, req.Messages = "recall", msgs
		a, err := ask(t, up, req)
		if err != nil || a.Text() != want {
			t.Fatalf("turn %d: %v, %v, want %q", i, a.Text(), err, want)
		}
		msgs = append(msgs, a.Message(), translate.TextMessage(translate.RoleUser, "more"))
		want += " | assistant: " + want + " | user: more"
	}
}

func FuzzFramed(f *testing.F) {
	f.Add([]byte(text(first) + frame(0x89, "x") + text(last)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		fr := &frameConn{mode: modeFrames, buf: raw, look: nil}
		fr.ready()
		fr.control(func(p []byte) {
			if len(p) > maxControl {
				t.Error("a long ping")
			}
		})
		if n, err := frameLength(raw); err == nil && n > len(raw) {
			t.Errorf("%d of %d bytes", n, len(raw))
		}
	})
}
