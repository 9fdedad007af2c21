package translate

import (
	"cmp"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// OpenAIError is an error as the dialects of OpenAI tell it; an empty Code or Param is sent as
// null.
type OpenAIError struct{ Type, Code, Message, Param string }

// OpenAI is how clients of OpenAI's dialects are told of e: in the upstream's own words where
// it rejected the question.
func (e *Error) OpenAI() OpenAIError {
	if r := e.Rejection(); r != nil {
		told := r.Told(e.Masker)
		return OpenAIError{cmp.Or(told.Type, "invalid_request_error"), told.Code, cmp.Or(told.Message, e.Message), told.Param}
	}
	o := OpenAIError{Message: e.Message, Param: e.Param}
	if o.Type, o.Code = openaiWords(e.Code); e.Spent != nil {
		o.Type, o.Code = "insufficient_quota", "insufficient_quota"
	}
	return o
}

// openaiWords returns the type and the code of OpenAI's error object.
func openaiWords(c Code) (kind, code string) {
	switch c {
	case CodeValidation:
		return "invalid_request_error", ""
	case CodeUnauthorized, CodeInvalidToken, CodeTokenExpired:
		return "authentication_error", "invalid_api_key"
	case CodePermission:
		return "permission_error", "permission_denied"
	case CodeModelNotFound:
		return "invalid_request_error", "model_not_found"
	case CodeConversation, CodePreset, CodeNotFound:
		return "invalid_request_error", "not_found"
	case CodeMethod:
		return "invalid_request_error", "method_not_allowed"
	case CodeInProgress:
		return "invalid_request_error", "request_in_progress"
	case CodeKeyReused:
		return "invalid_request_error", "idempotency_key_reused"
	case CodeTooLarge:
		return "invalid_request_error", "request_too_large"
	case CodeMediaType:
		return "invalid_request_error", "unsupported_media_type"
	case CodeUpgradeRequired:
		return "invalid_request_error", "upgrade_required"
	case CodeRateLimited:
		return "rate_limit_error", "rate_limit_exceeded"
	}
	return "server_error", string(c)
}

// Append appends the member error, which is the whole of a body and a part of some events.
func (o *OpenAIError) Append(dst []byte) []byte {
	dst = append(dst, `"error":{"message":`...)
	dst = jsonx.AppendString(dst, o.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonx.AppendString(dst, o.Type)
	dst = append(dst, `,"param":`...)
	dst = jsonx.AppendStringOrNull(dst, o.Param)
	dst = append(dst, `,"code":`...)
	dst = jsonx.AppendStringOrNull(dst, o.Code)
	return append(dst, '}')
}
