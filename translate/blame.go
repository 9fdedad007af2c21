package translate

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// FromStatus returns what an upstream's HTTP status outside 2xx means. ref is
// what its body said in the form of the dialect's errors, retry its Retry-After
// (0: none). Of a body see [Refused].
func FromStatus(status int, ref Refusal, retry time.Duration) *Error {
	return blamed(status, ref, meant(ref), formError, retry)
}

// Refused is FromStatus of an answer as it came: a body that is no error of the openai
// and anthropic dialects or their imitators says nothing of the question.
func Refused(status int, body []byte) *Error {
	ref, said, form := readRefusal(body)
	e := blamed(status, ref, said, form, said.retry)
	if form != formError {
		e.Cause = told{e.Cause, hintOf(status, form)}
	}
	return e
}

// InBand returns what an error means that an upstream reported inside an answer
// of status 200, by its code, where that is a status, or by the words of its
// type and code.
func InBand(ref Refusal) *Error { return inBand(ref, meant(ref)) }

// FailedIn is InBand of an error as it came.
func FailedIn(body []byte) *Error {
	ref, said, _ := readRefusal(body)
	return inBand(ref, said)
}

func inBand(ref Refusal, said saying) *Error {
	status, err := strconv.Atoi(ref.Code)
	if err != nil || status < 400 || status >= 600 {
		if status = statusOf(strings.ToLower(ref.Type + " " + ref.Code)); wordsOf(said).content() {
			status = 400
		}
	}
	return blamed(status, ref, said, formError, said.retry)
}

// blamed makes the error of a refusal: ref is for the client, said for the verdict.
func blamed(status int, ref Refusal, said saying, form formKind, retry time.Duration) *Error {
	ref.Status = status
	w := wordsOf(said)
	e := &Error{Upstream: &ref, Retry: retry, Cause: refusalError(ref)}
	if form != formPage {
		e.TooLong = w.tooLong(status)
	}
	fault := w.fault(status, form, retry > 0)
	if e.TooLong != nil && fault != FaultSize {
		fault, ref.Code = FaultRejected, CodeTooLong
	}
	if fault == FaultRejected && status/100 != 4 {
		ref.Status = 400 // whoever is in between had no better one
	}
	e.blame(fault)
	e.Key = fault == FaultDenied && w.namesKey()
	if fault == FaultBusy && e.Retry == 0 {
		e.Retry = retryIn(w.text)
	}
	return e
}

// blame sets the fault of e and what a client is told of it.
func (e *Error) blame(f Fault) {
	e.Fault, e.Code, e.Timeout = f, CodeUnavailable, false
	switch f {
	case FaultDenied:
		e.Message = "the channel's credential was refused"
	case FaultPurse:
		e.Message = "the channel's account is used up"
	case FaultCost:
		e.Message = "the question would cost more than is left of the channel's account"
	case FaultPlace:
		e.Message = "the model is not served here"
	case FaultNoModel:
		e.Message = "the channel has not got the model"
	case FaultNoEndpoint:
		e.Code, e.Message = CodeNotFound, "the channel has not got the endpoint"
	case FaultAstray:
		e.Message = "what answered is no model"
	case FaultSize:
		e.Message = "the question is too large for the channel"
	case FaultBusy:
		e.Code, e.Message = CodeRateLimited, "the model is throttled"
	case FaultSlow:
		e.SetSlow()
	case FaultRejected:
		e.Code, e.Message = CodeModel, "the model refused the question"
	default:
		e.Code, e.Message = CodeModel, "the model answered with an error"
	}
}

// formKind is what kind of a body a refusal has.
type formKind uint8

const (
	formError formKind = iota // an error of the dialect
	formOther                 // anything else, nothing included
	formPage                  // a web page
)

// fault says whose fault a refusal is. What the words say comes before the status, which
// gateways choose as they like.
func (w *words) fault(status int, form formKind, hinted bool) Fault {
	if form == formPage {
		return faultOfPage(status, hinted)
	}
	switch {
	case status != 429 && status < 500 && w.content():
		return FaultRejected
	case w.noModel():
		return FaultNoModel
	case w.cost():
		return FaultCost
	case w.purse():
		return FaultPurse
	case w.place() || status == 451:
		return FaultPlace
	case (status == 413 || status == 429) && strings.HasPrefix(w.text, "request too large"):
		return FaultSize // for what the account may send in a minute
	case w.busy(status):
		return FaultBusy
	case w.key():
		return FaultDenied
	}
	return w.faultOfStatus(status, form, hinted)
}

