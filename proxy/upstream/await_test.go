//go:build unix

package upstream

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// spy sees what a stream holds when it begins to wait.
type spy struct {
	syscall.RawConn
	s    *httpStream
	held []string
}

func (y *spy) Read(f func(uintptr) bool) error {
	if y.s.buf != nil || cap(y.s.scan.Bytes()) > 0 {
		y.held = append(y.held, "a buffer")
	}
	if !y.s.shortSilence && y.s.lent != nil {
		y.held = append(y.held, "the decoder's memory")
	}
	return y.RawConn.Read(f)
}

// patiently reads s as a front does: it waits where nothing is ready.
func patiently(s translate.Stream) (text string, err error) {
	for {
		ev, err := s.Next()
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return text, err
		}
		text += string(ev.Text)
		if !s.Ready() {
			s.(*httpStream).Wait()
		}
	}
}

// inPieces opens a stream that says Hi and, from goOn on, want: in twelve events with
// comments between them, lines that end with ends, and writes of size bytes.
func inPieces(t *testing.T, size int, ends string, goOn <-chan struct{}) (s *httpStream, want string) {
	t.Helper()
	var wire strings.Builder
	for i := range 12 {
		want += fmt.Sprintf("piece %d ", i)
		wire.WriteString(chunk(strings.ReplaceAll(fmt.Sprintf(": a comment\ndata: {\"choices\":[{\"delta\":{\"content\":\"piece %d \"}}]}\n\n", i), "\n", ends)))
	}
	wire.WriteString(chunk(deltaStop+dataDone) + lastChunk)
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		l.say(eventsHead + chunk(deltaHi))
		<-goOn
		for rest := wire.String(); rest != ""; {
			n := min(size, len(rest))
			l.say(rest[:n])
			rest = rest[n:]
		}
	})
	stream, err := open(t, "openai", p.url()).Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream.(*httpStream), want
}

func TestAStreamThatWaitsHoldsNoBufferAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 7, 19, 1000} {
		for _, ends := range []string{"\n", "\r\n", "\r"} {
			t.Run(fmt.Sprintf("%d %q", size, ends), func(t *testing.T) {
				t.Parallel()
				goOn := make(chan struct{}, 1)
				s, want := inPieces(t, size, ends, goOn)
				y := &spy{RawConn: s.conn.wait.raw, s: s}
				s.conn.wait.raw, s.shortSilence = y, false
				goOn <- struct{}{}
				text, err := patiently(s)
				if err != nil || !strings.HasSuffix(text, want) {
					t.Errorf("read %q, %v", text, err)
				}
				if len(y.held) > 0 {
					t.Errorf("while it waited it held %v", y.held)
				}
			})
		}
	}
}

func TestAWaitWithoutABufferEndsWithTheQuestion(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.CancelCauseFunc, *link){
		"cancelled": func(cancel context.CancelCauseFunc, l *link) {
			cancel(&translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone})
			l.gone()
		},
		"closed": func(_ context.CancelCauseFunc, l *link) { _ = l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(within(t))
			defer cancel(nil)
			opened := make(chan struct{})
			p := listen(t, func(l *link) {
				_, _, _ = l.request()
				l.say(eventsHead + chunk(deltaHi))
				<-opened
				end(cancel, l)
			})
			s, err := open(t, "openai", p.url()).Open(ctx, question("m", true))
			close(opened)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if text, err := patiently(s); err == nil {
				t.Errorf("it ended well with %q", text)
			}
		})
	}
}

func TestASlowStreamWaitsWithoutWhoeverReadsItAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			goOn := make(chan struct{})
			s, want := inPieces(t, size, "\n", goOn)
			var text string
			ended, waits := make(chan error), 0
			var read func()
			read = func() {
				for {
					for s.Ready() {
						ev, err := s.Next()
						if err != nil {
							ended <- err
							return
						}
						text += string(ev.Text)
					}
					s.shortSilence = false
					first := waits == 0
					waits++
					if s.Later(read) {
						if first {
							close(goOn)
						}
						return
					}
					waits--
					s.Wait()
				}
			}
			go read()
			if err := <-ended; err != io.EOF || text != "Hi"+want {
				t.Errorf("read %q, %v", text, err)
			}
			if waits == 0 {
				t.Error("it never waited")
			}
		})
	}
}

func TestAStreamThatMayNotBeSlowIsWaitedForWhereItIsRead(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) {
		_, _, _ = l.request()
		l.say(eventsHead + chunk(deltaHi+deltaYou))
		l.gone()
	})
	stream, err := open(t, "openai", p.url()).Open(within(t), question("m", true))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	s := stream.(*httpStream)
	never := func() { t.Error("there was no wait") }
	if _, err := s.Next(); err != nil || s.Later(never) {
		t.Errorf("with an event at hand, %v", err)
	}
	for s.Ready() {
		_, _ = s.Next()
	}
	if s.shortSilence = true; s.Later(never) {
		t.Error("after a short silence")
	}
}
