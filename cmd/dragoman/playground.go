package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the playground.
const (
	playTime  = 5 * time.Minute // of a question
	playBytes = 4 << 20         // of the wire that are told
	playTurn  = time.Second     // that is left to revoke the key of a question
)

// playCallers are the callers in whose names the playground asks: one question at a time
// each, so that the newest exchange of a caller is the one of its question.
var playCallers = []string{"playground-1", "playground-2", "playground-3", "playground-4"}

// playground asks the fronts of this process over a connection of its own, in the name of a
// caller that is made for the question and revoked after it.
type playground struct {
	g    *proxy.Gateway
	book *revision.Book
	at   net.Addr    // where the fronts listen
	free chan string // callers that ask nothing
}

func newPlayground(g *proxy.Gateway, book *revision.Book, at net.Addr) *playground {
	p := &playground{g: g, book: book, at: at, free: make(chan string, len(playCallers))}
	for _, name := range playCallers {
		p.free <- name
	}
	return p
}

// Protocols implements [admin.Playground].
func (p *playground) Protocols() (all []admin.PlayProtocol) {
	for _, d := range chatDialects {
		names := "model"
		if d.model == "" {
			names = "preset"
		}
		all = append(all, admin.PlayProtocol{Name: d.dialect, System: d.system, Names: names})
	}
	return all
}

// Ask implements [admin.Playground].
func (p *playground) Ask(ctx context.Context, q admin.PlayQuestion, tell func(admin.PlayEvent)) error {
	d := defaultsOf(q.Protocol)
	if d.dialect != q.Protocol {
		return translate.Invalid("there is no such protocol: " + translate.Clip(q.Protocol))
	}
	if q.System != "" && !d.system {
		return translate.Invalid(d.dialect + " has no place for a system text")
	}
	var caller string
	select {
	case caller = <-p.free:
		defer func() { p.free <- caller }()
	default:
		return &translate.Error{Code: translate.CodeRateLimited, Message: "the playground asks four questions already: wait until one has ended", Retry: time.Second}
	}
	ctx, cancel := context.WithTimeout(ctx, playTime)
	defer cancel()
	secret, key, err := p.g.MakeKey(ctx, caller, config.Access{}, time.Now().Add(2*playTime))
	if err != nil {
		return err
	}
	defer p.revoke(key.ID)
	one := &play{tell: tell, began: time.Now(), key: secret, lines: d.pieces}
	one.say(admin.PlayEvent{Kind: "begun", Caller: caller})
	answer, err := p.ask(ctx, d, q, one)
	one.end(answer, err, p.exchange(caller, d.dialect, one.began))
	return nil
}

// revoke ends a key also where the question has ended with its client.
func (p *playground) revoke(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), playTurn)
	defer cancel()
	_ = p.g.RevokeKey(ctx, id) // else it expires by itself
}

// exchange returns the id of the newest exchange of a caller on a front since a time; empty:
// none has begun, as the front refused the question.
func (p *playground) exchange(caller, front string, since time.Time) string {
	f := journal.Filter{Caller: caller, Front: front, Limit: 1}
	for _, list := range [][]journal.Summary{p.g.Traces().Running(f), p.g.Traces().Recent(f)} {
		for _, one := range list {
			if at, err := time.Parse(time.RFC3339Nano, one.At); err == nil && !at.Before(since.Truncate(time.Millisecond)) {
				return one.ID
			}
		}
	}
	return ""
}

// ask puts the question on a connection of its own, and returns the answer as far as it came.
func (p *playground) ask(ctx context.Context, d dialectDefaults, q admin.PlayQuestion, one *play) (*translate.Answer, error) {
	answer := &translate.Answer{}
	up, err := upstream.New(p.channel(d), one.key, upstream.Options{Trace: one.wire, Dial: p.dial, TLS: p.tls()})
	if err != nil {
		return answer, err
	}
	defer func() { _ = up.Close() }()
	user := "playground-" + one.began.UTC().Format("150405.000000")
	base := (&chatCommand{Dialect: d.dialect, Model: q.Model, System: q.System, User: user}).request(d)
	base.Model = q.Model
	base.Messages = append(base.Messages, translate.TextMessage(translate.RoleUser, q.Text))
	stream, err := up.Open(ctx, &base)
	if err != nil {
		return answer, err
	}
	defer func() { _ = stream.Close() }()
	for answer.Size() < playBytes {
		ev, err := stream.Next()
		if err == io.EOF {
			return answer, nil
		}
		if err != nil {
			return answer, err
		}
		answer.Add(ev)
		one.event(&ev)
	}
	return answer, &translate.Error{Code: translate.CodeTooLarge, Message: "the answer is longer than the playground shows"}
}

