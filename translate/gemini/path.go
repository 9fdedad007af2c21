package gemini

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// What a path asks of a model, behind its name and a colon (docs/rules/gemini.md 1).
const (
	verbWhole  = "generateContent"
	verbStream = "streamGenerateContent"
	verbCount  = "countTokens"
)

// Counts reports whether a path asks for the count of a question and not for its answer.
func Counts(path string) bool { return strings.HasSuffix(path, ":"+verbCount) }

// Asks reports whether a path asks something of a model, served or not: it ends with a verb.
func Asks(path string) bool {
	verb := path[strings.LastIndexByte(path, ':')+1:]
	return len(verb) < len(path) && verb != "" && strings.Trim(verb, verbLetters) == ""
}

// verbLetters are what verbs are made of.
const verbLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// AppendPath implements [translate.Pather]. The answer to a stream is asked for as
// server-sent events, also where the client reads it as a list.
func (codec) AppendPath(dst []byte, req *translate.Request) []byte {
	if !req.Stream {
		return appendPath(dst, req.Model, verbWhole)
	}
	return append(appendPath(dst, req.Model, verbStream), "?alt=sse"...)
}

// appendPath appends the path of a model. The name of one that is no base model, such as
// tunedModels/mine, begins with its collection.
func appendPath(dst []byte, model, verb string) []byte {
	dst = append(dst, '/')
	collection, own := "models/", strings.TrimPrefix(model, "models/")
	for _, other := range [...]string{"tunedModels/", "publishers/"} {
		if rest, ok := strings.CutPrefix(model, other); ok {
			collection, own = other, rest
		}
	}
	dst = append(dst, collection...)
	// Of Vertex' names the slashes stay; any other name is one segment.
	dst = appendEscaped(dst, own, collection == "publishers/")
	return append(append(dst, ':'), verb...)
}

// appendEscaped appends a name in a path, with everything escaped but the unreserved characters
// (RFC 3986 2.3).
func appendEscaped(dst []byte, name string, slashes bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(name) {
		switch c := name[i]; {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~", c) >= 0 || c == '/' && slashes:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&0xf])
		}
	}
	return dst
}

// FromPath implements [translate.Pather]. The name of a model may hold slashes and colons: what
// is behind the last colon says what is asked of it. A name with the mark of a query is none: its
// client has escaped or misplaced the mark, and a key may stand behind it.
func (codec) FromPath(req *translate.Request, path, query string) error {
	_, target, _ := strings.Cut(path, "/models/")
	colon := strings.LastIndexByte(target, ':')
	if colon <= 0 || strings.ContainsAny(target, translate.QueryMarks) {
		return notServed(path)
	}
	model, verb := target[:colon], target[colon+1:]
	switch verb {
	case verbWhole, verbCount:
		req.Stream = false
	case verbStream:
		list, err := asList(query)
		if err != nil {
			return err
		}
		req.Stream, req.List = true, list
	default:
		return notServed(path)
	}
	if err := translate.Bound("model", model, translate.MaxModel); err != nil {
		return err
	}
	req.Model = model
	return nil
}

// notServed is the error for a path that asks for something else.
func notServed(path string) *translate.Error {
	return &translate.Error{
		Code:    translate.CodeNotFound,
		Message: translate.PrintablePath(path) + " is not served here; of a model there are :" + verbWhole + ", :" + verbStream + " and :" + verbCount,
	}
}

// asList reads how a stream is wanted: as server-sent events (alt=sse), else as a JSON list.
func asList(query string) (bool, error) {
	for pair := range strings.SplitSeq(query, "&") {
		switch key, alt, _ := strings.Cut(pair, "="); {
		case key != "alt" && key != "$alt" && key != "%24alt":
		case alt == "sse":
			return false, nil
		case alt != "" && alt != "json":
			return false, translate.InvalidAt("alt", "alt must be sse or json")
		}
	}
	return true, nil
}
