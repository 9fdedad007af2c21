package translate

import (
	"bytes"
	"encoding/json"
	"slices"
)

// maxQuoted is how long arguments may be that are written as a JSON string once more.
const maxQuoted = 256 << 10

// Unsettled reports whether args, the beginning of the arguments of a call, do not say yet what
// these are: some servers send nothing, {} or null first and the arguments behind it, others
// write the whole object as a JSON string once more.
func Unsettled(args []byte) bool {
	text := bytes.TrimSpace(args)
	return len(text) == 0 || text[0] == '"' && len(text) < maxQuoted || string(text) == "{}" || bytes.HasPrefix([]byte("null"), text)
}

// Replaced reports whether what follows args, arguments that are [Unsettled], comes in their
// place: they were nothing, {} or null.
func Replaced(args []byte) bool {
	text := bytes.TrimSpace(args)
	return len(text) == 0 || string(text) == "{}" || string(text) == "null"
}

// Arguments returns what args, all that a server said of the arguments of a call, come to: nil for
// none, and the object that is written as a JSON string once more. It may alias args.
func Arguments(args []byte) []byte {
	if Replaced(args) {
		return nil
	}
	var inner string
	if text := bytes.TrimSpace(args); text[0] != '"' || len(text) >= maxQuoted || json.Unmarshal(text, &inner) != nil {
		return args
	}
	switch text := bytes.TrimSpace([]byte(inner)); {
	case Replaced(text):
		return nil
	case text[0] == '{' && json.Valid(text):
		return text
	}
	return args
}

// CallIDs are the ids of the calls of one answer, which clients tell the calls apart by. The zero
// value has none. One goroutine uses it.
type CallIDs struct{ given []string }

// Given notes id, and reports whether a call of the answer had it before: some servers give all of
// them the same.
func (c *CallIDs) Given(id []byte) bool {
	if slices.ContainsFunc(c.given, func(known string) bool { return known == string(id) }) {
		return true
	}
	c.given = append(c.given, string(id))
	return false
}
