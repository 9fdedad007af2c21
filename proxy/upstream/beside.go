package upstream

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// withEndpoints is a channel that is asked at the endpoints beside chat too, on connections of their own.
type withEndpoints struct {
	Upstream
	beside Upstream
}

// newOpenAI returns a channel of that kind.
func newOpenAI(conf *config.Channel, key string, o Options) (Upstream, error) {
	const path = "/chat/completions"
	chat, err := newHTTP(conf, key, o, route{dialect: openai.Dialect, whole: path, stream: path, auth: "bearer", marked: true})
	if err != nil {
		return nil, err
	}
	beside, err := newHTTP(conf, key, o, route{dialect: openai.Beside, auth: "bearer", varied: true, marked: true})
	return &withEndpoints{chat, beside}, err
}

// Open implements Upstream.
func (u *withEndpoints) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	if req.Opaque != nil {
		return u.beside.Open(ctx, req)
	}
	return u.Upstream.Open(ctx, req)
}

// Close implements Upstream.
func (u *withEndpoints) Close() error {
	_ = u.beside.Close()
	return u.Upstream.Close()
}

// goesBy makes the answer one of bytes that go by, if it is none of events. Where events may come
// under another label, its first bytes tell.
func (s *httpStream) goesBy() {
	through, ok := s.dec.(translate.Passage)
	if !ok || s.form == formEvents {
		return
	}
	s.through = through
	if o := s.req.Opaque; s.form == formUnknown && (s.asked || o.Live) && !translate.IsSound(s.kind) {
		return
	}
	s.form, s.sure = formBytes, true
}

// mislabelled makes an answer that is no events, though its label says so, one of bytes that go by. It
// reports whether there may be such.
func (s *httpStream) mislabelled() (ok bool) {
	if s.through, ok = s.dec.(translate.Passage); ok {
		s.form, s.sure = formBytes, true
	}
	return ok
}

// beginsEvents reports whether text begins with the name of a field of an event and its colon.
func beginsEvents(text []byte) bool {
	name, _, ok := bytes.Cut(text[:min(len(text), len("event:"))], []byte{':'})
	return ok && (len(name) == 0 || slices.Contains([]string{"data", "event", "id", "retry"}, string(name)))
}

// ContentType is how the server has labelled an answer that goes by; that of events for all that
// are, and for no other; empty: not at all.
func (s *httpStream) ContentType() string {
	switch events := translate.IsEvents(s.kind); {
	case s.form == formEvents && !events:
		return "text/event-stream"
	case s.form == formBytes && events:
		return ""
	}
	return s.kind
}

// piece hands out what has come of an answer that goes by.
func (s *httpStream) piece() error {
	if s.finished {
		return io.EOF
	}
	if some := s.scan.Take(); len(some) > 0 {
		s.through.Pass(some)
		s.evs = append(s.evs, translate.Event{Kind: translate.KindOther, Raw: some})
		return nil
	}
	err := s.fill()
	if err == nil {
		return nil
	}
	if err != io.EOF {
		return truncated(s.ctx, err)
	}
	evs, wrong := s.through.Passed(s.evs, s.head.media == mediaJSON)
	if s.took(evs); wrong != nil {
		return s.up.key.typed(wrong, translate.FaultBroken)
	}
	return nil
}

// labelIn is the value of the header Content-Type in head.
func labelIn(head []byte) string {
	for len(head) > 0 {
		var line []byte
		line, head = cutLine(head)
		if name, value, ok := bytes.Cut(line, []byte{':'}); ok && is(name, "content-type") {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
