package upstream

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bufio"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Answers of each kind of channel that say "Hi you": as events and as a body.
var hiYou = []struct{ kind, events, body string }{
	{"openai", answer, wholeBody},
	{"anthropic", `event: message_start
data: {"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi you"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}

event: message_stop
data: {"type":"message_stop"}

`, `{"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi you"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`},
	{"rest", "data: {\"type\":\"start\",\"conversationId\":\"c\"}\n\ndata: {\"type\":\"content\",\"text\":\"Hi you\"}\n\ndata: {\"type\":\"end\"}\n\n",
		`{"success":true,"data":{"response":"Hi you","conversationId":"c"}}`},
}

func TestTheBytesSayWhatABodyIsWhateverItsLabelSays(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		for _, label := range []string{"text/event-stream", "application/json", "text/html; charset=utf-8", "text/plain", "application/octet-stream", "application/x-ndjson", ""} {
			for name, body := range map[string]string{
				"events": k.events, "events behind a comment": ": processing\n\n" + k.events, "events behind blank lines": "\n\n" + k.events,
				"events behind harmless ones":   "data: ping\n\ndata: null\n\n" + k.events,
				"events behind a strange field": "trace-id: 7\n" + k.events, "events with strange fields": strings.ReplaceAll("\n\n"+k.events, "\n\n", "\n\nx_trace: {\"a\":1}\r\nx_empty\r\n"),
				"events without names": regexp.MustCompile("event: .*\n").ReplaceAllString(k.events, ""),
				"a body":               k.body, "a body behind blank lines": "\n\n \n" + k.body, "a body behind a byte order mark": "\xef\xbb\xbf" + k.body,
				"a body and an end mark": k.body + "\n\ndata: [DONE]\n\n", "a body and comments": k.body + "\n: bye\n",
			} {
				for _, stream := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s, %s as %q, stream %v", k.kind, name, label, stream), func(t *testing.T) {
						t.Parallel()
						head := "HTTP/1.1 200 OK\r\n"
						if label != "" {
							head += "Content-Type: " + label + "\r\n"
						}
						p := answering(t, always(whole(head, body)))
						a, err := ask(t, open(t, k.kind, p.url()), question("m", stream))
						if err != nil || a.Text() != "Hi you" || a.Finish != translate.FinishStop {
							t.Errorf("%+v, %v", a, err)
						}
					})
				}
			}
		}
	}
}

func TestAnErrorOfStatus200IsItsOwnUnderAnyLabel(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"text/event-stream", "application/json", "text/html"} {
		p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: "+label+"\r\n", `{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}`)))
		_, err := ask(t, open(t, "openai", p.url()), question("m", true))
		if e := fault(t, err); e.Fault != translate.FaultRejected || e.Upstream.Status != 400 || e.Upstream.Code != "context_length_exceeded" {
			t.Errorf("%s: %v", label, err)
		}
		p = answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: "+label+"\r\n", " \n<!DOCTYPE html><html>")))
		_, err = ask(t, open(t, "openai", p.url()), question("m", true))
		if e := fault(t, err); !strings.Contains(e.Message, "web page") {
			t.Errorf("%s: %v", label, err)
		}
	}
}

func TestAnEventNamedErrorIsOneWhateverItHolds(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		begun := strings.Join(strings.SplitAfter(k.events, "\n\n")[:len(strings.SplitAfter(k.events, "\n\n"))-3], "")
		for name, data := range map[string]string{
			"a message": `{"message":"gone"}`, "a code": `{"code":"Throttling","message":"too fast"}`, "nothing": `{}`, "a text": "gone", "an answer": `{"choices":[{"index":0,"delta":{"content":"x"}}]}`,
			"null": "null",
		} {
			p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", begun+"event: error\ndata: "+data+"\n\n"+k.events)))
			a, err := ask(t, open(t, k.kind, p.url()), question("m", true))
			if err == nil {
				t.Errorf("%s, %s: it ended well with %q", k.kind, name, a.Text())
			} else {
				fault(t, err)
			}
		}
	}
}

// packs are the ways in which a body may come compressed.
var packs = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"GZIP":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"Deflate": func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 9); return f },
}

