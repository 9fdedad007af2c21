package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/translate"
)

// hider is what a decoder has that may keep a passed-through frame from the
// client: one that only exists because the gateway asked for more than the
// client did. It speaks of the frame decoded last.
type hider interface{ Hide() bool }

// namer is what the decoder of a dialect has whose clients know events by their names.
type namer interface{ EventName() []byte }

// remaker is what a decoder has that understands frames of a form which no client of the dialect
// reads. It speaks of the frame decoded last.
type remaker interface{ Remade() bool }

// awaiting is what a decoder has of whose answer a part may be complete before the others begin.
type awaiting interface{ Awaits() bool }

// form is what an answer's body turned out to be.
type form uint8

const (
	formUnknown form = iota
	formEvents
	formWhole
	formBytes // whatever it is goes by
)

// httpStream is the answer to one POST: server-sent events or lines of JSON, or one JSON
// body whose events are all ready at once.
type httpStream struct {
	call
	dec     translate.Decoder
	lent    *jsonx.Arena       // to dec; nil: it uses its own
	hide    hider              // nil: the decoder hides nothing
	named   namer              // nil: clients need no names of events
	through translate.Passage  // of an answer that goes by
	req     *translate.Request // the question, until its answer has begun
	queue
	few    [3]translate.Event // the queue's, while they are enough
	lines  []byte             // data lines of the last frame that are still to be decoded one by one
	endBy  time.Time          // when the silence behind a complete answer is its end; zero: there is none
	resume func()             // see Later
	began  time.Time          // of that wait

	form         form
	sure         bool // form is what the bytes say, not their label
	asked        bool // a stream was asked for
	pass         bool // events carry Raw
	passed       bool // one did
	nameless     bool // the event has no name
	shortSilence bool // the last silence was shorter than quickWait
	cut          bool // the body ended within an event
	news         bool // an event has come since endBy was set
	lost         bool // the connection is of no more use
	closed       bool
}

// ender is the decoder, if it needs somebody to end an answer; nil: it does not, or the
// answer is not complete.
func (s *httpStream) ender() translate.Ender {
	if e, ok := s.dec.(translate.Ender); ok && e.Complete() {
		return e
	}
	return nil
}

// accept looks at the head of the answer. What the body is its bytes will say: a label
// is often wrong. It is enough to wait for events without a buffer.
func (s *httpStream) accept() *translate.Error {
	if s.head.status < 200 || s.head.status > 299 {
		return s.refusal()
	}
	if s.head.media == mediaEvents && s.head.coding == codingNone {
		s.form = formEvents
	}
	s.goesBy()
	return nil
}

// lend gives the decoder memory that other answers have used, if it has none.
func (s *httpStream) lend() {
	if s.lent != nil {
		return
	}
	b, ok := s.dec.(translate.ArenaUser)
	if !ok {
		return
	}
	if s.lent, ok = s.up.arenas.Get().(*jsonx.Arena); !ok {
		s.lent = new(jsonx.Arena)
	}
	b.UseArena(s.lent)
}

// takeBack undoes lend.
func (s *httpStream) takeBack() {
	if s.lent == nil {
		return
	}
	s.dec.(translate.ArenaUser).UseArena(nil)
	if !s.lent.Large() {
		s.up.arenas.Put(s.lent)
	}
	s.lent = nil
}

// Next implements translate.Stream.
func (s *httpStream) Next() (translate.Event, error) { return s.next(s) }

// Ready implements translate.Stream.
func (s *httpStream) Ready() bool {
	if s.waiting() || s.dec.Done() {
		return true
	}
	if s.known() != nil {
		return true
	}
	if s.form == formBytes && len(s.scan.Bytes()) > 0 {
		s.promised = true
		return true
	}
	if s.form != formEvents || !s.sure {
		return s.finished
	}
	ok, err := s.scan.Peek()
	s.promised = ok || err != nil || s.body.over || len(s.lines) > 0
	return s.promised
}

// silent reports whether there is no frame for Next, and may be one later.
func (s *httpStream) silent() bool {
	if s.form != formEvents || s.waiting() || len(s.lines) > 0 || s.body.over || s.bad != nil || s.dec.Done() {
		return false
	}
	if s.known() != nil || s.form != formEvents {
		return false
	}
	if !s.sure {
		return true
	}
	ok, err := s.scan.Peek()
	return !ok && err == nil
}

