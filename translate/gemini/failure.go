package gemini

import (
	"cmp"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Status returns the HTTP status with which a gemini client is told of err: that of the
// upstream where it rejected the question, else that of the code.
func Status(err *translate.Error) int { return err.ToldStatus() }

// kindOf returns the vendor's word for a status, google.rpc.Code (docs/rules/gemini.md 6).
func kindOf(status int) string {
	switch status {
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 405:
		return "UNIMPLEMENTED"
	case 409:
		return "ABORTED"
	case 429:
		return "RESOURCE_EXHAUSTED"
	case 499:
		return "CANCELLED"
	case 503:
		return "UNAVAILABLE"
	case 504:
		return "DEADLINE_EXCEEDED"
	}
	if status >= 400 && status < 500 {
		return "INVALID_ARGUMENT"
	}
	return "INTERNAL"
}

// worded returns err with the vendor's words as other clients know them: its word for a bad
// question is no type that theirs branch on, and its code repeats the status.
func worded(err *translate.Error) *translate.Error {
	r := err.Upstream
	if r == nil {
		return err
	}
	switch r.Type {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE":
		r.Type = "invalid_request_error"
	}
	if strings.Trim(r.Code, "0123456789") == "" {
		r.Code = ""
	}
	return err
}

// AppendError appends the vendor's error object: as a whole body, as an event of a stream that has
// begun, or as the last value of a list.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	status := Status(err)
	kind, message, param := kindOf(status), err.Message, err.Param
	if r := err.Rejection(); r != nil {
		told := r.Told(err.Masker)
		message, param = cmp.Or(told.Message, message), cmp.Or(told.Param, param)
	}
	if started {
		dst = e.open(dst)
	}
	dst = append(dst, `{"error":{"code":`...)
	dst = jsonx.AppendInt(dst, int64(status))
	dst = append(dst, `,"message":`...)
	dst = jsonx.AppendString(dst, message)
	dst = append(append(append(dst, `,"status":"`...), kind...), '"')
	dst = e.appendDetails(dst, err, param)
	dst = append(dst, `}}`...)
	switch {
	case !started:
		return dst
	case e.list:
		return append(dst, "]\n"...)
	}
	return e.close(dst)
}

// domain is whose the reasons of errors are.
const domain = "dragoman"

// appendDetails appends the details of an error: its code in the catalogue of all dialects, the
// parameter at fault, when to come back, and the id of the request.
func (e *encoder) appendDetails(dst []byte, err *translate.Error, param string) []byte {
	dst = append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
	dst = jsonx.AppendString(dst, string(err.Code))
	dst = append(dst, `,"domain":"`+domain+`"}`...)
	if param != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...)
		dst = append(jsonx.AppendString(dst, param), `}]}`...)
	}
	if n := err.RetrySeconds(); n > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = append(jsonx.AppendInt(dst, int64(n)), `s"}`...)
	}
	if e.envelope.RequestID != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":`...)
		dst = append(jsonx.AppendString(dst, e.envelope.RequestID), '}')
	}
	return append(dst, ']')
}
