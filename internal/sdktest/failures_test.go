package sdktest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// told is what a client is told of a failure.
type told struct {
	status int
	kind   string // error type
	code   string // openai only
}

// failures are what the scripts lead to, in the words of each front.
var failures = []struct {
	script            string
	kinds             []string // nil: all
	openai, anthropic told
}{
	{"fail-400", []string{"openai", "anthropic", "mock"}, told{400, "invalid_request_error", ""}, told{400, "invalid_request_error", ""}},
	{"context", []string{"openai", "mock"}, told{400, "invalid_request_error", "context_length_exceeded"}, told{400, "invalid_request_error", ""}},
	{"fail-401", nil, told{503, "server_error", "CHANNEL_UNAVAILABLE"}, told{529, "overloaded_error", ""}},
	{"fail-429-retry-9", []string{"openai", "anthropic", "rest", "mock"}, told{429, "rate_limit_error", "rate_limit_exceeded"}, told{429, "rate_limit_error", ""}},
	{"fail-500", nil, told{502, "server_error", "MODEL_ERROR"}, told{502, "api_error", ""}},
	{"error200", nil, told{502, "server_error", "MODEL_ERROR"}, told{502, "api_error", ""}},
	{"empty", nil, told{502, "server_error", "MODEL_ERROR"}, told{502, "api_error", ""}},
}

func TestFailuresAreTheLibrariesOwnErrors(t *testing.T) {
	t.Parallel()
	var scripts []string
	for _, f := range failures {
		scripts = append(scripts, f.script)
	}
	withEach(t, scripts, func(t *testing.T, l *library, c client) {
		for _, f := range failures {
			want := f.openai
			if l.dialect == "anthropic" {
				want = f.anthropic
			}
			for _, kind := range kinds {
				if f.kinds != nil && !slices.Contains(f.kinds, kind) {
					continue
				}
				if f.script == "empty" && l.dialect == "anthropic" && kind == "anthropic" {
					continue // an answer of nothing is one in this dialect, and passes through
				}
				t.Run(f.script+"/"+kind, func(t *testing.T) {
					_, err := c.whole(t.Context(), ask(nameOf(kind, f.script), "hi"))
					want.check(t, c, err)
					_, err = c.stream(t.Context(), ask(nameOf(kind, f.script), "hi"), func(s string) { t.Errorf("text %q", s) })
					want.check(t, c, err)
				})
			}
		}
	})
}

// withEach runs test for each library, against a gateway of its own: what one
// library makes a channel fail must not shut it for the others.
func withEach(t *testing.T, scripts []string, test func(t *testing.T, l *library, c client)) {
	t.Helper()
	for i := range libraries {
		l := &libraries[i]
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, scripts...)
			test(t, l, l.dial(options{url: w.url, key: clientKey, http: http.DefaultTransport}))
		})
	}
}

func pairs(as, bs []string) (all [][2]string) {
	for _, a := range as {
		for _, b := range bs {
			all = append(all, [2]string{a, b})
		}
	}
	return all
}

func (want told) check(t *testing.T, c client, err error) {
	t.Helper()
	got, ok := c.fault(err)
	if !ok {
		t.Errorf("not the library's error: %v", err)
		return
	}
	if got != (fault{want.status, want.kind, want.code}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAWrongKeyAndAnUnknownModelAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	for i := range libraries {
		l := &libraries[i]
		t.Run(l.name, func(t *testing.T) {
			wrong := l.dial(options{url: w.url, key: "sk-wrong", http: http.DefaultTransport})
			key := told{401, "authentication_error", "invalid_api_key"}
			model := told{404, "invalid_request_error", "model_not_found"}
			if l.dialect == "anthropic" {
				key.code, model = "", told{404, "not_found_error", ""}
			}
			_, err := wrong.whole(t.Context(), ask("mock.echo", "hi"))
			key.check(t, wrong, err)
			_, err = wrong.stream(t.Context(), ask("mock.echo", "hi"), func(string) {})
			key.check(t, wrong, err)
			_, err = wrong.models(t.Context())
			key.check(t, wrong, err)

			right := l.dial(options{url: w.url, key: clientKey, http: http.DefaultTransport})
			_, err = right.whole(t.Context(), ask("no-such-model", "hi"))
			model.check(t, right, err)
			_, err = right.stream(t.Context(), ask("no-such-model", "hi"), func(string) {})
			model.check(t, right, err)
			_, err = right.model(t.Context(), "no-such-model")
			model.check(t, right, err)
		})
	}
}

// The libraries wait as long as Retry-After says, then ask again and succeed.
func TestTheLibrariesComeBackAfterAThrottle(t *testing.T) {
	t.Parallel()
	const throttled = "fail-429-retry-3-times-1"
	var scripts []string
	for i := range libraries {
		scripts = append(scripts, throttled+"-"+libraries[i].name)
	}
	w := newWorld(t, scripts...)
	for i := range libraries {
		l := &libraries[i]
		if !l.retries {
			continue
		}
		for _, kind := range []string{"openai", "anthropic", "rest", "mock"} {
			t.Run(l.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				sent := &counting{}
				c := l.dial(options{url: w.url, key: clientKey, retries: 2, http: sent})
				began := time.Now()
				got, err := c.whole(t.Context(), ask(nameOf(kind, throttled+"-"+l.name), "hi"))
				if err != nil {
					t.Fatal(err)
				}
				if want := `Hello, you said "hi" (n=1)`; got.text != want {
					t.Errorf("text %q", got.text)
				}
				if n := sent.n.Load(); n != 2 {
					t.Errorf("it was asked %d times", n)
				}
				if took := time.Since(began); took < 3*time.Second {
					t.Errorf("it came back after %v", took)
				}
			})
		}
	}
}