func pack(coding, plain string) string {
	var b bytes.Buffer
	w := packs[coding](&b)
	_, _ = io.WriteString(w, plain)
	_ = w.Close()
	return b.String()
}

func TestCompressedAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		for coding := range packs {
			for _, form := range []string{k.events, k.body} {
				t.Run(k.kind+" "+coding, func(t *testing.T) {
					t.Parallel()
					p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+coding+"\r\n", pack(coding, form))))
					up := open(t, k.kind, p.url())
					for range 2 {
						if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
							t.Errorf("%+v, %v", a, err)
						}
					}
					if n := p.conns.Load(); n != 1 {
						t.Errorf("%d connections", n)
					}
				})
			}
		}
	}
	plain := answering(t, always(whole(jsonHead+"Content-Encoding: gzip\r\n", wholeBody)))
	if a, err := ask(t, open(t, "openai", plain.url()), question("m", false)); err != nil || a.Text() != "Hi you" {
		t.Errorf("plain text called gzip: %+v, %v", a, err)
	}
	refused := answering(t, always(whole("HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\n", pack("gzip", `{"error":{"message":"bad","code":"x"}}`))))
	_, err := ask(t, open(t, "openai", refused.url()), question("m", false))
	if e := fault(t, err); e.Fault != translate.FaultRejected || e.Upstream.Code != "x" {
		t.Errorf("a refusal: %v", err)
	}
	for _, coding := range []string{"br", "zstd", "gzip, gzip"} {
		for _, head := range []string{jsonHead, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"} {
			p := answering(t, always(whole(head+"Content-Encoding: "+coding+"\r\n", "\x0b\x02xx")))
			_, err := ask(t, open(t, "openai", p.url()), question("m", false))
			if e := fault(t, err); !errors.Is(err, errCoding) || e.Fault != translate.FaultBroken || !strings.Contains(e.Message, "compressed") {
				t.Errorf("%s: %v", coding, err)
			}
		}
	}
}

func TestAnAnswerIsReadWhateverItsLabelsSayOfItsCoding(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		for _, label := range []string{"br", "zstd", "utf-8", "none", "gzip", "deflate", "gzip, gzip", ""} {
			for name, body := range map[string]string{"events": k.events, "events behind a comment": ": hi\n\n" + k.events, "events behind blank lines": "\n\n" + k.events, "a body": k.body, "a packed body": pack("gzip", k.body), "packed events": pack("gzip", k.events)} {
				for _, media := range []string{"text/event-stream", "application/json"} {
					p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: "+media+"\r\nContent-Encoding: "+label+"\r\n", body)))
					up := open(t, k.kind, p.url())
					for range 2 {
						if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
							t.Errorf("%s, %s called %q: %+v, %v", k.kind, name, label, a, err)
						}
					}
				}
			}
		}
	}
}

func TestACompressedStreamIsReadAsItComes(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		say := func(text string) {
			_, _ = io.WriteString(w, text)
			_ = w.Flush()
			l.say(chunk(b.String()))
			b.Reset()
		}
		l.say(strings.Replace(eventsHead, "\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", 1))
		say(deltaHi)
		<-goOn
		say(deltaYou + deltaStop + dataDone)
		_ = w.Close()
		l.say(chunk(b.String()) + lastChunk)
	})
	s, err := open(t, "openai", p.url()).Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text := ""
	for {
		ev, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text += string(ev.Text); text == "Hi" && ev.Kind == translate.KindText {
			close(goOn) // the rest is sent only now
		}
	}
	if text != "Hi you" {
		t.Errorf("read %q", text)
	}
}

func TestWhatUnpacksToTooMuchIsNotUnpacked(t *testing.T) {
	t.Parallel()
	bomb := pack("gzip", `{"x":"`+strings.Repeat("x", translate.MaxAnswer+1<<20)+`"}`)
	p := answering(t, always(whole(jsonHead+"Content-Encoding: gzip\r\n", bomb)))
	_, err := ask(t, open(t, "openai", p.url()), question("m", false))
	if e := fault(t, err); !errors.Is(err, errTooLarge) || e.Fault != translate.FaultBroken {
		t.Errorf("%d bytes: %v", len(bomb), err)
	}
}

