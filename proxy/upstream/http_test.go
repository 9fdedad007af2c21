package upstream

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// answering serves every request of a connection with what reply returns.
func answering(t testing.TB, reply func(n int) string) *peer {
	return listen(t, func(l *link) {
		for n := 1; ; n++ {
			if _, _, ok := l.request(); !ok {
				return
			}
			l.say(reply(n))
		}
	})
}

func always(s string) func(int) string { return func(int) string { return s } }

func TestAnswersOfEveryFramingAreRead(t *testing.T) {
	t.Parallel()
	var dripped strings.Builder
	for i := range answer {
		dripped.WriteString(chunk(answer[i : i+1]))
	}
	usage := `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n"
	for _, c := range []struct {
		name   string
		stream bool
		reply  string
		once   bool // the connection ends with the answer
	}{
		{"chunked events", true, eventsHead + chunk(answer) + lastChunk, false},
		{"a chunk for each byte", true, eventsHead + dripped.String() + lastChunk, false},
		{"events with a length", true, whole("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", answer), false},
		{"events until the end", true, "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + answer, true},
		{"returns and feeds", true, eventsHead + chunk(strings.ReplaceAll(answer, "\n", "\r\n")) + lastChunk, false},
		{"comments", true, eventsHead + chunk(": processing\n\n"+answer) + lastChunk, false},
		{"empty and ping events", true, eventsHead + chunk("data:\n\nevent: ping\ndata: now\n\n"+answer) + lastChunk, false},
		{"several values in one event", true, eventsHead + chunk(strings.Replace(deltaHi, "\n\n", "\n", 1)+deltaYou+deltaStop+dataDone) + lastChunk, false},
		{"usage behind the finish", true, eventsHead + chunk(deltaHi+deltaYou+deltaStop+usage+dataDone) + lastChunk, false},
		{"chunk extensions and trailers", true, eventsHead + strings.Replace(chunk(answer), "\r\n", ";x=\"y\"\r\n", 1) + "0\r\nX-Y: z\r\n\r\n", false},
		{"no empty line at the end", true, eventsHead + chunk(strings.TrimRight(answer, "\n")) + lastChunk, true},
		{"no end mark but a finish", true, eventsHead + chunk(deltaHi+deltaYou+deltaStop) + lastChunk, true},
		{"interim responses", true, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + eventsHead + chunk(answer) + lastChunk, false},
		{"bare line feeds in the head", true, strings.ReplaceAll(eventsHead, "\r\n", "\n") + chunk(answer) + lastChunk, false},
		{"events of no content type", true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(answer) + lastChunk, false},
		{"events though whole was asked for", false, eventsHead + chunk(answer) + lastChunk, false},
		{"one body", false, whole(jsonHead, wholeBody), false},
		{"a transfer coding called identity", true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n" + answer, true},
		{"one chunked body", false, jsonHead + "Transfer-Encoding: chunked\r\n\r\n" + chunk(wholeBody[:30]) + chunk(wholeBody[30:]) + lastChunk, false},
		{"one body until the end", false, jsonHead + "Connection: close\r\n\r\n" + wholeBody, true},
		{"one body though a stream was asked for", true, whole(jsonHead, wholeBody), false},
		{"one body of no content type", true, whole("HTTP/1.1 200 OK\r\n", "\n "+wholeBody), false},
		{"bytes behind the end", false, whole(jsonHead, wholeBody) + "HTTP/1.1 200 OK\r\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 7, 1 << 20} {
				p := listen(t, func(l *link) {
					for {
						if _, _, ok := l.request(); !ok {
							return
						}
						for s := c.reply; s != ""; {
							n := min(size, len(s))
							l.say(s[:n])
							s = s[n:]
						}
						if c.once && !strings.Contains(c.reply, "Connection: keep") {
							return
						}
					}
				})
				up := open(t, "openai", p.url())
				asked := 2
				if c.once {
					asked = 1 // a second question could meet the end of the connection
				}
				for range asked {
					a, err := ask(t, up, question("m", c.stream))
					if err != nil || a.Text() != "Hi you" || a.Finish != translate.FinishStop {
						t.Fatalf("in pieces of %d: %+v, %v", size, a, err)
					}
				}
				// The rest of a body that comes in pieces may not be there in time for the
				// connection to be used again.
				if n := p.conns.Load(); !c.once && size > len(c.reply) && n != 1 {
					t.Errorf("in pieces of %d: %d connections", size, n)
				}
			}
		})
	}
}

func TestAnswersThatAreNoneAreTypedFailures(t *testing.T) {
	t.Parallel()
	const broken, rejected = translate.FaultBroken, translate.FaultRejected
	for _, c := range []struct {
		name, reply string
		fault       translate.Fault
		code        translate.Code
		text        string // what came before
	}{
		{"no byte", "", broken, translate.CodeModel, ""},
		{"part of a head", "HTTP/1.1 200 OK\r\nContent-", broken, translate.CodeModel, ""},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", broken, translate.CodeModel, ""},
		{"a bad status", "HTTP/1.1 2x0 OK\r\n\r\n", broken, translate.CodeModel, ""},
		{"a switch of protocols", "HTTP/1.1 101 Sure\r\n\r\n", broken, translate.CodeModel, ""},
		{"endless interim responses", strings.Repeat("HTTP/1.1 102 Wait\r\n\r\n", 20), broken, translate.CodeModel, ""},
		{"an endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10), broken, translate.CodeModel, ""},
		{"a head that is too long", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", broken, translate.CodeModel, ""},
		{"two lengths", jsonHead + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", broken, translate.CodeModel, ""},
		{"a negative length", jsonHead + "Content-Length: -5\r\n\r\n", broken, translate.CodeModel, ""},
		{"an unknown coding", jsonHead + "Transfer-Encoding: gzip\r\n\r\n", broken, translate.CodeModel, ""},
		{"a compressed body", jsonHead + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", broken, translate.CodeModel, ""},
		{"a web page", whole("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<html>"), broken, translate.CodeModel, ""},
		{"a text", whole("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", "hello there"), broken, translate.CodeModel, ""},
		{"an empty body", whole(jsonHead, ""), broken, translate.CodeModel, ""},
		{"an empty body of no type", "HTTP/1.1 204 No Content\r\n\r\n", broken, translate.CodeModel, ""},
		{"no events", eventsHead + lastChunk, broken, translate.CodeModel, ""},
		{"only comments", eventsHead + chunk(": a\n\n: b\n\n") + lastChunk, broken, translate.CodeModel, ""},
		{"half a body", jsonHead + "Content-Length: 500\r\n\r\n" + wholeBody, broken, translate.CodeModel, ""},
		{"garbage in a body", whole(jsonHead, `{"nonsense`), broken, translate.CodeModel, ""},
		{"garbage in an event", eventsHead + chunk(deltaHi+"data: {nonsense\n\n") + lastChunk, broken, translate.CodeModel, "Hi"},
		{"a cut between events", eventsHead + chunk(deltaHi), broken, translate.CodeModel, "Hi"},
		{"a clean end between events", eventsHead + chunk(deltaHi) + lastChunk, broken, translate.CodeModel, "Hi"},
		{"a cut in an event", eventsHead + chunk(deltaHi+deltaYou[:40]) + lastChunk, broken, translate.CodeModel, "Hi"},
		{"a cut in a chunk", eventsHead + "fff\r\n" + deltaHi, broken, translate.CodeModel, "Hi"},
		{"a bad chunk size", eventsHead + chunk(deltaHi) + "zz\r\n", broken, translate.CodeModel, "Hi"},
		{"a huge event", eventsHead + chunk(deltaHi+"data: "+strings.Repeat("x", 2<<20)) + lastChunk, broken, translate.CodeModel, "Hi"},
		{"400", whole("HTTP/1.1 400 Bad Request\r\n", `{"error":{"message":"no"}}`), rejected, translate.CodeModel, ""},
		{"401 that repeats the key", whole("HTTP/1.1 401 No\r\n", `{"error":{"message":"bad key sk-test-key-0001"}}`), translate.FaultDenied, translate.CodeUnavailable, ""},
		{"429", whole("HTTP/1.1 429 No\r\n", `{}`), translate.FaultBusy, translate.CodeRateLimited, ""},
		{"500 with a page", whole("HTTP/1.1 500 No\r\nContent-Type: text/html\r\n", `<html>`), broken, translate.CodeModel, ""},
		{"503", whole("HTTP/1.1 503 No\r\n", ``), broken, translate.CodeModel, ""},
		{"503 with a hint", whole("HTTP/1.1 503 No\r\nRetry-After: 7\r\n", ``), translate.FaultBusy, translate.CodeRateLimited, ""},
		{"a redirection", whole("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n", ``), translate.FaultAstray, translate.CodeUnavailable, ""},
		{"half a refusal", "HTTP/1.1 400 No\r\nContent-Length: 400\r\n\r\n{", translate.FaultUnclear, translate.CodeModel, ""},
		{"an endless refusal", "HTTP/1.1 400 No\r\nContent-Length: 400000\r\n\r\n" + strings.Repeat(" ", 100<<10), translate.FaultUnclear, translate.CodeModel, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := listen(t, func(l *link) {
				_, _, _ = l.request()
				l.say(c.reply)
			})
			a, err := ask(t, open(t, "openai", p.url()), question("m", true))
			wantFault(t, err, c.fault, c.code)
			if a != nil && a.Text() != c.text {
				t.Errorf("text %q, want %q", a.Text(), c.text)
			}
		})
	}
}

func TestARefusalCarriesWhenToComeBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-1": 0, "nan": 0, "soon": 0, "": 0, "1e99": maxRetry,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter([]byte(value), now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	p := answering(t, always(whole("HTTP/1.1 429 No\r\nRetry-After: 7\r\n", `{}`)))
	_, err := ask(t, open(t, "openai", p.url()), question("m", true))
	if e := fault(t, err); e.Retry != 7*time.Second {
		t.Errorf("retry %v", e.Retry)
	}
}

func TestFiftyStreamsShareConnections(t *testing.T) {
	t.Parallel()
	// The last chunk comes in a write of its own, as most servers send it.
	p := listen(t, func(l *link) {
		for {
			if _, _, ok := l.request(); !ok {
				return
			}
			l.say(eventsHead + chunk(answer))
			l.say(lastChunk)
		}
	})
	up := open(t, "openai", p.url())
	for range 50 {
		if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
			t.Fatal(a, err)
		}
	}
	// It may be late on a busy machine, and is not waited for long.
	if n := p.conns.Load(); n > 5 {
		t.Errorf("%d connections for 50 answers", n)
	}
}

func TestAConnectionThatTheServerClosedIsNotUsed(t *testing.T) {
	t.Parallel()
	for _, withRest := range []bool{true, false} {
		closed := make(chan struct{})
		p := listen(t, func(l *link) {
			if _, _, ok := l.request(); !ok {
				return
			}
			l.say(eventsHead + chunk(answer))
			if withRest {
				l.say(lastChunk)
			}
			_ = l.Close()
			closed <- struct{}{}
		})
		up := open(t, "openai", p.url())
		for range 20 {
			s, err := up.Open(within(t), question("m", true))
			if err != nil {
				t.Fatal(err)
			}
			if a, _, err := read(s); err != nil || a.Text() != "Hi you" {
				t.Fatal(a, err)
			}
			<-closed
		}
	}
}

