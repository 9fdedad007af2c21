package proxy

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Answers to questions of the endpoints beside chat, see [translate.Opaque]: bytes that go by.

// readOpaque reads an answer up to its end, or to as much as is held at most, so that another
// channel can be tried for so long; one that is used while it comes up to the first bytes that show it
// is no refusal.
func (s *search) readOpaque() *translate.Error {
	a, live, began := &s.x.answer, s.x.prompt.req.Opaque.Live || s.x.prompt.req.Stream, false
	for {
		ev, err := s.x.attempt.stream.Next()
		if err != nil {
			return s.x.fault(err)
		}
		s.x.believe(&ev)
		switch ev.Kind {
		case translate.KindFinish:
			if !began {
				return errEmpty
			}
			if err := unlike(s.x.prompt.req.Opaque, a.raw, a.label); err != nil {
				return err
			}
			a.held, a.first, a.hasFirst = append(a.held[:0], translate.Event{Kind: translate.KindOther, Raw: a.raw}), ev, true
			return nil
		case translate.KindOther:
			s.x.attempt.watchdog.Content()
			if !began {
				began, a.label = true, labelOf(s.x.attempt.stream)
				s.x.report.timing.First = max(time.Since(s.x.attempt.opened), 1)
				s.x.attempt.watchdog.WatchGaps(s.x.gap())
			}
			if a.raw = append(a.raw, ev.Raw...); live && shows(a.raw, a.label) || len(a.raw) > maxHeld {
				if err := unlike(s.x.prompt.req.Opaque, a.raw, a.label); err != nil {
					return err
				}
				a.first, a.hasFirst = translate.Event{Kind: translate.KindOther, Raw: a.raw}, true
				return nil
			}
		default:
			a.raw = append(a.raw, ev.Raw...)
			a.collected.Usage.Merge(ev.Usage)
		}
	}
}

// unlike is the error of an answer to o that begins with raw, under that label, and is none of the endpoint's.
func unlike(o *translate.Opaque, raw []byte, label string) *translate.Error {
	switch {
	case !o.Text && marked(raw):
		return translate.Broken("the model answered with a web page", nil)
	case !translate.IsEvents(label) && o.Prose(raw[:min(len(raw), shownBy)]):
		return translate.Broken("the model answered with something that is not JSON", nil)
	case o.Live && !shows(raw, label) && !startsJSON(raw):
		return translate.Broken("the model answered with text in place of sound", nil)
	}
	return nil
}

// labelled is a stream that knows how its server has labelled it.
type labelled interface{ ContentType() string }

// labelOf is the Content-Type of an answer that passes by unread.
func labelOf(stream translate.Stream) string {
	if l, ok := stream.(labelled); ok {
		return l.ContentType()
	}
	return ""
}

// shownBy is how many bytes at the beginning of an answer tell text from sound.
const shownBy = 64

// shows reports whether an answer that begins so, under that label, is one of events or of sound. Any
// other may be a web page or a refusal, which only all of it tells.
func shows(raw []byte, label string) bool {
	begun := raw[:min(len(raw), shownBy)]
	text := bytes.TrimLeft(bytes.TrimPrefix(begun, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(text) == 0:
		return false
	case strings.IndexByte("<{[", text[0]) >= 0: // a page may be in any charset
		return bytes.ContainsFunc(text, control)
	}
	return translate.IsEvents(label) || translate.IsSound(label) || bytes.ContainsFunc(text, control) || !encoded(text)
}

// startsJSON reports whether an answer that begins so may be JSON, which some servers put sound into.
func startsJSON(raw []byte) bool {
	text := bytes.TrimLeft(raw, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// marked reports whether an answer that begins so is text in a markup language.
func marked(raw []byte) bool {
	text := bytes.TrimLeft(raw[:min(len(raw), shownBy)], " \t\r\n")
	return len(text) > 0 && text[0] == '<' && !bytes.ContainsFunc(text, control)
}

// control reports whether r stands in no text.
func control(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' && r != '\f' }

// encoded reports whether text is UTF-8 as far as it has come.
func encoded(text []byte) bool {
	for len(text) > 0 && utf8.FullRune(text) {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		text = text[n:]
	}
	return true
}

// unsuited is why a channel cannot be asked a question at all, for who wants to know.
func (s *search) unsuited(c *channel.Candidate) {
	if s.x.prompt.req.Opaque != nil {
		s.x.report.skipped(c, channel.Bar{State: "unsuited", Why: unsuitedWhy})
	}
}

// unspoken is the error for a question of an endpoint of dialect that no channel can be asked.
func unspoken(path, dialect string) *translate.Error {
	return &translate.Error{Code: translate.CodeNotFound, Param: "model", Message: path + " takes a channel of kind " + dialect + ", and this model has none"}
}

// unsuitedWhy is why a channel is not asked a question of an endpoint at all.
const unsuitedWhy = "it does not speak the dialect of the endpoint"