// channel is the front of a dialect as a channel. Its host is one that the fronts let in;
// dial knows where it is.
func (p *playground) channel(d dialectDefaults) *config.Channel {
	conf := p.book.Config()
	host := "127.0.0.1"
	for _, name := range conf.Hosts {
		if !strings.ContainsAny(name, "*") {
			host = name
			break
		}
	}
	scheme, _, _ := strings.Cut(d.at, "://")
	if conf.TLS.Cert != "" {
		scheme += "s"
	}
	return &config.Channel{ID: "playground", Kind: d.dialect, URL: scheme + "://" + host + strings.TrimRight(conf.Prefix, "/") + d.path}
}

// dial connects to the fronts of this process, whatever name they are asked under.
func (p *playground) dial(ctx context.Context, _ string) (net.Conn, error) {
	to := p.at.String()
	if host, port, err := net.SplitHostPort(to); err == nil && net.ParseIP(host).IsUnspecified() {
		to = net.JoinHostPort("localhost", port)
	}
	return new(net.Dialer).DialContext(ctx, p.at.Network(), to)
}

// tls is how it speaks TLS: the certificate is for the names that clients use, and the
// address that dial takes is that of this process.
func (p *playground) tls() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// play is a question that is asked. It is safe for concurrent use, since the wire is traced
// from other goroutines.
type play struct {
	began time.Time
	key   string
	lines bool // messages come in pieces that end anywhere, and are put together to lines

	mu   sync.Mutex
	tell func(admin.PlayEvent)
	part []byte // of a line
	told int    // bytes of the wire
	over bool
}

// say tells an event with its time.
func (p *play) say(e admin.PlayEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(e)
}

// put is say; p.mu is held.
func (p *play) put(e admin.PlayEvent) {
	if p.over {
		return
	}
	e.Ms = float64(time.Since(p.began).Microseconds()) / 1000
	p.tell(e)
}

// wire tells a message, or a piece of one.
func (p *play) wire(dir byte, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if dir == '>' {
		p.message("sent", data)
		return
	}
	if !p.lines {
		p.message("received", data)
		return
	}
	for l := range bytes.Lines(data) {
		p.part = append(p.part, l...)
		if l[len(l)-1] == '\n' || len(p.part) > playBytes {
			p.flush()
		}
	}
}

// flush tells a line that has come in so far. p.mu is held.
func (p *play) flush() {
	p.message("received", p.part)
	p.part = p.part[:0]
}

// message tells one message of the wire, without the key. p.mu is held.
func (p *play) message(kind string, data []byte) {
	data = bytes.TrimRight(data, "\r\n")
	if len(data) == 0 || p.told > playBytes {
		return
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(string(data), p.key, "***"), "\uFFFD")
	if p.told += len(text); p.told > playBytes {
		text = "(more than the playground shows)"
	}
	p.put(admin.PlayEvent{Kind: kind, Text: text})
}

// event tells a piece of the answer as a client reads it.
func (p *play) event(ev *translate.Event) {
	switch ev.Kind {
	case translate.KindText:
		p.say(admin.PlayEvent{Kind: "text", Text: string(ev.Text)})
	case translate.KindReasoning:
		p.say(admin.PlayEvent{Kind: "reasoning", Text: string(ev.Text)})
	case translate.KindToolStart:
		p.say(admin.PlayEvent{Kind: "tool", Text: string(ev.Name)})
	case translate.KindToolArgs:
		p.say(admin.PlayEvent{Kind: "tool", Text: string(ev.Text)})
	}
}

// end tells how the question fared. Nothing is told after it.
func (p *play) end(a *translate.Answer, err error, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush()
	e := admin.PlayEvent{Kind: "end", Result: "ok", ID: id, Input: a.Usage.Input, Output: a.Usage.Output, Finish: a.Finish.String()}
	if err != nil {
		e.Result, e.Finish = string(translate.CodeInternal), ""
		e.Message = strings.ReplaceAll(err.Error(), p.key, "***")
		if no := (*translate.Error)(nil); errors.As(err, &no) {
			e.Result, e.Message = string(no.Code), strings.ReplaceAll(no.Message, p.key, "***")
		}
	}
	p.put(e)
	p.over = true
}
