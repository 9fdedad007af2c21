package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// refusalText is how many bytes of a body that is no known error object are kept.
const refusalText = 200

// RefusalFrom reads the body of an HTTP error as the openai and anthropic
// dialects and their imitators write it: {"error":{…}}, {"error":"text"},
// {"type":"error","error":{…}}, the fields of the error at the top, or one of these in a
// list. Of any other body the first 200 bytes become the message.
func RefusalFrom(body []byte) Refusal {
	ref, _, _ := readPlain(body)
	return ref
}

// readRefusal is RefusalFrom, with what those said who stand behind a gateway, and what
// kind of body it is.
func readRefusal(body []byte) (ref Refusal, said saying, form formKind) {
	ref, said, form = readPlain(body)
	if said.Message != ref.Message {
		return ref, said, form // a gateway handed on what it was told
	}
	inner := meant(said.Refusal)
	inner.retry, inner.sent, inner.limit = max(inner.retry, said.retry), max(inner.sent, said.sent), max(inner.limit, said.limit)
	return ref, inner, form
}

// failureBody is what of an error's body is read.
type failureBody struct {
	Error   json.RawMessage `json:"error"`
	Type    json.RawMessage `json:"type"`
	Status  json.RawMessage `json:"status"` // Google's word for a type
	Code    json.RawMessage `json:"code"`
	Message json.RawMessage `json:"message"`
	Param   json.RawMessage `json:"param"`
	Detail  json.RawMessage `json:"detail"`
	Details json.RawMessage `json:"details"`
	Sent    json.RawMessage `json:"n_prompt_tokens"` // of llama.cpp
	Limit   json.RawMessage `json:"n_ctx"`
	vendorForms
	Metadata struct {
		Raw json.RawMessage `json:"raw"` // OpenRouter: what its provider said
	} `json:"metadata"`
}

func readPlain(body []byte) (ref Refusal, said saying, form formKind) {
	none := func() (Refusal, saying, formKind) {
		ref := Refusal{Message: cutText(body)}
		return ref, saying{Refusal: ref}, formOf(body)
	}
	if list := []json.RawMessage(nil); startsWith(body, '[') && json.Unmarshal(body, &list) == nil && len(list) == 1 && startsWith(list[0], '{') {
		body = list[0]
	}
	var w failureBody
	if !w.read(body) {
		return none()
	}
	form = formOther
	if ref, ok := w.vendorForms.refusal(); ok {
		said = saying{Refusal: ref}
		switch ref.Type {
		case "invalid_request", "content_filter", CodeTooLong:
			ref.Type = "invalid_request_error" // as clients know it
		}
		return ref, said, formError
	}
	if text := word(w.Error); text != "" && !startsWith(w.Error, '{') {
		ref = Refusal{Message: text, Code: word(w.Code)}
		return ref, saying{Refusal: ref}, formError
	}
	if startsWith(w.Error, '{') {
		inner := w.Error
		form, w = formError, failureBody{Detail: w.Detail}
		if !w.read(inner) {
			return none()
		}
	}
	ref = Refusal{Type: word(w.Type), Code: word(w.Code), Message: cmp.Or(word(w.Message), word(w.Msg)), Param: word(w.Param)}
	if ref.Type == "" && startsWith(w.Status, '"') {
		ref.Type = word(w.Status)
	}
	if startsWith(w.Message, '{') || startsWith(w.Message, '[') {
		ref.Message = cutText(w.Message)
	}
	if len(w.Detail) > 0 && w.Detail[0] != 'n' || ref.Message != "" && (ref.Type != "" || ref.Code != "") {
		form = formError
	}
	if ref.Message == "" {
		ref.Message = word(w.Detail)
	}
	if ref.Message == "" && ref.Type == "" && ref.Code == "" {
		ref.Message = cutText(body)
	}
	said = saying{Refusal: ref, sent: wholeNumber(word(w.Sent)), limit: wholeNumber(word(w.Limit))}
	said.addDetails(w.Details)
	if raw := word(w.Metadata.Raw); startsWith([]byte(raw), '{') {
		if inner, deep, kind := readPlain([]byte(raw)); kind == formError {
			deep.Refusal = inner
			deep.retry = max(deep.retry, said.retry)
			said = deep
		}
	}
	return ref, said, form
}

// read fills w from an object. What has another type than it has elsewhere is passed over.
func (w *failureBody) read(object []byte) bool {
	err := json.Unmarshal(object, w)
	var other *json.UnmarshalTypeError
	return err == nil || startsWith(object, '{') && errors.As(err, &other)
}

// addDetails reads Google's details: a reason that says more than the code, and when to
// come back.
func (s *saying) addDetails(raw json.RawMessage) {
	var details []struct {
		Reason string `json:"reason"`
		Retry  string `json:"retryDelay"`
	}
	if !startsWith(raw, '[') || json.Unmarshal(raw, &details) != nil {
		return
	}
	for _, d := range details {
		if d.Reason != "" {
			s.Code = d.Reason
		}
		s.retry = max(s.retry, spanOf(d.Retry))
	}
}

func startsWith(raw []byte, c byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == c
}

// formOf tells a web page from other bodies that are no error object.
func formOf(body []byte) formKind {
	body = bytes.TrimSpace(body)
	if startsWith(body, '<') && normal(string(body[:min(len(body), textMost)])).page() {
		return formPage
	}
	return formOther
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
