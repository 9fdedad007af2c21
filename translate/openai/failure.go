package openai

import (
	"cmp"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Status returns the HTTP status with which an openai client is told of err:
// that of the upstream where it rejected the question, else that of the code,
// 504 for a model that took too long.
func Status(err *translate.Error) int {
	if r := err.Rejection(); r != nil {
		return r.Status
	}
	return err.Status()
}

// words returns the type and the code of OpenAI's error object; an empty code is
// sent as null.
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

// AppendError appends OpenAI's error object: as a whole body, or as an event of
// a stream that has begun, after which no [DONE] may follow.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	kind, code := words(err.Code)
	if err.Spent != nil {
		kind, code = "insufficient_quota", "insufficient_quota"
	}
	message, param := err.Message, err.Param
	if r := err.Rejection(); r != nil {
		told := r.Told(err.Masker)
		kind, code, param = cmp.Or(told.Type, "invalid_request_error"), told.Code, told.Param
		message = cmp.Or(told.Message, err.Message)
	}
	if started {
		dst = append(dst, `data: `...)
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonx.AppendString(dst, message)
	dst = append(dst, `,"type":`...)
	dst = jsonx.AppendString(dst, kind)
	dst = append(dst, `,"param":`...)
	dst = appendWord(dst, param)
	dst = append(dst, `,"code":`...)
	dst = appendWord(dst, code)
	dst = append(dst, `}}`...)
	if started {
		dst = append(dst, "\n\n"...)
	}
	return dst
}

func appendWord(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `null`...)
	}
	return jsonx.AppendString(dst, s)
}