func (w *words) faultOfStatus(status int, form formKind, hinted bool) Fault {
	switch {
	case status == 401 || status == 403:
		return FaultDenied
	case status == 402:
		return FaultPurse
	case status == 429, status == 503 && hinted, status == 529:
		return FaultBusy
	case status == 408 || status == 504:
		return FaultSlow
	case status >= 500, status >= 400 && form == formError && w.broken():
		return FaultBroken
	case status == 400 && w.is("timeout", "timeouterror"):
		return FaultSlow
	case status == 400 && w.wrongPath():
		return FaultAstray
	case form == formError && (status == 400 || status == 413 || status == 422), status == 404 && w.param != "":
		return FaultRejected
	case status == 413:
		return FaultSize
	case status == 404 && form == formError && !w.unknownPath(), status == 400, status == 422:
		return FaultUnclear
	case status >= 300:
		return FaultAstray
	}
	return FaultBroken
}

// faultOfPage is the fault of an answer that is a web page: whoever wrote it did not
// read the question.
func faultOfPage(status int, hinted bool) Fault {
	switch {
	case status == 401:
		return FaultDenied
	case status == 413:
		return FaultSize
	case status == 429, status == 503 && hinted:
		return FaultBusy
	case status == 408 || status == 504:
		return FaultSlow
	case status == 451:
		return FaultPlace
	case status >= 500:
		return FaultBroken
	}
	return FaultAstray
}

// hintOf tells an operator what a body that is no error of the dialect points at.
func hintOf(status int, form formKind) string {
	switch {
	case status >= 300 && status < 400:
		return "it redirects: set url to where it redirects to"
	case status == 400 && form == formPage:
		return "a web server answered, no model: is it https that it wants? look at url"
	case status == 404 || status == 405:
		return "nothing is served there: look at the path of url, which ends in /v1 for most vendors"
	case status == 403 && form == formPage:
		return "a web server or firewall in front of the model refused it"
	case status == 413:
		return "a proxy in front of the model takes less than that: client_max_body_size of nginx for example"
	case form == formPage:
		return "a web page, no model"
	}
	return ""
}

// told is a cause with what an operator may do about it.
type told struct {
	error
	hint string
}

func (t told) Error() string {
	if t.hint == "" {
		return t.error.Error()
	}
	return t.error.Error() + " (" + t.hint + ")"
}

func (t told) Unwrap() error { return t.error }

// statusOf guesses the status that belongs to the words of an error inside an answer. The
// order matters: vendors put invalid_request_error into the type of many errors whose
// code says more.
func statusOf(words string) int {
	has := func(options ...string) bool {
		for _, o := range options {
			if strings.Contains(words, o) {
				return true
			}
		}
		return false
	}
	switch {
	case has("rate_limit", "ratelimit", "too_many_requests", "throttl", "insufficient_quota"):
		return 429
	case has("overloaded"):
		return 529
	case has("authentication", "invalid_api_key", "unauthorized"):
		return 401
	case has("permission", "forbidden"):
		return 403
	case has("too_large"):
		return 413
	case has("timeout"):
		return 504
	case has("not_found"):
		return 404
	case has("server_error", "api_error"):
		return 502
	case has("invalid_request", "context_length", "invalid_prompt", "content_filter", "content_policy", "badrequest", "bad_request"):
		return 400
	}
	return 502
}

// Lacking returns err, which a back end answered with a status: where that says that it has not got the
// endpoint asked for, with that fault. A status of 200 stands for an error within an answer.
func Lacking(status int, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Fault {
	case FaultAstray, FaultRejected, FaultUnclear, FaultBroken:
	default:
		return err
	}
	unknown := status == 404 || status == 405 || status == 501
	if status == 200 && e.Upstream != nil {
		unknown = strings.HasPrefix(strings.ToLower(e.Upstream.Message), "unexpected endpoint") // LM Studio's words
	}
	if !unknown {
		return err
	}
	one := *e
	one.blame(FaultNoEndpoint)
	return &one
}
