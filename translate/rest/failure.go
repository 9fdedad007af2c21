package rest

import (
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// failed reports whether an envelope or an event says that something went wrong,
// whatever the HTTP status was (docs/rules/rest.md 4.1, 4.2).
func failed(v *fastjson.Value) bool {
	if success := v.Get("success"); success != nil && success.Type() == fastjson.TypeFalse {
		return true
	}
	if code := v.Get("code"); code != nil && code.Type() == fastjson.TypeNumber && code.GetFloat64() != 0 {
		return true
	}
	e := v.Get("error")
	if e == nil {
		return false
	}
	switch e.Type() {
	case fastjson.TypeNull, fastjson.TypeFalse:
		return false
	case fastjson.TypeString:
		return len(e.GetStringBytes()) > 0
	case fastjson.TypeObject:
		return e.GetObject().Len() > 0
	case fastjson.TypeArray:
		return len(e.GetArray()) > 0
	}
	return true
}

// failure says what an error envelope means. status is the answer's HTTP status,
// 200 for an event in a stream.
func failure(status int, v *fastjson.Value) *translate.Error {
	code, name := codeOf(v)
	ref := translate.Refusal{Code: name, Message: cut([]byte(messageOf(v)))}
	inner := int(count(v.Get("details"), "status"))
	var e *translate.Error
	switch {
	case code != "" && code != translate.CodeModel:
		e = translate.FromCode(code, ref.Message)
	case inner >= 400 && inner <= 599 && inner != 401 && inner != 403:
		e = translate.FromStatus(inner, ref, 0)
	case code == "" && (status < 200 || status > 299):
		e = translate.FromStatus(status, ref, 0)
	default:
		e = translate.FromCode(translate.CodeModel, ref.Message)
	}
	if string(v.GetStringBytes("details", "reason")) == "timeout" || code == translate.CodeModel && status == 504 {
		e.SetSlow()
	}
	return e
}

// messageOf returns the human text of an error, wherever it stands.
func messageOf(v *fastjson.Value) string {
	for _, path := range [...][]string{{"error"}, {"error", "message"}, {"message"}, {"details", "message"}} {
		if text := v.GetStringBytes(path...); len(text) > 0 {
			return string(text)
		}
	}
	var joined strings.Builder
	for _, e := range v.GetArray("errors") {
		if joined.Len() > 0 {
			joined.WriteString("; ")
		}
		joined.Write(e.GetStringBytes("message"))
	}
	return joined.String()
}

// codeOf returns the code of the catalogue that an error carries, empty if there
// is none, and its name as it was sent.
func codeOf(v *fastjson.Value) (code translate.Code, name string) {
	c := v.Get("code")
	if c == nil || c.Type() == fastjson.TypeNull {
		c = v.Get("error", "code")
	}
	if c == nil {
		return "", ""
	}
	switch c.Type() {
	case fastjson.TypeNumber:
		n := c.GetInt()
		return numbered(n), strconv.Itoa(n)
	case fastjson.TypeString:
		name = cut(c.GetStringBytes())
	}
	if name == "AUTH_REQUIRED" {
		return translate.CodeUnauthorized, name
	}
	if code = translate.Code(name); !code.Known() {
		return "", name
	}
	return code, name
}

// numbered returns the code for one of the numbers that the product's own code
// uses (docs/rules/rest.md 4.1).
func numbered(n int) translate.Code {
	switch {
	case n == 1001:
		return translate.CodeValidation
	case n == 1002:
		return translate.CodeUnauthorized
	case n == 1003:
		return translate.CodeInvalidToken
	case n == 1004:
		return translate.CodeTokenExpired
	case n == 1005:
		return translate.CodePermission
	case n == 2001:
		return translate.CodeNotFound
	case n == 3004, n >= 4001 && n <= 4003:
		return translate.CodeRateLimited
	case n == 3006, n == 3007, n >= 6001 && n <= 6003:
		return translate.CodeModel
	case n >= 3001 && n <= 3005:
		return translate.CodeUnavailable
	}
	return ""
}

// cut bounds what of an upstream's text is kept for the log.
func cut(text []byte) string { return string(jsonx.Cut(text, 200)) }
