package anthropic

import (
	"cmp"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// statusOverloaded is the vendor's own status for having no capacity.
const statusOverloaded = 529

// Status returns the HTTP status with which an anthropic client is told of err:
// that of the upstream where it rejected the question, 529 where no channel can
// take it, else that of the code, 504 for a model that took too long.
func Status(err *translate.Error) int {
	if r := err.Rejection(); r != nil {
		return r.Status
	}
	if err.Code == translate.CodeUnavailable {
		return statusOverloaded
	}
	return err.Status()
}

// kindOf returns the vendor's error type for a status.
func kindOf(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 503, statusOverloaded:
		return "overloaded_error"
	case 504:
		return "timeout_error"
	}
	if status >= 400 && status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}

// AppendError appends the vendor's error object: as a whole body, or as an event
// of a stream that has begun, after which no message_stop may follow.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	kind, message := kindOf(Status(err)), err.Message
	if r := err.Rejection(); r != nil {
		told := r.Told(err.Masker)
		kind, message = cmp.Or(told.Type, kind), cmp.Or(told.Message, message)
	}
	if started {
		dst = append(dst, "event: error\ndata: "...)
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonx.AppendString(dst, kind)
	dst = append(dst, `,"message":`...)
	dst = jsonx.AppendString(dst, message)
	dst = append(dst, '}')
	if e.envelope.RequestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = jsonx.AppendString(dst, e.envelope.RequestID)
	}
	dst = append(dst, '}')
	if started {
		dst = append(dst, "\n\n"...)
	}
	return dst
}