func TestAnAnswerLeftBeforeItsEndCostsItsConnection(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 1)
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		l.say(eventsHead + chunk(deltaHi))
		l.gone()
		gone <- struct{}{}
	})
	s, err := open(t, "openai", p.url()).Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	_ = s.Close()
	<-gone
}

func TestACancelledExchangeEndsAtOnceAtEveryStage(t *testing.T) {
	t.Parallel()
	cause := &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true, Message: "too slow"}
	for _, stage := range []string{"before", "writing", "headers", "first", "mid", "refusal", "whole"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(within(t))
			left := make(chan struct{}, 1)
			p := listen(t, func(l *link) {
				if stage == "writing" {
					_, _ = l.r.ReadByte()
					cancel(cause) // the rest of the question does not fit into the socket
					time.AfterFunc(limit/2, func() { _ = l.Close() })
					<-ctx.Done()
					left <- struct{}{}
					return
				}
				_, _, _ = l.request()
				switch stage {
				case "first":
					l.say(eventsHead)
				case "mid":
					l.say(eventsHead + chunk(deltaHi))
				case "refusal":
					l.say("HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n")
				case "whole":
					l.say(jsonHead + "Content-Length: 10\r\n\r\n")
				}
				if stage == "headers" || stage == "refusal" {
					cancel(cause)
				}
				l.gone()
				left <- struct{}{}
			})
			req := question("m", stage != "whole")
			if stage == "writing" {
				req.Messages[0].Parts[0].Text = strings.Repeat("x", 30<<20)
			}
			if stage == "before" {
				cancel(cause)
				left <- struct{}{}
			}
			s, err := open(t, "openai", p.url()).Open(ctx, req)
			if err == nil {
				time.AfterFunc(time.Millisecond, func() { cancel(cause) })
				_, _, err = read(s)
			}
			if err != error(cause) {
				t.Errorf("got %v", err)
			}
			<-left
		})
	}
}

func TestAClientThatLeavesIsNotTheChannelsFault(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(within(t))
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		cancel()
		l.gone()
	})
	_, err := open(t, "openai", p.url()).Open(ctx, question("m", true))
	wantFault(t, err, translate.FaultGone, translate.CodeCanceled)
}

