package upstream

import "bytes"

// eventFields are how the lines of an event begin that mean anything: those of other fields are
// to be read past (HTML, 9.2.6). error is none there, but some servers write it so; some write all
// in capitals.
var eventFields = [...]string{":", "data", "event", "id", "retry", "error"}

func looksLikeEvents(text []byte) bool {
	for _, field := range eventFields {
		if len(text) >= len(field) && bytes.EqualFold(text[:len(field)], []byte(field)) {
			return true
		}
	}
	return false
}

// maxStrange bounds the lines of other fields before an answer.
const maxStrange = 4 << 10

// pastStrange is text behind the lines of fields that mean nothing; empty: there may be more of
// them, in what has not come yet.
func pastStrange(text []byte) []byte {
	for begun := text; len(text) > 0 && !looksLikeEvents(text); {
		end := bytes.IndexAny(text, "\r\n")
		line := text
		if end >= 0 {
			line = text[:end]
		}
		name, _, _ := bytes.Cut(line, []byte{':'})
		switch {
		case len(name) == 0, bytes.ContainsFunc(name, notOfName), len(begun)-len(text) >= maxStrange, len(line) >= maxStrange:
			return text
		case end < 0:
			return nil
		}
		text = bytes.TrimLeft(text[end:], "\r\n")
	}
	return text
}

// notOfName reports whether a field's name is not likely to have r: it is a word.
func notOfName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
