package mockmodel

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// refusal is an error before a dialect gives it its form.
type refusal struct {
	status  int
	message string
	context bool
	policy  bool
	retry   int // seconds; 0: none
}

func (sc *Script) refusal() refusal {
	r := refusal{status: sc.Status, message: "the scripted model fails as its name asks: status " + strconv.Itoa(sc.Status), context: sc.Context, policy: sc.Policy, retry: int(sc.Retry.Seconds())}
	if sc.Context {
		r.message = fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens.", max(sc.Takes, 8), sc.Input)
	}
	if sc.Policy {
		r.message = "Your request was rejected by our safety system."
	}
	if sc.Fault == FaultError200 || sc.Fault == FaultErrorMid {
		r.status, r.message = 500, "the scripted model broke, as its name asks"
	}
	return r
}

// nonsense is the data of the garbage faults.
const nonsense = `{"choices":[{"delta":{"content":<html>`

// page is the body of a garbage answer in one piece.
const page = "<!doctype html><html><body><h1>It works!</h1></body></html>\n"

// quote appends s as a JSON string.
func quote(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, err := json.Marshal(s)
			if err != nil {
				panic("BUG: a string cannot be marshalled: " + err.Error())
			}
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// openaiKind returns the type and the code that OpenAI gives a refusal.
func openaiKind(r refusal) (kind, code string) {
	switch {
	case r.context:
		return "invalid_request_error", "context_length_exceeded"
	case r.policy:
		return "invalid_request_error", "content_policy_violation"
	case r.status == 401:
		return "invalid_request_error", "invalid_api_key"
	case r.status == 403:
		return "permission_error", ""
	case r.status == 404:
		return "invalid_request_error", "model_not_found"
	case r.status == 429:
		return "requests", "rate_limit_exceeded"
	case r.status < 500:
		return "invalid_request_error", ""
	}
	return "server_error", ""
}
