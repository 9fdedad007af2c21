package limiter

import (
	"math"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Kind is the quantity that a limit counts.
type Kind uint8

// The kinds.
const (
	Requests   Kind = iota + 1 // questions per window
	Tokens                     // tokens per window
	Concurrent                 // questions that run at once
)

// State is how one limit stands for one question. The zero value is no limit.
type State struct {
	Rule      string        // the rule's name in the configuration
	Kind      Kind          // which of its limits; 0: no limit
	Limit     int           // how many it allows
	Remaining int           // how many are left, whole ones; never negative
	Window    time.Duration // the period of Limit; 0 for Concurrent

	// Reset is, for an admitted question, when Remaining will be Limit again if
	// nothing else comes, and for a refused one when it would be admitted. 0 for
	// Concurrent.
	Reset time.Duration
}

// Exceeded is a refusal. It names the limit that keeps the question out longest.
// Its text is for the client: it holds neither keys nor addresses.
type Exceeded struct {
	State
	// Retry is when the same question would be admitted, were it the only one to
	// come until then. 0 means that the clock does not tell: some question must
	// end first, or TooLarge.
	Retry time.Duration
	// TooLarge says that the question needs more tokens than the whole limit, so
	// that it can never be admitted as it is. Needs is how many.
	TooLarge bool
	Needs    int
}

// Error says which limit refused and when to come back.
func (e *Exceeded) Error() string {
	switch {
	case e.TooLarge:
		return "this question needs about " + strconv.Itoa(e.Needs) + " tokens, more than the whole limit " + e.Rule + " of " + counted(e.Limit, "token") +
			" per " + period(e.Window) + "; shorten it or ask for fewer tokens"
	case e.Kind == Concurrent:
		return "the limit " + e.Rule + " of " + counted(e.Limit, "question") + " at once is reached; wait for an answer to end"
	}
	unit := "question"
	if e.Kind == Tokens {
		unit = "token"
	}
	// The words are those that the socket dialects have for the wait.
	return "the limit " + e.Rule + " of " + counted(e.Limit, unit) + " per " + period(e.Window) + " is reached; retry after " +
		strconv.FormatInt(e.RetryAfter(), 10) + "s"
}

func counted(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// RetryAfter returns the value of a Retry-After header: whole seconds, at least 1
// and never earlier than the t of RateLimit (docs/rules/rest.md 2.7). For a question
// that is too large it is the window, which slows down clients that try again
// without looking.
func (e *Exceeded) RetryAfter() int64 {
	if e.TooLarge {
		return max(seconds(e.Window), 1)
	}
	return max(seconds(e.Retry), 1)
}

// Refusal returns e as an exchange reports it: RATE_LIMITED, with e as the cause.
func (e *Exceeded) Refusal() *translate.Error {
	return &translate.Error{
		Code:    translate.CodeRateLimited,
		Message: e.Error(),
		Retry:   time.Duration(e.RetryAfter()) * time.Second,
		Cause:   e,
	}
}

// Headers calls set with each header of a refusal: Retry-After and those of State.
// The value is valid only during the call.
func (e *Exceeded) Headers(now time.Time, set func(name string, value []byte)) {
	var buf [20]byte
	set("Retry-After", strconv.AppendInt(buf[:0], e.RetryAfter(), 10))
	e.State.Headers(now, set)
}

// Headers calls set with each header that tells a client how the limit stands:
// RateLimit-Policy, RateLimit and X-RateLimit-Limit, -Remaining and, where there
// is a window, -Reset in seconds since 1970 (docs/rules/rest.md 2.7). The value is
// valid only during the call. The zero State has no headers.
func (s State) Headers(now time.Time, set func(name string, value []byte)) {
	if s.Kind == 0 {
		return
	}
	var buf [128]byte
	set("RateLimit-Policy", s.AppendPolicy(buf[:0]))
	set("RateLimit", s.AppendLimit(buf[:0]))
	set("X-RateLimit-Limit", strconv.AppendInt(buf[:0], int64(s.Limit), 10))
	set("X-RateLimit-Remaining", strconv.AppendInt(buf[:0], int64(s.Remaining), 10))
	if s.Kind != Concurrent {
		set("X-RateLimit-Reset", strconv.AppendInt(buf[:0], now.Unix()+seconds(s.Reset), 10))
	}
}

// AppendPolicy appends the value of RateLimit-Policy, such as "standard";q=60;w=60.
// Limits of tokens and of questions at once say their unit in qu.
func (s State) AppendPolicy(dst []byte) []byte {
	dst = append(s.appendName(dst), ";q="...)
	dst = strconv.AppendInt(dst, int64(s.Limit), 10)
	switch s.Kind {
	case Concurrent:
		return append(dst, `;qu="concurrent-requests"`...)
	case Tokens:
		dst = append(dst, `;qu="tokens"`...)
	}
	return strconv.AppendInt(append(dst, ";w="...), seconds(s.Window), 10)
}

// AppendLimit appends the value of RateLimit, such as "standard";r=42;t=18.
func (s State) AppendLimit(dst []byte) []byte {
	dst = append(s.appendName(dst), ";r="...)
	dst = strconv.AppendInt(dst, int64(s.Remaining), 10)
	if s.Kind == Concurrent {
		return dst
	}
	return strconv.AppendInt(append(dst, ";t="...), seconds(s.Reset), 10)
}

// appendName appends the policy's name as a structured field's string. The kinds
// of one rule are policies of their own, so they need names of their own.
func (s State) appendName(dst []byte) []byte {
	dst = append(dst, '"')
	for _, c := range []byte(s.Rule) {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c > '~': // not allowed in such a string
			dst = append(dst, '_')
		default:
			dst = append(dst, c)
		}
	}
	switch s.Kind {
	case Tokens:
		dst = append(dst, "-tokens"...)
	case Concurrent:
		dst = append(dst, "-concurrent"...)
	}
	return append(dst, '"')
}

// tighter reports whether s says more about what is to come than t.
func (s State) tighter(t State) bool {
	if s.Kind != t.Kind {
		return t.Kind == 0 || s.Kind < t.Kind
	}
	return float64(s.Remaining)*float64(t.Limit) < float64(t.Remaining)*float64(s.Limit)
}

// seconds rounds d up to whole seconds: a client that comes a moment early would
// be refused again.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

func period(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return d.String()
}

// longest bounds what wait returns: some debts would not fit a Duration.
const longest = 10 * 365 * 24 * time.Hour

// lacking returns how many nanoseconds r takes to refill n.
func lacking(n float64, r config.Rate) float64 { return n * float64(r.Per) / float64(r.N) }

// due reports whether r refills n at once, give or take the rounding of floating
// point. x/time/rate overlooks less than a nanosecond too; half of that makes sure
// that it agrees.
func due(n float64, r config.Rate) bool { return lacking(n, r) < 0.5 }

// wait returns how long r takes to refill n, such that it is due by then. The
// tenth of a nanosecond keeps one second from becoming two in a header.
func wait(n float64, r config.Rate) time.Duration {
	ns := math.Ceil(lacking(n, r) - 0.1)
	return time.Duration(min(max(ns, 0), float64(longest)))
}

// whole returns the whole part of n, 0 for a debt.
func whole(n float64) int { return int(max(n, 0)) }
