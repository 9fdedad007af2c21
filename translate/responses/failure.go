package responses

import (
	"cmp"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Status returns the HTTP status with which a client is told of err: that of the upstream
// where it rejected the question, else that of the code.
func Status(err *translate.Error) int {
	if r := err.Rejection(); r != nil {
		return r.Status
	}
	if err.Code == translate.CodeConversation && err.Param == previousParam {
		return translate.CodeValidation.Status() // the vendor's
	}
	return err.Status()
}

// previousParam is the parameter that names the response that a question goes on from.
const previousParam = "previous_response_id"

// NoPrevious is the failure of a question that goes on from a response of which there is none,
// or that is another caller's.
func NoPrevious(id string) *translate.Error {
	return &translate.Error{Code: translate.CodeConversation, Param: previousParam, Message: "Previous response with id '" + translate.Printable(id) + "' not found."}
}

// words returns the type and the code of OpenAI's error object; an empty code is sent as null.
func words(c translate.Code) (kind, code string) {
	switch c {
	case translate.CodeValidation:
		return "invalid_request_error", ""
	case translate.CodeUnauthorized, translate.CodeInvalidToken, translate.CodeTokenExpired:
		return "authentication_error", "invalid_api_key"
	case translate.CodePermission:
		return "permission_error", "permission_denied"
	case translate.CodeModelNotFound:
		return "invalid_request_error", "model_not_found"
	case translate.CodeConversation, translate.CodePreset, translate.CodeNotFound:
		return "invalid_request_error", "not_found"
	case translate.CodeMethod:
		return "invalid_request_error", "method_not_allowed"
	case translate.CodeInProgress:
		return "invalid_request_error", "request_in_progress"
	case translate.CodeKeyReused:
		return "invalid_request_error", "idempotency_key_reused"
	case translate.CodeTooLarge:
		return "invalid_request_error", "request_too_large"
	case translate.CodeMediaType:
		return "invalid_request_error", "unsupported_media_type"
	case translate.CodeUpgradeRequired:
		return "invalid_request_error", "upgrade_required"
	case translate.CodeRateLimited:
		return "rate_limit_error", "rate_limit_exceeded"
	}
	return "server_error", string(c)
}

// failure is an error as a client is told of it.
type failure struct{ kind, code, message, param string }

func failureOf(err *translate.Error) (f failure) {
	f.kind, f.code = words(err.Code)
	if err.Spent != nil {
		f.kind, f.code = "insufficient_quota", "insufficient_quota"
	}
	f.message, f.param = err.Message, err.Param
	if err.Code == translate.CodeConversation && err.Param == previousParam {
		f.code = "previous_response_not_found"
	}
	if r := err.Rejection(); r != nil {
		told := r.Told(err.Masker)
		f = failure{cmp.Or(told.Type, "invalid_request_error"), told.Code, cmp.Or(told.Message, err.Message), told.Param}
	}
	return f
}

// AppendError appends OpenAI's error object as a whole body. In a stream that has begun it is
// the event error, in both forms that clients know, and behind it the response that failed.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	f := failureOf(err)
	if !started {
		return append(f.object(append(dst, '{')), '}')
	}
	dst = e.start(dst, nil, nil)
	dst = e.begin(dst, "error")
	dst = append(dst, `,"code":`...)
	dst = appendWord(dst, f.code)
	dst = append(dst, `,"message":`...)
	dst = jsonx.AppendString(dst, f.message)
	dst = append(dst, `,"param":`...)
	dst = appendWord(dst, f.param)
	dst = e.end(f.object(append(dst, ',')))
	for i := range e.output {
		e.output[i].cut = e.output[i].cut || !e.output[i].over
		e.output[i].over = true
	}
	dst = e.begin(dst, "response.failed")
	dst = append(dst, `,"response":`...)
	dst = e.appendResponse(dst, "failed", e.output, &ending{failure: err}, nil)
	return e.end(dst)
}

// object appends the error object with its name.
func (f *failure) object(dst []byte) []byte {
	dst = append(dst, `"error":{"message":`...)
	dst = jsonx.AppendString(dst, f.message)
	dst = append(dst, `,"type":`...)
	dst = jsonx.AppendString(dst, f.kind)
	dst = append(dst, `,"param":`...)
	dst = appendWord(dst, f.param)
	dst = append(dst, `,"code":`...)
	dst = appendWord(dst, f.code)
	return append(dst, '}')
}

// appendFailed appends the error of a response.
func appendFailed(dst []byte, over *ending) []byte {
	if over == nil || over.failure == nil {
		return append(dst, `null`...)
	}
	f := failureOf(over.failure)
	dst = append(dst, `{"code":`...)
	dst = jsonx.AppendString(dst, cmp.Or(f.code, f.kind))
	dst = append(dst, `,"message":`...)
	return append(jsonx.AppendString(dst, f.message), '}')
}

func appendWord(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `null`...)
	}
	return jsonx.AppendString(dst, s)
}