// attempts is a transport that knows how long a client waited before it came back.
type attempts struct {
	sent   int
	early  []string // what came before its time
	next   time.Time
	hinted int // refusals that said when to come back
}

// RoundTrip implements http.RoundTripper, for one request after the other.
func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	a.sent++
	if early := time.Until(a.next); early > 0 {
		a.early = append(a.early, early.String())
	}
	a.next = time.Time{}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			a.hinted++
			a.next = time.Now().Add(time.Duration(s) * time.Second)
		}
	}
	return resp, err
}

// A caller who is at its limit is told when there is room again: the libraries come
// back then and not before, and succeed.
func TestTheLibrariesComeBackWhenALimitHasRoomAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	for i := range libraries {
		l := &libraries[i]
		if !l.retries {
			continue
		}
		for _, way := range []string{"whole", "streamed"} {
			t.Run(l.name+"/"+way, func(t *testing.T) {
				sent := &attempts{}
				c := l.dial(options{url: w.url, key: limitedKey + l.name, retries: 2, http: sent})
				for n := 0; sent.hinted == 0; n++ { // a slow machine may make room before it is asked for
					if n == 100 {
						t.Fatal("the limit never refused")
					}
					var got *reply
					var err error
					if way == "whole" {
						got, err = c.whole(t.Context(), ask("mock.echo", "hi"))
					} else {
						got, err = c.stream(t.Context(), ask("mock.echo", "hi"), func(string) {})
					}
					if err != nil {
						t.Fatal(err)
					}
					if want := `Hello, you said "hi" (n=1)`; got.text != want {
						t.Errorf("text %q", got.text)
					}
				}
				if len(sent.early) > 0 {
					t.Errorf("it came back too early by %v", sent.early)
				}
			})
		}
	}
}

// An answer that breaks off is an error in every library: it never looks like an
// end.
func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	scripts := []string{"long-9-slow-5-cut", "long-9-slow-5-errormid", "long-9-slow-5-garbagemid", "long-9-slow-5-noend"}
	withEach(t, scripts, func(t *testing.T, _ *library, c client) {
		for _, at := range pairs(kinds, scripts) {
			kind, script := at[0], at[1]
			if kind == "iagent" && (script == "long-9-slow-5-noend" || script == "long-9-slow-5-garbagemid") {
				continue // its one reply is the end as well; nonsense on a shared socket belongs to nobody
			}
			t.Run(script+"/"+kind, func(t *testing.T) {
				text := ""
				got, err := c.stream(t.Context(), ask(nameOf(kind, script), "hi"), func(s string) { text += s })
				if err == nil {
					t.Fatalf("a silent end after %q: %+v", text, got)
				}
				if kind != "iagent" && len(text) < len("w0 w1 ") {
					t.Errorf("only %q came before it", text)
				}
				if _, err := c.whole(t.Context(), ask(nameOf(kind, script), "hi")); err == nil {
					t.Error("no error for a client that waits for all of it")
				}
			})
		}
	})
}

// A client that leaves in the middle of an answer is gone for the model too.
func TestTheModelSeesTheClientLeave(t *testing.T) {
	t.Parallel()
	for i := range libraries {
		l := &libraries[i]
		for _, kind := range []string{"openai", "anthropic", "rest", "chatnio"} {
			for _, whole := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/whole=%v", l.name, kind, whole), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, "long-1000-slow-20")
					c := l.dial(options{url: w.url, key: clientKey, http: http.DefaultTransport})
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					q := ask(nameOf(kind, "long-1000-slow-20"), "hi")
					failed := make(chan error, 1)
					if whole {
						go func() { _, err := c.whole(ctx, q); failed <- err }()
						eventually(t, "the model is asked", func() bool { return w.model.Active() == 1 })
						cancel()
					} else {
						go func() { _, err := c.stream(ctx, q, func(string) { cancel() }); failed <- err }()
					}
					if err := <-failed; !errors.Is(err, context.Canceled) {
						t.Errorf("the client got %v", err)
					}
					eventually(t, "the model sees it leave", func() bool { return w.model.Left() == 1 && w.model.Active() == 0 })
				})
			}
		}
	}
}
