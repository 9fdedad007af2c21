package upstream

import "bytes"

// eventFields are how the lines of an event begin that mean anything: those of other fields are
// to be read past (HTML, 9.2.6).
var eventFields = [...]string{":", "data", "event", "id", "retry"}

// maxStrange bounds the lines of other fields before an answer.
const maxStrange = 4 << 10

func looksLikeEvents(text []byte) bool {
	for _, field := range eventFields {
		if bytes.HasPrefix(text, []byte(field)) {
			return true
		}
	}
	return false
}

// beginLikeEvents reports whether text, behind lines of fields that mean nothing, looks like
// events; more: that cannot be told before more of it has come.
func beginLikeEvents(text []byte) (events, more bool) {
	more = len(text) < maxStrange
	text = text[:min(len(text), maxStrange)]
	for len(text) > 0 {
		if looksLikeEvents(text) {
			return true, false
		}
		end := bytes.IndexAny(text, "\r\n")
		line := text
		if end >= 0 {
			line = text[:end]
		}
		name, _, _ := bytes.Cut(line, []byte{':'})
		if len(name) == 0 || bytes.ContainsFunc(name, notOfName) {
			return false, false
		}
		if end < 0 {
			break
		}
		text = bytes.TrimLeft(text[end:], "\r\n")
	}
	return false, more
}

// notOfName reports whether a field's name is not likely to have r: it is a word.
func notOfName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