func TestADialThatIsRefusedSaysThatNothingWasSent(t *testing.T) {
	t.Parallel()
	p := listen(t, func(*link) {})
	p.end()
	_, err := ask(t, open(t, "openai", p.url()), question("m", true))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
}

func TestTheConnectTimeoutBoundsTheHandshake(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) { l.gone() })
	up := open(t, "openai", strings.Replace(p.url(), "http", "https", 1), func(c *config.Channel) { c.Timeouts.Connect = 30 * time.Millisecond })
	_, err := ask(t, up, question("m", true))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
}

func TestConcurrentBoundsTheConnections(t *testing.T) {
	t.Parallel()
	p := answering(t, always(eventsHead+chunk(deltaHi)))
	up := open(t, "openai", p.url(), func(c *config.Channel) { c.Concurrent = 1 })
	s, err := up.Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	_, err = up.Open(within(t), question("m", true))
	wantFault(t, err, translate.FaultBusy, translate.CodeRateLimited)
	_ = s.Close()
	s, err = up.Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestAClosedUpstreamRefusesAndLetsRunningAnswersEnd(t *testing.T) {
	t.Parallel()
	goOn, gone := make(chan struct{}), make(chan struct{})
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		l.say(eventsHead + chunk(deltaHi))
		<-goOn
		l.say(chunk(deltaYou+deltaStop+dataDone) + lastChunk)
		l.gone()
		close(gone)
	})
	up := open(t, "openai", p.url())
	s, err := up.Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	_ = up.Close()
	close(goOn)
	if a, _, err := read(s); err != nil || a.Text() != "Hi you" {
		t.Fatal(a, err)
	}
	<-gone
	_, err = up.Open(within(t), question("m", true))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
}