// Wait returns when there is a frame for Next, or none will come.
func (s *httpStream) Wait() {
	for s.silent() {
		if err := s.waitMore(); err != nil && err != io.EOF {
			s.bad = err // Next will find it
		}
	}
}

// Later reports whether it is likely to take long until there is something for Next.
// If so it calls resume on a goroutine of its own when something has come, which may
// not be enough for Next, or the wait has failed; until then the stream must not be
// used. What waits needs the least stack there is, whatever stack it took to get here.
func (s *httpStream) Later(resume func()) bool {
	if s.shortSilence || !s.silent() || !s.park() {
		return false
	}
	s.takeBack()
	s.limitSilence()
	s.resume, s.began = resume, time.Now()
	go s.linger()
	return true
}

// linger waits for the next bytes on a goroutine of its own, which has the smallest stack.
func (s *httpStream) linger() {
	defer func() { _ = recover() }()
	s.buf = s.conn.wait.await(&s.up.buffers, s.filled)
	go s.awake() // with a stack for what follows, while this one is free for another wait
}

// awake ends Later.
func (s *httpStream) awake() {
	defer func() { _ = recover() }()
	s.shortSilence = time.Since(s.began) < quickWait
	if err := s.unpark(); err != nil && err != io.EOF {
		s.bad = err
	}
	s.resume()
}

// quickWait bounds a silence that is likely to be followed by another short one: the
// decoder keeps its memory then, and is spared to learn the answer's shape anew. In
// longer ones, and in the first, others may have it.
const quickWait = 50 * time.Millisecond

// waitMore is fill, during which a slow stream holds next to no memory.
func (s *httpStream) waitMore() error {
	if !s.shortSilence {
		s.takeBack()
	}
	s.limitSilence()
	began := time.Now()
	err := s.fillLater()
	s.shortSilence = time.Since(began) < quickWait
	return err
}

// endSilence is how long a server may be silent behind the reason of the end of its
// answer until that is the end: some keep the connection open without an end mark.
const endSilence = time.Second

// limitSilence is called before a wait. Behind the reason of an answer's end it bounds
// the time in which nothing but comments come.
func (s *httpStream) limitSilence() {
	if s.ender() == nil || s.conn == nil {
		return
	}
	if a, ok := s.dec.(awaiting); ok && a.Awaits() {
		_ = s.conn.SetReadDeadline(time.Time{})
		return
	}
	if s.news {
		s.news, s.endBy = false, time.Now().Add(endSilence)
	}
	_ = s.conn.SetReadDeadline(s.endBy)
}

// more decodes the next frame.
func (s *httpStream) more() error {
	if !s.sure {
		if err := s.sniff(); err != nil {
			return err
		}
	}
	if s.form == formWhole {
		return s.whole()
	}
	if s.form == formBytes {
		return s.piece()
	}
	if len(s.lines) > 0 {
		return s.nextLine(nil)
	}
	if s.dec.Done() {
		return s.over(nil)
	}
	for {
		f, ok, err := s.scan.Next()
		if err != nil {
			return translate.Broken("the model answered nonsense", err)
		}
		if ok {
			return s.frame(f)
		}
		s.limitSilence()
		err = s.fill()
		if err != nil && (err != io.EOF || !s.scan.Pending()) {
			return s.over(err)
		}
		if err == io.EOF {
			s.cut = true
			s.scan.End()
		}
	}
}

// over returns what follows the last frame when the connection ended with err.
func (s *httpStream) over(err error) error {
	if s.finished {
		return io.EOF
	}
	if s.complete() {
		s.lost = err != io.EOF
		return nil
	}
	if err == io.EOF || err == nil {
		err = errEarly
	}
	return truncated(s.ctx, err)
}

// complete ends an answer of which nothing more comes, if its end was seen, and reports
// whether it was. Whoever left does not get one.
func (s *httpStream) complete() bool {
	ender := s.ender()
	if ender == nil {
		return false
	}
	if e := ended(s.ctx); e != nil && e.Fault == translate.FaultGone {
		return false
	}
	s.took(ender.End(s.evs))
	return true
}

