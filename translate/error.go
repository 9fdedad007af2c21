package translate

import (
	"errors"
	"time"
)

// Code is a failure as a client is told of it. The names are those of the rest
// dialect (docs/rules/rest.md 2.6); the other dialects map them.
type Code string

// The catalogue. Each comment tells the author of a client what to do.
const (
	CodeValidation      Code = "VALIDATION_ERROR"       // 400: mend the request
	CodeUnauthorized    Code = "UNAUTHORIZED"           // 401: send a key
	CodeInvalidToken    Code = "INVALID_TOKEN"          // 401: send another key
	CodeTokenExpired    Code = "TOKEN_EXPIRED"          // 401: get a new token
	CodePermission      Code = "PERMISSION_DENIED"      // 403: this key may not do that
	CodeConversation    Code = "CONVERSATION_NOT_FOUND" // 404: it is not there, or not yours
	CodePreset          Code = "PRESET_NOT_FOUND"       // 404: choose another preset
	CodeNotFound        Code = "NOT_FOUND"              // 404: no such route
	CodeModelNotFound   Code = "MODEL_NOT_FOUND"        // 404: no such model, or not for you
	CodeMethod          Code = "METHOD_NOT_ALLOWED"     // 405
	CodeInProgress      Code = "REQUEST_IN_PROGRESS"    // 409: the same Idempotency-Key is still running
	CodeTooLarge        Code = "PAYLOAD_TOO_LARGE"      // 413: send less
	CodeMediaType       Code = "UNSUPPORTED_MEDIA_TYPE" // 415: send JSON
	CodeKeyReused       Code = "IDEMPOTENCY_KEY_REUSED" // 422: use a new key for new content
	CodeRateLimited     Code = "RATE_LIMITED"           // 429: come back after Retry
	CodeInternal        Code = "INTERNAL_ERROR"         // 500: report the request id
	CodeModel           Code = "MODEL_ERROR"            // 502, 504 when Timeout: try again or rephrase
	CodeUnavailable     Code = "CHANNEL_UNAVAILABLE"    // 503: try again later
	CodeCanceled        Code = "CANCELED"               // 499: logged only, the client has left
	CodeUpgradeRequired Code = "UPGRADE_REQUIRED"       // 426: this path wants a WebSocket
)

// Status returns the HTTP status of c: 504 is [Error.Status]'s to decide.
func (c Code) Status() int {
	switch c {
	case CodeValidation:
		return 400
	case CodeUnauthorized, CodeInvalidToken, CodeTokenExpired:
		return 401
	case CodePermission:
		return 403
	case CodeConversation, CodePreset, CodeNotFound, CodeModelNotFound:
		return 404
	case CodeMethod:
		return 405
	case CodeInProgress:
		return 409
	case CodeTooLarge:
		return 413
	case CodeMediaType:
		return 415
	case CodeKeyReused:
		return 422
	case CodeUpgradeRequired:
		return 426
	case CodeRateLimited:
		return 429
	case CodeCanceled:
		return 499
	case CodeModel:
		return 502
	case CodeUnavailable:
		return 503
	}
	return 500
}

// Fault says what an upstream's failure means for its channel. Decoders and
// transports set it; proxy/fault.go is the one table of what follows from it.
type Fault uint8

// The faults. The zero value is no upstream's failure at all.
const (
	FaultDial       Fault = iota + 1 // nothing was sent
	FaultBroken                      // reset, 5xx, nonsense, an empty answer
	FaultSlow                        // no first content in time
	FaultBusy                        // upstream 429, or 503 with a hint when to come back
	FaultDenied                      // upstream 401 or 403: our credential is bad
	FaultRejected                    // upstream 400, 413, 422 about the request: the question is bad
	FaultCut                         // it broke off after the commit point
	FaultGone                        // the client left
	FaultLocal                       // nothing was sent, for want of something of our own, such as descriptors
	FaultPurse                       // nothing is left of what our account may spend
	FaultCost                        // something is left, but less than the question is estimated to cost
	FaultPlace                       // it serves nobody where we are
	FaultNoModel                     // the channel has not got the model
	FaultAstray                      // what answered is no model: a web page, an unknown path, a refused handshake, a redirection
	FaultSize                        // the question is too large for this way to a model, for example for a proxy
	FaultUnclear                     // refused without a word about whose fault it is
	FaultNoEndpoint                  // the channel has not got the endpoint
	faultEnd
)

// Faults is how many values a Fault has, the zero value included.
const Faults = int(faultEnd)

var faultNames = [...]string{
	0: "ok", FaultDial: "dial", FaultBroken: "broken", FaultSlow: "slow", FaultBusy: "busy", FaultDenied: "denied",
	FaultRejected: "rejected", FaultCut: "cut", FaultGone: "gone", FaultLocal: "local", FaultPurse: "purse", FaultCost: "cost",
	FaultPlace: "place", FaultNoModel: "no_model", FaultAstray: "astray", FaultSize: "size", FaultUnclear: "unclear", FaultNoEndpoint: "no_endpoint",
	faultEnd: "other",
}

