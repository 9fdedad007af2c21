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

// failureOf is err as a client is told of it.
func failureOf(err *translate.Error) translate.OpenAIError {
	f := err.OpenAI()
	if err.Code == translate.CodeConversation && err.Param == previousParam && err.Rejection() == nil {
		f.Code = "previous_response_not_found"
	}
	if code := codeOf(err); code != "" {
		f.Code = string(code)
	}
	return f
}

// AppendError appends OpenAI's error object as a whole body. In a stream that has begun it is
// the event error, in both forms that clients know, and behind it the response that failed.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	f := failureOf(err)
	if !started {
		return append(f.Append(append(dst, '{')), '}')
	}
	dst = e.start(dst, nil, nil)
	dst = e.end(e.failure(e.begin(dst, "error"), &f))
	return e.failed(dst, err)
}

// failure appends the members of the event error, in both forms that clients know.
func (e *encoder) failure(dst []byte, f *translate.OpenAIError) []byte {
	dst = append(dst, `,"code":`...)
	dst = jsonx.AppendStringOrNull(dst, f.Code)
	dst = append(dst, `,"message":`...)
	dst = jsonx.AppendString(dst, f.Message)
	dst = append(dst, `,"param":`...)
	dst = jsonx.AppendStringOrNull(dst, f.Param)
	return f.Append(append(dst, ','))
}

// failed appends the event of a response that failed.
func (e *encoder) failed(dst []byte, err *translate.Error) []byte {
	for i := range e.output {
		e.output[i].cut = e.output[i].cut || !e.output[i].over
		e.output[i].over = true
	}
	dst = e.begin(dst, "response.failed")
	dst = append(dst, `,"response":`...)
	dst = e.appendResponse(dst, "failed", e.output, &ending{failure: err}, nil)
	return e.end(dst)
}

// appendFailed appends the error of a response.
func appendFailed(dst []byte, over *ending) []byte {
	if over == nil || over.failure == nil {
		return append(dst, `null`...)
	}
	f := failureOf(over.failure)
	dst = append(dst, `{"code":`...)
	dst = jsonx.AppendString(dst, cmp.Or(f.Code, f.Type))
	dst = append(dst, `,"message":`...)
	return append(jsonx.AppendString(dst, f.Message), '}')
}