func TestThePassedThroughFramesAreTheBytesOfTheServer(t *testing.T) {
	t.Parallel()
	usage := `data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n"
	body := "data:\n\n" + deltaHi + deltaYou + deltaStop + usage + dataDone
	p := answering(t, always(eventsHead+chunk(": hello\n\n"+body)+lastChunk))
	up := open(t, "openai", p.url())
	for _, shown := range []bool{true, false} {
		req := question("m", true)
		req.PassThrough, req.UsageInStream = true, shown
		req.Raw = []byte(`{"model":"x","stream":true,"messages":[]}`)
		s, err := up.Open(within(t), req)
		if err != nil {
			t.Fatal(err)
		}
		a, evs, err := read(s)
		if err != nil {
			t.Fatal(err)
		}
		var raw strings.Builder
		for _, ev := range evs {
			raw.Write(ev.Raw)
		}
		want := body
		if !shown {
			want = strings.Replace(body, usage, "", 1)
		}
		if raw.String() != want {
			t.Errorf("passed on %q\nwant %q", raw.String(), want)
		}
		if a.Usage.Input != 3 {
			t.Errorf("usage %+v", a.Usage)
		}
	}
}

func TestAPassedThroughBodyIsTheServers(t *testing.T) {
	t.Parallel()
	p := answering(t, always(whole(jsonHead, wholeBody)))
	for _, stream := range []bool{false, true} {
		req := question("m", stream)
		req.PassThrough, req.Raw = true, []byte(`{"model":"x","messages":[]}`)
		s, err := open(t, "openai", p.url()).Open(within(t), req)
		if err != nil {
			t.Fatal(err)
		}
		_, evs, err := read(s)
		if err != nil {
			t.Fatal(err)
		}
		for i, ev := range evs {
			want := ""
			if i == 0 && !stream {
				want = wholeBody
			}
			if string(ev.Raw) != want {
				t.Errorf("stream %v, event %d: raw %q", stream, i, ev.Raw)
			}
		}
	}
}

func TestReadyIsKeptEvenByAFrameThatMeansNothing(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	nothing := `data: {"id":"c1","choices":[]}` + "\n\n"
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		l.say(eventsHead + chunk(deltaHi+nothing))
		<-goOn
		l.say(chunk(deltaYou+deltaStop+dataDone) + lastChunk)
	})
	s, err := open(t, "openai", p.url()).Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		ev, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == translate.KindText {
			break
		}
	}
	for s.Ready() {
		if ev, err := s.Next(); err != nil || ev.Kind != translate.KindOpaque {
			t.Fatal(ev, err)
		}
	}
	close(goOn) // only now: a Next that had waited would still wait
	var text string
	for {
		ev, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text += string(ev.Text)
	}
	if text != " you" || !s.Ready() {
		t.Errorf("text %q, ready %v", text, s.Ready())
	}
}

func TestTheRequestIsWhatTheServerExpects(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	p := listen(t, func(l *link) {
		head, body, _ := l.request()
		got <- head + body
		l.say(whole(jsonHead, wholeBody))
	})
	if _, err := ask(t, open(t, "openai", p.url()+"/?api-version=1"), question("m", false)); err != nil {
		t.Fatal(err)
	}
	text := <-got
	for _, want := range []string{
		"POST /v1/chat/completions?api-version=1\n", "Host: " + p.Addr().String(), "User-Agent: dragoman\r\n", "Accept-Encoding: identity\r\n",
		"Authorization: Bearer sk-test-key-0001\r\n", "Content-Type: application/json\r\n", `"model":"m"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestTraceShowsBodiesButNoKey(t *testing.T) {
	t.Parallel()
	p := answering(t, always(eventsHead+chunk(answer)+lastChunk))
	var shown [2]strings.Builder
	up, err := New(&config.Channel{ID: "c", Kind: "openai", URL: p.url()}, "sk-test-key-0001", Options{Trace: func(dir byte, data []byte) {
		if dir == '>' {
			shown[0].Write(data)
		} else {
			shown[1].Write(data)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := ask(t, up, question("m", true)); err != nil {
		t.Fatal(err)
	}
	if out := shown[0].String(); !strings.HasPrefix(out, "{") || strings.Contains(out, "sk-test") {
		t.Errorf("sent: %q", out)
	}
	if in := shown[1].String(); in != answer {
		t.Errorf("received: %q", in)
	}
}

func TestChannelsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, url, key string }{
		{"fax", "http://x/", ""}, {"openai", "", ""}, {"openai", "/v1", ""}, {"openai", "ftp://x/", ""},
		{"openai", "http://u:p@x/", ""}, {"openai", "http://x/", "a\r\nX: y"},
	} {
		_, err := New(&config.Channel{ID: "c", Kind: c.kind, URL: c.url}, c.key, Options{})
		if err == nil || !strings.Contains(err.Error(), `"c"`) || c.url != "" && strings.Contains(err.Error(), c.url) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzDechunk(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\n\r\n", uint8(1))
	f.Add("5;a=b\r\nhello\r\n1\nx\n0\r\nA: b\r\n\r\n", uint8(3))
	f.Fuzz(func(t *testing.T, raw string, size uint8) {
		decode := func(n int) (string, error, bool) {
			b, out, rest := body{framing: framedByChunks}, "", []byte(raw)
			for len(rest) > 0 {
				p := rest[:min(n, len(rest))]
				rest = rest[len(p):]
				m, err := b.decode(p)
				out += string(p[:m])
				if err != nil {
					return out, err, b.over
				}
			}
			return out, nil, b.over
		}
		all, err1, over1 := decode(len(raw) + 1)
		cut, err2, over2 := decode(int(size) + 1)
		if all != cut || err1 != err2 || over1 != over2 {
			t.Errorf("%q %v %v; in pieces %q %v %v", all, err1, over1, cut, err2, over2)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add(eventsHead)
	f.Add("HTTP/1.1 200\r\nContent-Length: 5\nConnection: close, x\n\n")
	f.Fuzz(func(t *testing.T, raw string) {
		n := headEnd([]byte(raw), 0)
		for i := range raw {
			if m := headEnd([]byte(raw), i); m != 0 && m < n {
				t.Errorf("from %d: %d, want %d", i, m, n)
			}
		}
		if h, err := parseHead([]byte(raw)); err == nil && (h.status < 100 || h.length < -1) {
			t.Errorf("%+v", h)
		}
	})
}

// unsayable is a dialect that has no words for any question.
type unsayable struct{ translate.Dialect }

func (unsayable) AppendRequest([]byte, *translate.Request) ([]byte, error) {
	return nil, translate.Invalid("nobody can say that")
}

func TestAQuestionThatCannotBeSaidLeavesTheConnectionToTheNextOne(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) {
		for {
			if _, _, ok := l.request(); !ok {
				return
			}
			l.say(eventsHead + chunk(deltaHi+deltaStop+dataDone) + lastChunk)
		}
	})
	up := open(t, "openai", p.url()).(*withEndpoints).Upstream.(*httpUpstream)
	speaks := up.dialect
	for range 3 {
		up.dialect = unsayable{speaks}
		if _, err := up.Open(within(t), question("m", true)); err == nil {
			t.Fatal("it was said")
		}
		up.dialect = speaks
		if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi" {
			t.Fatal(a, err)
		}
	}
	if n := p.conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
