package translate

import (
	"strings"
	"time"
)

// Text returns e as one line, "CODE: message", with the wait where it is known:
// what dialects without error objects say (docs/rules/iagent.md 4.9). It is
// never empty. [FromText] reads it.
func (e *Error) Text() string {
	text := e.Message
	if e.Timeout && e.Code == CodeModel {
		text = "timeout"
	}
	if s := e.RetrySeconds(); s > 0 && (e.Code == CodeRateLimited || e.Code == CodeUnavailable) {
		switch wait := retryAfter + itoa(s) + "s"; {
		case text == "":
			text = wait
		case !strings.HasSuffix(text, wait): // which the message may say itself
			text += "; " + wait
		}
	}
	if text == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + text
}

const retryAfter = "retry after "

// FromText returns what it means that an upstream said text, or nil when text is
// not what [Error.Text] makes: a code of the catalogue, alone or with a colon.
func FromText(text string) *Error {
	code, message, _ := strings.Cut(text, ":")
	if !Code(code).Known() {
		return nil
	}
	message = strings.TrimSpace(message)
	e := FromCode(Code(code), message)
	e.Retry = parseRetry(message)
	if Code(code) == CodeModel && strings.HasPrefix(message, "timeout") {
		e.SetSlow()
	}
	return e
}

// FromCode returns what it means that an upstream failed with code. message is
// what it said of it; clients do not get to see it, only the log does.
func FromCode(code Code, message string) *Error {
	e := FromStatus(code.Status(), Refusal{Code: string(code), Message: message}, 0)
	switch code {
	case CodeUnavailable:
		e.Code, e.Message = CodeUnavailable, "the channel has nobody to ask"
	case CodeCanceled, CodeInProgress:
		e.blame(FaultBroken)
		e.Message = "the model did not finish its answer"
	case CodePreset, CodeModelNotFound:
		e.blame(FaultNoModel) // presets are its models
	case CodeNotFound:
		e.blame(FaultAstray)
	case CodeConversation:
		e.blame(FaultRejected)
	}
	return e
}

// SetSlow makes e the failure of a model that did not answer in time.
func (e *Error) SetSlow() {
	e.Code, e.Fault, e.Timeout, e.Message = CodeModel, FaultSlow, true, "the model did not answer in time"
}

// Known reports whether c is in the catalogue.
func (c Code) Known() bool { return c == CodeInternal || c.Status() != CodeInternal.Status() }

// parseRetry finds "retry after 12s" in s. No hint is believed beyond a day.
func parseRetry(s string) time.Duration {
	_, s, _ = strings.Cut(s, retryAfter)
	n, digits := 0, 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' && n < 1e6 {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	if digits == 0 || !strings.HasPrefix(s[digits:], "s") {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

// Clip bounds s, which is quoted of a client's words, to 100 characters.
func Clip(s string) string {
	if len(s) <= 100 {
		return s
	}
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "..."
	}
	return s
}