// frame decodes f.
func (s *httpStream) frame(f sse.Frame) error {
	raw := f.Raw
	switch {
	case !s.pass || !s.up.marked && translate.DoneMark(f.Data):
		raw = nil
	case f.Odd:
		raw = f.Plain()
	}
	s.nameless = len(f.Name) == 0
	if !s.nameless && (bytes.EqualFold(f.Name, []byte("error")) || bytes.EqualFold(f.Name, []byte("exception"))) {
		return s.failure(f.Data)
	}
	if s.meaningless(f) {
		if len(f.Data) == 0 { // else the libraries of clients would fail on it
			s.opaque(raw)
		}
		return nil
	}
	if f.Lines > 1 && !json.Valid(f.Data) {
		s.lines = f.Data // several values, one on each line: docs/rules/rest.md 4.3
		if !s.passed {
			s.pass, raw = false, nil // clients take them for one
		}
		return s.nextLine(raw)
	}
	return s.decode(f.Data, raw)
}

// meaningless reports whether f is one of the events that only keep a
// connection alive. Among lines of JSON only empty ones are.
func (s *httpStream) meaningless(f sse.Frame) bool {
	if len(f.Data) == 0 || s.scan.Lines {
		return len(f.Data) == 0
	}
	return f.Data[0] != '{' && (string(f.Name) == "ping" || string(f.Name) == "heartbeat" || translate.Idle(f.Data))
}

// failure is what an event named error tells of, whatever it holds.
func (s *httpStream) failure(data []byte) error {
	s.lend()
	if _, err := s.dec.Decode(nil, data); err != nil && refusing(err) {
		return s.refused(err, data)
	}
	return s.refused(translate.InBand(translate.RefusalFrom(data)), data)
}

// refused is err, which data told of inside an answer, with the members of the question
// that it names and that can be left out.
func (s *httpStream) refused(err error, data []byte) *translate.Error {
	e := s.up.key.typed(err, translate.FaultBroken)
	if e.Fault == translate.FaultRejected && s.req != nil {
		e.Unknown = s.up.omissible(s.req, translate.UnknownMembers(data))
	}
	return e
}

// refusing reports whether err is what the server said, not what was wrong with how it
// said it.
func refusing(err error) bool {
	var e *translate.Error
	return errors.As(err, &e) && (e.Upstream != nil || e.Fault != translate.FaultBroken)
}

func (s *httpStream) opaque(raw []byte) {
	if raw != nil {
		s.passed = true
		s.evs = append(s.evs, translate.Event{Kind: translate.KindOpaque, Raw: raw})
	}
}

func (s *httpStream) nextLine(raw []byte) error {
	line, rest, _ := bytes.Cut(s.lines, []byte{'\n'})
	s.lines = rest
	if translate.Idle(line) {
		s.opaque(raw)
		return nil
	}
	return s.decode(line, raw)
}

// decode appends the events of data; the first of them carries raw.
func (s *httpStream) decode(data, raw []byte) error {
	s.lend()
	evs, err := s.dec.Decode(s.evs, data)
	s.took(evs)
	if s.req != nil && slices.ContainsFunc(evs, isContent) {
		s.req = nil
	}
	if raw != nil && !s.passed {
		if r, ok := s.dec.(remaker); ok && r.Remade() {
			s.pass, raw = false, nil
		}
	}
	if raw != nil && s.nameless && s.named != nil {
		if name := s.named.EventName(); len(name) > 0 {
			raw = (&sse.Frame{Name: name, Data: data}).Plain()
		}
	}
	if raw != nil && (s.hide == nil || !s.hide.Hide()) {
		s.passed = true
		if len(evs) == 0 && err == nil {
			s.opaque(raw)
		} else if len(evs) > 0 {
			evs[0].Raw = raw
		}
	}
	s.news = s.news || len(evs) > 0 && evs[0].Kind != translate.KindOpaque
	switch {
	case err == nil:
		return nil
	case s.finished:
		return io.EOF // the answer is complete, whatever is wrong with its trailer
	case !refusing(err) && s.complete():
		s.lost = true
		return nil
	case s.cut:
		return truncated(s.ctx, err)
	}
	return s.refused(err, data)
}

// isContent reports whether ev is part of what was asked for, so that nobody is asked again.
func isContent(ev translate.Event) bool {
	switch ev.Kind {
	case translate.KindStart, translate.KindUsage, translate.KindOpaque:
		return false
	}
	return true
}

