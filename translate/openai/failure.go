package openai

import "github.com/dragoman-gateway/dragoman/translate"

// Status returns the HTTP status with which an openai client is told of err:
// that of the upstream where it rejected the question, else that of the code,
// 504 for a model that took too long.
func Status(err *translate.Error) int { return err.ToldStatus() }

// AppendError appends OpenAI's error object: as a whole body, or as an event of
// a stream that has begun, after which no [DONE] may follow.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	if started {
		dst = append(dst, `data: `...)
	}
	told := err.OpenAI()
	dst = append(told.Append(append(dst, '{')), '}')
	if started {
		dst = append(dst, "\n\n"...)
	}
	return dst
}
