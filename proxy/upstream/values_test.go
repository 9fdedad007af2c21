package upstream

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// valuesOf are the values in the data of events, which have none but that.
func valuesOf(events string) (values []string) {
	for line := range strings.Lines(events) {
		if data, ok := strings.CutPrefix(line, "data: "); ok && data[0] == '{' {
			values = append(values, strings.TrimSpace(data))
		}
	}
	return values
}

func TestABodyOfSeveralValuesIsAStream(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		values := valuesOf(k.events)
		for name, body := range map[string]string{
			"lines": strings.Join(values, "\n") + "\n", "lines and a mark": strings.Join(values, "\r\n\r\n") + "\n[DONE]\n",
			"a list": "[" + strings.Join(values, ",\r\n") + "]", "nothing between them": strings.Join(values, ""),
			"a body and more": k.body + "\n\nbye\n", "a body and a NUL": k.body + "\x00", "a body twice": k.body + k.body,
		} {
			for _, label := range []string{"application/json", "application/x-ndjson", "text/event-stream"} {
				if k.kind == "rest" && strings.HasPrefix(name, "a ") && name != "a list" {
					continue // a body of it is no frame
				}
				t.Run(k.kind+", "+name+" as "+label, func(t *testing.T) {
					t.Parallel()
					p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: "+label+"\r\n", body)))
					for _, stream := range []bool{true, false} {
						if a, err := ask(t, open(t, k.kind, p.url()), question("m", stream)); err != nil || a.Text() != "Hi you" || a.Finish != translate.FinishStop {
							t.Errorf("%+v, %v", a, err)
						}
					}
				})
			}
		}
		p := answering(t, always(whole(jsonHead, values[0]+"\n"+strings.Join(values[1:len(values)-1], "\n")[:20])))
		if a, err := ask(t, open(t, k.kind, p.url()), question("m", true)); err == nil {
			t.Errorf("%s: lines that are cut off: %+v", k.kind, a)
		}
	}
}

// The connections of answering stay open.
func TestABodyWithoutALengthIsOverWhenItsValueIs(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		for name, reply := range map[string]string{
			"until the connection ends":  jsonHead + "\r\n" + k.body,
			"in chunks without the last": jsonHead + "Transfer-Encoding: chunked\r\n\r\n" + chunk(k.body[:9]) + chunk(k.body[9:]),
		} {
			if k.kind != "openai" && strings.HasPrefix(name, "in chunks") {
				continue // each costs a second
			}
			t.Run(k.kind+", "+name, func(t *testing.T) {
				t.Parallel()
				if a, err := ask(t, open(t, k.kind, answering(t, always(reply)).url()), question("m", k.kind == "openai")); err != nil || a.Text() != "Hi you" {
					t.Errorf("%+v, %v", a, err)
				}
			})
		}
	}
	for body, why := range map[string]string{`{"error":{"message":"bad","code":"x"}}`: "x", `<html>no`: ""} {
		t.Run("a refusal "+body, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, open(t, "openai", answering(t, always("HTTP/1.1 400 No\r\n\r\n"+body)).url()), question("m", false))
			if e := fault(t, err); e.Upstream == nil || e.Upstream.Code != why {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnErrorAmidAStreamIsOneHoweverItIsFramed(t *testing.T) {
	t.Parallel()
	for _, k := range hiYou {
		at := strings.Index(k.events, "you")
		at += strings.Index(k.events[at:], "\n\n") + 2
		for _, odd := range []string{
			"error: {\"message\":\"gone\"}\n\n", "event: exception\ndata: {\"message\":\"gone\"}\n\n", "{\"error\":{\"message\":\"gone\"}}\n\n", "{\"error\":\"gone\"}\n", "Data: {\"error\":\"gone\"}\n\n",
		} {
			p := answering(t, always(whole("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", k.events[:at]+odd+k.events[at:])))
			if a, err := ask(t, open(t, k.kind, p.url()), question("m", true)); err == nil {
				t.Errorf("%s, %q: it ended well with %q", k.kind, odd, a.Text())
			}
		}
	}
}
