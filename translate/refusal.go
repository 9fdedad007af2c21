package translate

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// refusalText is how many bytes of a body that is no known error object are kept.
const refusalText = 200

// RefusalFrom reads the body of an HTTP error as the openai and anthropic
// dialects and their imitators write it: {"error":{…}}, {"error":"text"},
// {"type":"error","error":{…}}, or the fields of the error at the top. Of any
// other body the first 200 bytes become the message.
func RefusalFrom(body []byte) Refusal {
	var w struct {
		Error   json.RawMessage `json:"error"`
		Type    json.RawMessage `json:"type"`
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
		Param   json.RawMessage `json:"param"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &w) != nil {
		return Refusal{Message: cutText(body)}
	}
	if text := word(w.Error); text != "" && !looksObject(w.Error) {
		return Refusal{Message: text, Code: word(w.Code)}
	}
	if looksObject(w.Error) {
		w.Type, w.Code, w.Message, w.Param = nil, nil, nil, nil
		if json.Unmarshal(w.Error, &w) != nil {
			return Refusal{Message: cutText(body)}
		}
	}
	ref := Refusal{Type: word(w.Type), Code: word(w.Code), Message: word(w.Message), Param: word(w.Param)}
	if ref.Message == "" {
		ref.Message = word(w.Detail)
	}
	if ref.Message == "" && ref.Type == "" && ref.Code == "" {
		ref.Message = cutText(body)
	}
	return ref
}

func looksObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// word returns a JSON string or number as text, anything else as "".
func word(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

func cutText(body []byte) string {
	body = bytes.TrimSpace(body)
	if len(body) > refusalText {
		body = body[:refusalText]
		for range utf8.UTFMax - 1 {
			if r, n := utf8.DecodeLastRune(body); r != utf8.RuneError || n != 1 {
				break
			}
			body = body[:len(body)-1]
		}
	}
	return strings.ToValidUTF8(string(body), "\ufffd")
}

// InBand returns what an error means that an upstream reported inside an answer
// of status 200, by its code, where that is a status, or by the words of its
// type and code.
func InBand(ref Refusal) *Error {
	if n, err := strconv.Atoi(ref.Code); err == nil && n >= 400 && n < 600 {
		return FromStatus(n, ref, 0)
	}
	return FromStatus(statusOf(strings.ToLower(ref.Type+" "+ref.Code)), ref, 0)
}

// statusOf guesses the status that belongs to the words of an error. The order
// matters: vendors put invalid_request_error into the type of many errors whose
// code says more.
func statusOf(words string) int {
	has := func(options ...string) bool {
		for _, o := range options {
			if strings.Contains(words, o) {
				return true
			}
		}
		return false
	}
	switch {
	case has("rate_limit", "ratelimit", "too_many_requests", "throttl", "insufficient_quota"):
		return 429
	case has("overloaded"):
		return 529
	case has("authentication", "invalid_api_key", "unauthorized"):
		return 401
	case has("permission", "forbidden"):
		return 403
	case has("too_large"):
		return 413
	case has("timeout"):
		return 504
	case has("not_found"):
		return 404
	case has("server_error", "api_error"):
		return 502
	case has("invalid_request", "context_length", "invalid_prompt", "content_filter", "content_policy", "badrequest", "bad_request"):
		return 400
	}
	return 502
}
