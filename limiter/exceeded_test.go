package limiter_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

var at = time.Unix(1767225582, 5e8)

func headers(f func(now time.Time, set func(name string, value []byte))) map[string]string {
	h := map[string]string{}
	f(at, func(name string, value []byte) { h[name] = string(value) })
	return h
}

func TestHeadersOfAnAdmittedQuestionAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := limiter.State{Rule: "default", Kind: limiter.Requests, Limit: 60, Remaining: 42, Window: time.Minute, Reset: 18 * time.Second}
	want := map[string]string{
		"RateLimit-Policy":      `"default";q=60;w=60`,
		"RateLimit":             `"default";r=42;t=18`,
		"X-RateLimit-Limit":     "60",
		"X-RateLimit-Remaining": "42",
		"X-RateLimit-Reset":     "1767225600",
	}
	if got := headers(s.Headers); !maps.Equal(got, want) {
		t.Errorf("the headers are %v, want %v", got, want)
	}
}

func TestHeadersOfTokensAndPlacesHaveNamesAndUnitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := limiter.State{Rule: "gold", Kind: limiter.Tokens, Limit: 1000, Remaining: 10, Window: time.Hour, Reset: time.Millisecond}
	if p, l := string(s.AppendPolicy(nil)), string(s.AppendLimit(nil)); p != `"gold-tokens";q=1000;qu="tokens";w=3600` || l != `"gold-tokens";r=10;t=1` {
		t.Errorf("%s and %s", p, l)
	}
	s = limiter.State{Rule: "gold", Kind: limiter.Concurrent, Limit: 2}
	h := headers(s.Headers)
	if h["RateLimit-Policy"] != `"gold-concurrent";q=2;qu="concurrent-requests"` || h["RateLimit"] != `"gold-concurrent";r=0` {
		t.Errorf("%v", h)
	}
	if _, ok := h["X-RateLimit-Reset"]; ok {
		t.Error("a limit without a window says when it resets")
	}
}

func TestHeadersEscapeTheNameOfARule(t *testing.T) {
	t.Parallel()
	s := limiter.State{Rule: "a\"b\\c\r\nü", Kind: limiter.Concurrent, Limit: 1}
	if got := string(s.AppendLimit(nil)); got != `"a\"b\\c____-concurrent";r=0` {
		t.Error(got)
	}
}

func TestNoLimitHasNoHeaders(t *testing.T) {
	t.Parallel()
	if got := headers(limiter.State{}.Headers); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestARefusalSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	e := limiter.Exceeded{State: limiter.State{Rule: "r", Kind: limiter.Requests, Limit: 60, Window: time.Minute, Reset: 1001 * time.Millisecond}, Retry: 1001 * time.Millisecond}
	h := headers(e.Headers)
	if h["Retry-After"] != "2" || h["RateLimit"] != `"r";r=0;t=2` {
		t.Errorf("%v", h)
	}
	if got := e.Error(); got != "the limit r of 60 questions per minute is reached; retry after 2s" {
		t.Error(got)
	}
	f := e.Refusal()
	var back *limiter.Exceeded
	if f.Code != translate.CodeRateLimited || f.Retry != 2*time.Second || f.Message != e.Error() || !errors.As(f, &back) {
		t.Errorf("%+v", f)
	}
}

func TestRefusalsThatTimeDoesNotMendSayWhatDoes(t *testing.T) {
	t.Parallel()
	e := limiter.Exceeded{State: limiter.State{Rule: "r", Kind: limiter.Concurrent, Limit: 2}}
	if e.RetryAfter() != 1 || e.Error() != "the limit r of 2 questions at once is reached; wait for an answer to end" {
		t.Errorf("%d: %v", e.RetryAfter(), &e)
	}
	e = limiter.Exceeded{State: limiter.State{Rule: "r", Kind: limiter.Tokens, Limit: 1000, Window: 24 * time.Hour}, TooLarge: true, Needs: 1200}
	want := "this question needs about 1200 tokens, more than the whole limit r of 1000 tokens per day; shorten it or ask for fewer tokens"
	if e.RetryAfter() != 86400 || e.Error() != want {
		t.Errorf("%d: %v", e.RetryAfter(), &e)
	}
}