// whole reads and decodes an answer in one piece. The connection is free from
// then on.
func (s *httpStream) whole() error {
	if s.finished {
		return io.EOF
	}
	content, err := s.all(translate.MaxAnswer)
	s.release(err == nil)
	if err == errTooLarge {
		return translate.Broken("the answer is too long", err)
	}
	if err != nil {
		return truncated(s.ctx, err)
	}
	content = alone(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))
	if len(bytes.TrimSpace(content)) == 0 {
		return translate.Broken("the answer is empty", nil)
	}
	s.lend()
	evs, err := s.dec.DecodeWhole(s.evs, s.head.status, content)
	if err != nil && !refusing(err) && len(evs) == 0 {
		if s.lines = severalValues(content); s.lines != nil {
			s.form, s.pass = formEvents, false
			_ = s.scan.Take()
			return nil
		}
	}
	s.took(evs)
	if err != nil {
		return s.refused(err, content)
	}
	if !s.finished {
		return translate.Broken("the answer is empty", nil)
	}
	if s.pass && s.single(content) {
		evs[0].Raw = content
	}
	return nil
}

// single reports whether an answer in one piece is the one object that a client waits for. Some
// servers send a list of such objects, or one on each line.
func (s *httpStream) single(content []byte) bool {
	text := bytes.TrimSpace(content)
	return len(text) > 0 && text[0] == '{' && (!s.up.lines || bytes.IndexByte(text, '\n') < 0 || json.Valid(text))
}

// alone is a body without the events that some servers put behind it, such as [DONE].
func alone(content []byte) []byte {
	for {
		text := bytes.TrimRight(content, " \t\r\n")
		if bytes.HasSuffix(text, []byte("}")) {
			return content // most bodies: they need no look at all of their bytes
		}
		at := bytes.LastIndexByte(text, '\n')
		if at < 0 || !looksLikeEvents(text[at+1:]) {
			return content
		}
		content = text[:at]
	}
}

// known looks at the first byte that is no white space, which tells what the body is,
// if it has come.
func (s *httpStream) known() error {
	if s.sure {
		return nil
	}
	if s.packed == nil && bytes.HasPrefix(s.scan.Bytes(), gzipMagic) {
		s.unpack() // though the head does not say so
		return nil
	}
	text := bytes.TrimLeft(s.scan.Bytes(), " \t\r\n\x00\ufeff")
	switch {
	case len(text) == 0:
		return nil
	case text[0] == '{' && s.up.lines && s.asked && s.head.media != mediaJSON:
		s.form, s.sure, s.scan.Lines = formEvents, true, true
	case text[0] == '{', text[0] == '[':
		s.form, s.sure = formWhole, true
		s.goesBy()
	case text[0] == '<' && s.through == nil:
		return translate.Broken("the model answered with a web page", nil)
	case len(text) > len("event:"), bytes.IndexByte(text, '\n') >= 0, s.body.over:
		if s.through != nil && !beginsEvents(text) {
			s.form, s.sure = formBytes, true
			break
		}
		switch text = pastStrange(text); {
		case looksLikeEvents(text):
			s.form, s.sure = formEvents, true
		case len(text) == 0 && !s.body.over:
		case !s.mislabelled():
			return translate.Broken("the model answered nonsense", nil)
		}
	}
	if s.sure {
		// What is of another form than asked for is not what the client waits for.
		s.pass = s.pass && (s.up.varied || (s.form == formEvents) == s.asked) && s.scan.Lines == (s.up.lines && s.form == formEvents)
	}
	return nil
}

// maxBlank bounds the white space before an answer.
const maxBlank = 1 << 20

// sniff waits until it is known what the body is.
func (s *httpStream) sniff() error {
	for {
		if err := s.known(); err != nil || s.sure {
			return err
		}
		if len(s.scan.Bytes()) > maxBlank {
			return translate.Broken("the model answered nonsense", sse.ErrTooLong)
		}
		if err := s.fill(); err == io.EOF && len(bytes.TrimSpace(s.scan.Bytes())) == 0 {
			return translate.Broken("the answer is empty", nil)
		} else if err != nil && err != io.EOF {
			return truncated(s.ctx, err)
		}
	}
}

// Close implements translate.Stream.
func (s *httpStream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if !s.endBy.IsZero() && s.conn != nil {
		_ = s.conn.SetReadDeadline(time.Time{})
	}
	s.release(s.finished && s.dec.Done() && !s.lost)
	s.takeBack()
	s.lines = nil
	s.end()
	s.up.buffers.giveBack(s.buf, s.scan.Release())
	s.buf = nil
	return nil
}
