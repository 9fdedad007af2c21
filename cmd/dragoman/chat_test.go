package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

var spoken = func() (names []string) {
	for _, d := range chatDialects {
		names = append(names, d.dialect)
	}
	return names
}()

// tape records what is written, and tells when some text is among it.
type tape struct {
	mu   sync.Mutex
	text bytes.Buffer
	wait string // to tell of, once
	tell func()
}

func (p *tape) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	if p.tell != nil && strings.Contains(p.text.String(), p.wait) {
		p.tell()
		p.tell = nil
	}
	return len(b), nil
}

func (p *tape) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// chat runs the command as a shell would.
func chat(t *testing.T, input string, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e tape
	code = run(t.Context(), append([]string{"chat"}, args...), environment{in: strings.NewReader(input), out: &o, err: &e})
	return code, o.String(), e.String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// scripted serves the scripted model and returns where.
func scripted(t *testing.T, o mockmodel.Options) (*mockmodel.Server, string) {
	t.Helper()
	s, ln := mockmodel.New(o), listen(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return s, ln.Addr().String()
}

// started serves the quick start, conversations in memory, and returns where,
// its demo key and what it printed.
func started(t *testing.T) (addr, demo, greeting string) {
	t.Helper()
	conf, demo, err := quickStart(func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	g, err := proxy.New(conf, st, openUpstream, log, proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, ln := front.New(conf, g, log), listen(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		server.Shutdown(ended)
		serving.Wait()
		_ = g.Close()
		_ = st.Close()
	})
	var text strings.Builder
	greet(&text, conf, ln.Addr().String(), demo)
	return ln.Addr().String(), demo, text.String()
}

func TestAQuestionIsAnsweredInEveryDialect(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	gateway, demo, _ := started(t)
	for _, dialect := range spoken {
		for name, args := range map[string][]string{
			"the scripted model":      {"--url", model},
			"the gateway":             {"--url", gateway, "--key", demo},
			"a key with Bearer":       {"--url", gateway, "--key", "Bearer " + demo},
			"the gateway, as someone": {"--url", gateway, "--key", demo, "--user", "someone"},
		} {
			code, out, stderr := chat(t, "hi there\n", append(args, "--dialect", dialect)...)
			if code != 0 || !strings.HasPrefix(out, `Hello, you said "hi there" (n=`) || !strings.HasSuffix(out, ")\n") || stderr != "" {
				t.Errorf("%s, %s: %d\n%s%s", name, dialect, code, out, stderr)
			}
		}
	}
}

func TestASecondQuestionKnowsOfTheFirst(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	gateway, demo, _ := started(t)
	for _, dialect := range spoken {
		for name, args := range map[string][]string{
			"the scripted model": {"--url", model},
			"the gateway":        {"--url", gateway, "--key", demo},
		} {
			code, out, stderr := chat(t, "one\n\n  \ntwo\n/quit\nthree\n", append(args, "--dialect", dialect, "--model", "recall")...)
			const want = "user: one\nuser: one | assistant: user: one | user: two\n"
			if code != 0 || out != want || stderr != "" {
				t.Errorf("%s, %s: %d\n%s%s", name, dialect, code, out, stderr)
			}
		}
	}
}

func TestTheSystemPromptIsSentOrRefused(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	for _, dialect := range spoken {
		code, out, stderr := chat(t, "one\ntwo\n", "--url", model, "--dialect", dialect, "--model", "recall", "--system", "be brief")
		if dialect == "rest" || dialect == "iagent" {
			if code != 1 || out != "" || !strings.Contains(stderr, "--system") {
				t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
			}
			continue
		}
		const first = "system: be brief | user: one"
		if code != 0 || out != first+"\n"+first+" | assistant: "+first+" | user: two\n" {
			t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
		}
	}
}

func TestAConversationGoesOnInTheNextRunWhereTheServerKeepsIt(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	for _, dialect := range []string{"rest", "iagent"} {
		args := []string{"--url", model, "--dialect", dialect, "--model", "recall"}
		chat(t, "one\n", args...)
		if _, out, stderr := chat(t, "two\n", args...); out != "user: one | assistant: user: one | user: two\n" {
			t.Errorf("%s: %s%s", dialect, out, stderr)
		}
		if _, out, _ := chat(t, "three\n", append(args, "--user", "other")...); out != "user: three\n" {
			t.Errorf("%s: another user was told %s", dialect, out)
		}
	}
}

func TestAChatnioSocketIsKeptAndALostOneIsToldEverything(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	args := []string{"--raw", "--dialect", "chatnio", "--url", model, "--model"}
	_, _, stderr := chat(t, "one\ntwo\n", append(args, "recall")...)
	if strings.Count(stderr, "> ") != 2 || strings.Contains(stderr, `"mask"`) {
		t.Errorf("not one socket:\n%s", stderr)
	}
	_, out, stderr := chat(t, "one\ntwo\n", append(args, "times-1-fail-500-recall", "--system", "be brief")...)
	if out != "system: be brief | user: two\n" || strings.Count(stderr, `> {"type":"mask"`) != 2 {
		t.Errorf("%s%s", out, stderr)
	}
}

func TestAFailureIsPrintedAndTheNextQuestionAskedAllTheSame(t *testing.T) {
	t.Parallel()
	for _, dialect := range spoken {
		_, model := scripted(t, mockmodel.Options{})
		code, out, stderr := chat(t, "one\ntwo\n", "--url", model, "--dialect", dialect, "--model", "times-1-fail-500-recall")
		if code != 1 || out != "user: two\n" || !regexp.MustCompile(`^[A-Z_]+: .+\n$`).MatchString(stderr) {
			t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
		}
		_, model = scripted(t, mockmodel.Options{})
		code, out, stderr = chat(t, "one\ntwo\n", "--url", model, "--dialect", dialect, "--model", "times-1-errormid-long-5")
		if code != 1 || !strings.HasSuffix(out, "w0 w1 w2 w3 w4 \n") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s, in the middle: %d\n%s%s", dialect, code, out, stderr)
		}
	}
}

func TestAWrongKeyIsRefusedAndNeverPrinted(t *testing.T) {
	t.Parallel()
	gateway, _, _ := started(t)
	for _, dialect := range spoken {
		const key = "sk-not & this/one"
		code, out, stderr := chat(t, "hi\n", "--raw", "--url", gateway, "--dialect", dialect, "--key", key, "--model", "recall")
		if code != 1 || !regexp.MustCompile(`(?m)^[A-Z_]+: `).MatchString(stderr) {
			t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
		}
		if strings.Contains(out+stderr, key) || strings.Contains(stderr, "sk-not") {
			t.Errorf("%s shows the key:\n%s%s", dialect, out, stderr)
		}
	}
}

func TestRawShowsWhatIsSentAndReceivedWithoutTheKey(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	gateway, demo, _ := started(t)
	for _, dialect := range spoken {
		for _, args := range [][]string{{"--url", model, "--key", "sk-secret-of-mine"}, {"--url", gateway, "--key", demo}} {
			key := args[3]
			// A server that repeats the key is no reason to show it.
			code, out, stderr := chat(t, "my key is "+key+"\n", append(args, "--dialect", dialect, "--raw")...)
			if code != 0 || !strings.Contains(out, "you said") {
				t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
			}
			if strings.Contains(stderr, key) {
				t.Errorf("%s shows the key:\n%s", dialect, stderr)
			}
			if !regexp.MustCompile(`(?m)^> \{.*my key is \*\*\*`).MatchString(stderr) || !regexp.MustCompile(`(?m)^< .*Hello`).MatchString(stderr) {
				t.Errorf("%s shows\n%s", dialect, stderr)
			}
			for l := range strings.Lines(stderr) {
				if !strings.HasPrefix(l, "> ") && !strings.HasPrefix(l, "< ") {
					t.Errorf("%s: the line %q", dialect, l)
				}
			}
		}
	}
}

func TestAnInterruptEndsAnAnswerButNotTheTalk(t *testing.T) {
	t.Parallel()
	for _, dialect := range spoken {
		_, model := scripted(t, mockmodel.Options{})
		interrupts := make(chan os.Signal, 1)
		stop := func() { interrupts <- os.Interrupt }
		out, stderr := &tape{wait: "w1 ", tell: stop}, &tape{}
		input := "one\ntwo\n"
		if dialect == "iagent" { // whose answers are whole, and in order
			out.tell = nil
			stderr.wait, stderr.tell = "> {", stop
			input = "one\n"
		}
		code := run(t.Context(), []string{"chat", "--raw", "--url", model, "--dialect", dialect, "--model", "times-1-stallmid-long-4"},
			environment{in: strings.NewReader(input), out: out, err: stderr, interrupts: interrupts})
		if code != 1 || !strings.Contains(stderr.String(), "CANCELED: stopped\n") {
			t.Errorf("%s: %d\n%s", dialect, code, stderr)
		}
		if got := out.String(); dialect != "iagent" && got != "w0 w1 \nw0 w1 w2 w3 \n" {
			t.Errorf("%s printed %q", dialect, got)
		}
	}
}

func TestAnInterruptAtThePromptAndTheEndOfTheProcessEndTheTalk(t *testing.T) {
	t.Parallel()
	in, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt
	if code := run(t.Context(), []string{"chat"}, environment{in: in, out: io.Discard, err: io.Discard, interrupts: interrupts}); code != 0 {
		t.Errorf("an interrupt: %d", code)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if code := run(ended, []string{"chat"}, environment{in: in, out: io.Discard, err: io.Discard}); code != 0 {
		t.Errorf("the end: %d", code)
	}
}

func TestAnInterruptEndsEveryOtherCommand(t *testing.T) {
	t.Parallel()
	interrupts := make(chan os.Signal, 1)
	out := &tape{wait: "\n", tell: func() { interrupts <- os.Interrupt }}
	if code := run(t.Context(), []string{"mock", "-q", "--listen", "127.0.0.1:0"}, environment{out: out, err: io.Discard, interrupts: interrupts}); code != 0 {
		t.Errorf("mock: %d", code)
	}
}

func TestTheChatLinesThatTheQuickStartPrintsWork(t *testing.T) {
	t.Parallel()
	_, _, greeting := started(t)
	lines := regexp.MustCompile(`(?m)^  echo (\S+) \| .* chat (.+)$`).FindAllStringSubmatch(greeting, -1)
	if len(lines) < 2 || len(lines) != strings.Count(greeting, "| "+invocation()+" chat ") {
		t.Fatalf("%d lines in\n%s", len(lines), greeting)
	}
	for _, l := range lines {
		code, out, stderr := chat(t, l[1]+"\n", strings.Fields(l[2])...)
		if code != 0 || !strings.HasPrefix(out, `Hello, you said "`+l[1]+`"`) || stderr != "" {
			t.Errorf("%s: %d\n%s%s", l[0], code, out, stderr)
		}
	}
}

func TestTheAddressesThatTheQuickStartPrintsCanBeGivenToChat(t *testing.T) {
	t.Parallel()
	_, demo, greeting := started(t)
	for _, dialect := range spoken {
		at := regexp.MustCompile(`(?m)^  ` + dialect + ` +(\S+)$`).FindStringSubmatch(greeting)
		if at == nil {
			t.Fatalf("no %s in\n%s", dialect, greeting)
		}
		if code, out, stderr := chat(t, "hi\n", "--dialect", dialect, "--url", at[1], "--key", demo); code != 0 {
			t.Errorf("%s: %d\n%s%s", at[0], code, out, stderr)
		}
	}
}

func TestAnAddressIsCompletedAsTheDialectWantsIt(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"openai", "", "http://127.0.0.1:8080/v1"},
		{"anthropic", "", "http://127.0.0.1:8080/v1"},
		{"gemini", "", "http://127.0.0.1:8080/v1beta"},
		{"gemini", "https://a.example/v1beta/", "https://a.example/v1beta"},
		{"ollama", "", "http://127.0.0.1:8080"},
		{"ollama", "127.0.0.1:11434/api/chat", "http://127.0.0.1:11434"},
		{"rest", "", "http://127.0.0.1:8080"},
		{"chatnio", "", "ws://127.0.0.1:8080"},
		{"iagent", "", "ws://127.0.0.1:8080/ws/v1/chat"},
		{"openai", "localhost:1234", "http://localhost:1234/v1"},
		{"openai", "https://a.example/", "https://a.example/v1"},
		{"openai", "https://a.example/v2/", "https://a.example/v2"},
		{"openai", "https://a.example/v1/chat/completions", "https://a.example/v1"},
		{"anthropic", "https://a.example/v1/messages", "https://a.example/v1"},
		{"rest", "https://a.example/api/chat/stream", "https://a.example"},
		{"rest", "https://a.example/base/api/chat", "https://a.example/base"},
		{"chatnio", "https://a.example/api/chat", "https://a.example/api"},
		{"iagent", "wss://a.example/other", "wss://a.example/other"},
	} {
		one := chatCommand{Dialect: c[0], URL: c[1]}
		if got := one.address(defaultsOf(c[0])); got != c[2] {
			t.Errorf("%s %q: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestAnAddressThatIsNoneIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"http://u:secret@127.0.0.1", "http://%zz", "ftp://127.0.0.1"} {
		code, _, stderr := chat(t, "hi\n", "--url", at)
		if code != 1 || !strings.Contains(stderr, "url") || strings.Contains(stderr, "secret") {
			t.Errorf("%s: %d %s", at, code, stderr)
		}
	}
	if code, _, stderr := chat(t, "hi\n", "--dialect", "morse"); code != 2 {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestTheKeyMayComeFromTheEnvironment(t *testing.T) {
	gateway, demo, _ := started(t)
	t.Setenv("DRAGOMAN_KEY", demo)
	if code, out, stderr := chat(t, "hi\n", "--url", gateway, "--model", "recall"); code != 0 || out != "user: hi\n" {
		t.Errorf("%d %s%s", code, out, stderr)
	}
	if _, out, _ := chat(t, "", "--help"); !strings.Contains(out, "DRAGOMAN_KEY") || strings.Contains(out, demo) {
		t.Errorf("help:\n%s", out)
	}
}

func TestOnATerminalFailuresDoNotFailTheTalk(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	c := chatCommand{Dialect: "openai", URL: model, Model: "times-1-fail-500-reason-recall"}
	out, stderr := &tape{}, &tape{}
	view := newScreen(out, stderr, "")
	view.terminal = true
	up, err := c.open(defaultsOf("openai"), "", view)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = up.Close() }()
	one := chatSession{up: up, view: view, prompts: true, base: c.request(defaultsOf("openai"))}
	if err := one.serve(t.Context(), strings.NewReader("one\ntwo\n")); err != nil {
		t.Errorf("%v", err)
	}
	if got, want := out.String(), faint+"Let me think."+normal+"\nuser: two\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !regexp.MustCompile(`^> MODEL_ERROR: .*\n> > \n$`).MatchString(stderr.String()) {
		t.Errorf("%q", stderr)
	}
}

func TestAnAnswerCannotCommandTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\tand\nlines":       "plain\tand\nlines",
		"\x1b]0;title\x07ok":      "]0;titleok",
		"over\rwritten\b\x7f":     "overwritten",
		"c1 \u009b31m and \u0085": "c1 31m and ",
		"£ é 漢 \u00a0 𝄞":          "£ é 漢 \u00a0 𝄞",
	} {
		if got := string(printable([]byte(in))); got != want {
			t.Errorf("%q became %q", in, got)
		}
		var out bytes.Buffer
		(&screen{out: &out}).event(&translate.Event{Kind: translate.KindText, Text: []byte(in)})
		if out.String() != in {
			t.Errorf("a file got %q of %q", &out, in)
		}
	}
}

func TestFramesInPiecesAreShownLineByLine(t *testing.T) {
	t.Parallel()
	const wire = "data: {\"a\":\"key-key\"}\r\n\r\ndata: [DONE]\n\nrest"
	for cut := range len(wire) {
		var out, stderr bytes.Buffer
		v := newScreen(&out, &stderr, "key-key")
		v.pieces, v.raw = true, true
		v.frame('<', []byte(wire[:cut]))
		v.frame('<', []byte(wire[cut:]))
		v.endAnswer()
		if got := stderr.String(); got != "< data: {\"a\":\"***\"}\n< data: [DONE]\n< rest\n" {
			t.Fatalf("cut at %d: %q", cut, got)
		}
	}
	var stderr bytes.Buffer
	v := newScreen(io.Discard, &stderr, "key-key")
	v.pieces, v.raw = true, true
	for range 3 {
		v.frame('<', bytes.Repeat([]byte("key-key"), maxLine/7))
	}
	v.frame('<', []byte("\nnext\n"))
	if got := stderr.String(); got != "< (a line of more than 4 MiB)\n< next\n" {
		t.Errorf("%d bytes: %.100q", len(got), got)
	}
}

// full is an output that takes no more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestAnOutputThatTakesNoMoreEndsTheTalk(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	var stderr tape
	code := run(t.Context(), []string{"chat", "--url", model}, environment{in: strings.NewReader("one\ntwo\n"), out: full{}, err: &stderr})
	if code != 1 || strings.Count(stderr.String(), errFull.Error()) != 1 {
		t.Errorf("%d\n%s", code, &stderr)
	}
}
