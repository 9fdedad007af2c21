package chatnio

import (
	"encoding/json"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Auth is the first frame of a connection (docs/rules/chatnio.md 3.2).
type Auth struct {
	// Token is the key or JWT, bare. Empty: anonymous, said or unsaid.
	Token string
	// ID is the number of the conversation to go on with; what is not above 0,
	// and -1 when the frame has none, begins a new one.
	ID int64
	// Ref is the hash of a shared conversation to begin with, or empty.
	Ref string
	// Chat tells that the frame is a client frame besides, to be read with
	// [DecodeFrame]: it has a type, or a message.
	Chat bool
}

type wireAuth struct {
	Token   translate.Raw `json:"token"`
	ID      translate.Raw `json:"id"`
	Ref     translate.Raw `json:"ref"`
	Type    translate.Raw `json:"type"`
	Message translate.Raw `json:"message"`
}

// DecodeAuth reads a first frame as loosely as docs/rules/chatnio.md 8.2 asks: the id may
// be an integer, an integral float, a numeric string or missing; the token may be
// anything, with a Bearer prefix or not, or the text of an object that holds
// token and id, which is what the Java SDK sends. An id that is none of these
// names no conversation, so it begins a new one, as every unknown id does. Only a
// frame that is no JSON object is an *Error with CodeValidation. Whether the token
// is good is not its business.
func DecodeAuth(frame []byte) (Auth, error) {
	var w wireAuth
	if err := json.Unmarshal(frame, &w); err != nil || !jsonx.IsObject(frame) {
		return Auth{}, invalid("the first frame is not a JSON object", err)
	}
	a := Auth{Token: bareToken(w.Token), ID: -1, Chat: !w.Type.Null() || !w.Message.Null()}
	if nested, ok := nestedAuth(a.Token); ok {
		a.Token = bareToken(nested.Token)
		if scalar(w.ID) == "" {
			w.ID = nested.ID
		}
		if w.Ref.Null() {
			w.Ref = nested.Ref
		}
	}
	if !w.Ref.Null() {
		_ = json.Unmarshal(w.Ref, &a.Ref) // a ref of another type refers to nothing
	}
	if translate.TooLong(a.Ref, translate.MaxID) {
		a.Ref = ""
	}
	if n, ok := integral(scalar(w.ID)); ok {
		a.ID = n
	}
	return a, nil
}

// bareToken returns what is left of a token without what clients wrap it in.
func bareToken(raw translate.Raw) string {
	if raw.Null() {
		return ""
	}
	s, _ := text(raw)
	return BareToken(s)
}

// BareToken returns a token as clients write it without space around it and
// without a Bearer prefix; empty for "anonymous". It serves headers and query
// parameters too.
func BareToken(s string) string {
	const bearer = "bearer "
	s = strings.TrimSpace(s)
	if len(s) >= len(bearer) && strings.EqualFold(s[:len(bearer)], bearer) {
		s = strings.TrimSpace(s[len(bearer):])
	}
	if s == "anonymous" {
		return ""
	}
	return s
}

func nestedAuth(token string) (nested wireAuth, ok bool) {
	if !jsonx.IsObject([]byte(token)) {
		return wireAuth{}, false
	}
	var w wireAuth
	ok = json.Unmarshal([]byte(token), &w) == nil
	return w, ok
}

// AppendAuth appends the first frame of a connection to a server: token, and id
// of the conversation, -1 for a new one. An empty token is sent as "anonymous",
// which every version takes.
func AppendAuth(dst []byte, token string, id int64) []byte {
	if token == "" {
		token = "anonymous"
	}
	dst = append(dst, `{"token":`...)
	dst = jsonx.AppendString(dst, token)
	dst = append(dst, `,"id":`...)
	dst = jsonx.AppendInt(dst, id)
	return append(dst, '}')
}