// String returns the name of f in labels of metrics, in explanations and in the ledger:
// "ok" for the zero value, "other" for values that are no fault.
func (f Fault) String() string { return faultNames[min(f, faultEnd)] }

// Error is a failure as every dialect can report it.
type Error struct {
	Code    Code          // what the client should make of it
	Fault   Fault         // what an upstream's failure means for its channel; 0: not one
	Message string        // for the client; never contains a secret or an address
	Retry   time.Duration // when to try again; 0 means unknown
	Timeout bool          // CodeModel: the model did not answer in time (504)
	Cause   error         // for the log
	// Key: FaultDenied is about the key itself, not about what it may do.
	Key bool
	// TooLong is set where the question is longer than the model can take.
	TooLong *Length
	// Echo: the same event was told to another question of this model already, which
	// shared a connection with this one; it says nothing more about the channel.
	Echo bool

	// Unknown are the members of the question that the upstream refused it for and that
	// may be left out, see [Request.Omit].
	Unknown []string

	// Param is the parameter at fault where CodeValidation names one.
	Param string

	// Spent is set where CodeRateLimited means that a budget is used up.
	Spent *Spent

	// Upstream is what the model's server said of a rejected question; openai
	// and anthropic clients get it as it stands (docs/rules/faults.md 5).
	Upstream *Refusal
	// Masker hides from clients what is not for them of Upstream; nil knows no
	// configuration.
	Masker *Masker
}

// CodeTooLong is the code of a [Refusal] of a question that is too long, in the words
// of the openai dialect, whatever dialect or words it came in.
const CodeTooLong = "context_length_exceeded"

// Length is what a back end said of a question that is too long for it.
type Length struct {
	Limit int64 // how many tokens it takes, with those of the answer where it counts them; 0: it did not say
	Sent  int64 // how many tokens the question has by its count; 0: it did not say
}

// Spent says how a budget stands that refused a question, in the unit of the
// configured prices.
type Spent struct {
	Needs float64 // what the question was estimated to cost
	Left  float64 // what was left; negative after an answer that cost more than was left
}

// Rejection returns what an upstream said of the question itself, nil where e is anything
// else: clients branch on its status, type and code.
func (e *Error) Rejection() *Refusal {
	if r := e.Upstream; e.Fault == FaultRejected && r != nil && r.Status >= 400 && r.Status < 500 {
		return r
	}
	return nil
}

// Refusal is an upstream's 400-class answer to the question itself.
type Refusal struct {
	Status  int    // its HTTP status; 0: it came on a socket
	Type    string // its error type, for example invalid_request_error
	Code    string // its error code, for example context_length_exceeded
	Message string // its text, unmasked
	Param   string // the parameter that it names
}

// Told returns r as clients may see it.
func (r *Refusal) Told(m *Masker) Refusal {
	return Refusal{Status: r.Status, Type: m.Client(r.Type), Code: m.Client(r.Code), Message: m.Client(r.Message), Param: m.Client(r.Param)}
}

// Error returns the code and the message, and the cause if there is one. It is
// for logs, not for clients.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ToldStatus returns the HTTP status with which most dialects tell clients of e: that of the upstream
// where it rejected the question, else that of e.
func (e *Error) ToldStatus() int {
	if r := e.Rejection(); r != nil {
		return r.Status
	}
	return e.Status()
}

// Status returns the HTTP status of e.
func (e *Error) Status() int {
	if e.Code == CodeModel && e.Timeout {
		return 504
	}
	return e.Code.Status()
}

// RetrySeconds returns Retry in whole seconds, rounded up, at least 1; 0 when
// it is unknown.
func (e *Error) RetrySeconds() int {
	if e.Retry <= 0 {
		return 0
	}
	return max(1, int((e.Retry+time.Second-1)/time.Second))
}

// AsError returns the *Error in err. Where there is none it returns fallback, with err as its
// cause.
func AsError(err error, fallback Error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	fallback.Cause = err
	return &fallback
}

// Invalid returns a [CodeValidation] error.
func Invalid(message string) *Error { return &Error{Code: CodeValidation, Message: message} }

// Broken returns the failure of an upstream that answered nonsense, nothing or
// an error of its own. message is for the client.
func Broken(message string, cause error) *Error {
	return &Error{Code: CodeModel, Fault: FaultBroken, Message: message, Cause: cause}
}

// Truncated returns the failure of an upstream whose answer broke off before
// its end mark.
func Truncated(cause error) *Error {
	return Broken("the answer broke off before its end", cause)
}

type refusalError Refusal

func (r refusalError) Error() string {
	return "upstream: " + itoa(r.Status) + " " + r.Type + " " + r.Code + " " + r.Message
}

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	var b [20]byte
	i := len(b)
	for ; n > 0; n /= 10 {
		i--
		b[i] = byte('0' + n%10)
	}
	return string(b[i:])
}

// Gone is what has become of a question whose context ended with cause: the *Error in
// it, if there is one, else the client has left.
func Gone(cause error) *Error {
	var e *Error
	if errors.As(cause, &e) {
		return e
	}
	return &Error{Code: CodeCanceled, Fault: FaultGone, Message: "the client has left", Cause: cause}
}