// piped is an upstream of kind openai whose server is script, in simulated time.
func piped(t *testing.T, script func(l *link)) Upstream {
	t.Helper()
	conf := &config.Channel{ID: "c", Kind: "openai", URL: "http://model.example/v1"}
	up, err := New(conf, "", Options{Dial: func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			l := &link{Conn: theirs, r: bufio.NewReader(theirs)}
			if _, err := http.ReadRequest(l.r); err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, l.r) }()
			script(l)
		}()
		return ours, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = up.Close()
		time.Sleep(time.Hour) // of simulated time: the script ends
	})
	return up
}

func TestOneSecondOfSilenceBehindAReasonIsTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script func(l *link)
		text   string
		took   time.Duration
	}{
		"nothing follows":          {func(l *link) { l.say(deltaHi + deltaStop); time.Sleep(time.Minute) }, "Hi", time.Second},
		"the connection is closed": {func(l *link) { l.say(deltaHi + deltaStop) }, "Hi", 0},
		"the end mark comes late":  {func(l *link) { l.say(deltaHi + deltaStop); time.Sleep(time.Second / 2); l.say(dataDone) }, "Hi", time.Second / 2},
		"a text follows in time": {func(l *link) {
			l.say(deltaHi + deltaStop)
			time.Sleep(time.Second * 9 / 10)
			l.say(deltaYou)
			time.Sleep(time.Minute)
		}, "Hi you", time.Second * 19 / 10},
		"comments do not count": {func(l *link) {
			l.say(deltaHi + deltaStop)
			for range 60 {
				time.Sleep(time.Second / 4)
				l.say(": alive\n\n")
			}
		}, "Hi", time.Second},
		"nor do harmless events": {func(l *link) {
			l.say(deltaHi + deltaStop)
			for range 60 {
				time.Sleep(time.Second / 4)
				l.say("data: ping\n\n")
			}
		}, "Hi", time.Second},
		"before a reason they wait": {func(l *link) { l.say(deltaHi); time.Sleep(20 * time.Second); l.say(deltaYou + deltaStop + dataDone) }, "Hi you", 20 * time.Second},
	} {
		for _, wait := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s %v", name, wait), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up := piped(t, func(l *link) {
						l.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
						c.script(l)
					})
					began := time.Now()
					s, err := up.Open(t.Context(), question("m", true))
					if err != nil {
						t.Fatal(err)
					}
					var a translate.Answer
					for {
						if wait {
							s.(*httpStream).Wait()
						}
						ev, err := s.Next()
						if err == io.EOF {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						a.Add(ev)
					}
					if took := time.Since(began); a.Text() != c.text || a.Finish != translate.FinishStop || took != c.took {
						t.Errorf("%q, %d after %v; want %q after %v", a.Text(), a.Finish, took, c.text, c.took)
					}
					_ = s.Close()
				})
			})
		}
	}
}

func TestWhoeverLeavesBehindAReasonGetsNoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := piped(t, func(l *link) {
			l.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltaHi + deltaStop)
			time.Sleep(time.Minute)
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		s, err := up.Open(ctx, question("m", true))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = read(s)
		wantFault(t, err, translate.FaultGone, translate.CodeCanceled)
	})
}

func TestStrangeFieldsAreReadPastAndNothingElse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxStrange)
	for text, want := range map[string]string{
		"": "", "d": "", "data": "data", ": x": ": x", "x-a": "", "x-a: 1": "", "x-a: 1\r": "", "x-a: 1\r\nb\rdata:": "data:", "x-a: 1\n\n\nevent: y": "event: y",
		"Service unavailable": "Service unavailable", "x-a: 1\nno way": "no way", "x-a: 1\n{}": "{}", "x-a: 1\n<html>": "<html>", "gr\xc3\xbcn:": "gr\xc3\xbcn:",
		long[1:]: "", long: long, strings.Repeat("a: b\n", maxStrange/5) + "a: b\nc: d\ndata: x": "c: d\ndata: x",
	} {
		if got := string(pastStrange([]byte(text))); got != want {
			t.Errorf("%.40q: %.40q", text, got)
		}
	}
}
