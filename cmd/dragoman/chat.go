package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/translate"
)

// chatCommand talks to a server in one of its dialects, as a client of it.
type chatCommand struct {
	Dialect string
	URL     string
	Key     string
	Model   string
	System  string
	User    string
	Raw     bool
}

func (c *chatCommand) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk in the terminal, in any dialect, to dragoman or to any real server.",
		Long: "Each line of standard input is a question; its answer is printed as it comes. " +
			"/quit or the end of the input ends, " + chatCommands + ". Ctrl-C ends an answer, or the command while no answer is on its way. " +
			"Failures are on stderr as CODE: message; when the input is no terminal, they make the exit code 1.",
	}
	flags := cmd.Flags()
	all, system := dialectsOfChat()
	c.Dialect = all[0]
	flags.Var(choice{into: &c.Dialect, shown: "NAME", of: all}, "dialect", "What to speak: "+inWords(all, "or")+". Default: "+all[0]+".")
	flags.Var(text{into: &c.URL, shown: "URL"}, "url", "Whom to speak to. Default: dragoman on this machine. Without a path, the usual one of the dialect is taken.")
	flags.Var(text{into: &c.Key, shown: "KEY", env: "DRAGOMAN_KEY"}, "key", "Key or token; none is sent without one.")
	flags.VarP(text{into: &c.Model, shown: "NAME"}, "model", "m", "Model to ask; rest: the preset, iagent: the receiver. Default: mock; rest and iagent leave it to the server.")
	flags.Var(text{into: &c.System, shown: "TEXT"}, "system", "System prompt: "+inWords(system, "and")+".")
	flags.Var(text{into: &c.User, shown: "NAME"}, "user", "Who asks. rest and iagent servers remember the conversation under this name, from one run to the next. Default: me.")
	switchable(flags, &c.Raw, "raw", "", "Print what goes over the wire to stderr, line by line: '> ' out, '< ' in, never the key.")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// errSaid is returned when everything about a failure has been printed already.
var errSaid = errors.New("a question failed")

// Run asks what it reads until the input or ctx ends. It returns errSaid if a
// question failed that nobody could put again: the input was no terminal.
func (c *chatCommand) Run(ctx context.Context, s environment) error {
	h := defaultsOf(c.Dialect)
	if c.System != "" && !h.system {
		return fmt.Errorf("--system: %s has no place for a system prompt", c.Dialect)
	}
	key := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(c.Key), "Bearer "))
	view := newScreen(s.out, s.err, key)
	view.terminal, view.alone = isTerminal(s.out), isTerminal(s.out) && isTerminal(s.err)
	view.colours, view.raw = hasColours(s.err, os.LookupEnv), c.Raw
	up, err := c.open(h, key, view)
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	t := &chatSession{up: up, view: view, interrupts: s.interrupts, prompts: isTerminal(s.in), base: c.request(h)}
	if t.prompts {
		view.note("talking " + c.Dialect + "; Ctrl-C stops an answer, /retry asks again, /model NAME asks another model, /raw shows the wire, /quit ends")
	}
	return t.serve(ctx, s.in)
}

// open returns the server as a channel, whose frames view shows if they are to be
// shown.
func (c *chatCommand) open(h dialectDefaults, key string, view *screen) (upstream.Upstream, error) {
	view.pieces = h.pieces
	options := upstream.Options{Trace: view.frame}
	ch := &config.Channel{ID: c.Dialect, Kind: c.Dialect, URL: c.address(h)}
	way, err := config.EnvironmentWay(ch.URL, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	ch.SetWay(way)
	return upstream.New(ch, key, options)
}

// dialectDefaults is what is usual in a dialect.
type dialectDefaults struct {
	dialect   string
	at        string   // where dragoman is, without a path
	path      string   // what an address without a path lacks
	ends      []string // of addresses that are printed whole, which the transport adds itself
	model     string   // to ask when none is named
	remembers bool     // the server keeps the conversation
	system    bool     // there is a place for a system prompt
	pieces    bool     // messages come in pieces that end anywhere
}

// chatDialects are those that chat speaks. The first is what it speaks when none is named.
var chatDialects = []dialectDefaults{
	{dialect: "openai", at: "http://127.0.0.1:8080", path: "/v1", ends: []string{"/chat/completions"}, model: quickModel, system: true, pieces: true},
	{dialect: "anthropic", at: "http://127.0.0.1:8080", path: "/v1", ends: []string{"/messages"}, model: quickModel, system: true, pieces: true},
	{dialect: "responses", at: "http://127.0.0.1:8080", path: "/v1", ends: []string{"/responses"}, model: quickModel, system: true, pieces: true},
	{dialect: "gemini", at: "http://127.0.0.1:8080", path: "/v1beta", model: quickModel, system: true, pieces: true},
	{dialect: "ollama", at: "http://127.0.0.1:8080", ends: []string{"/api/chat", "/api"}, model: quickModel, system: true, pieces: true},
	{dialect: "rest", at: "http://127.0.0.1:8080", ends: []string{"/api/chat/stream", "/api/chat"}, remembers: true, pieces: true},
	{dialect: "chatnio", at: "ws://127.0.0.1:8080", ends: []string{"/chat"}, model: quickModel, remembers: true, system: true},
	{dialect: "iagent", at: "ws://127.0.0.1:8080", path: "/ws/v1/chat", remembers: true},
}

// dialectsOfChat are those that chat speaks, and among them those with a place for a system
// prompt.
func dialectsOfChat() (all, system []string) {
	for _, d := range chatDialects {
		all = append(all, d.dialect)
		if d.system {
			system = append(system, d.dialect)
		}
	}
	return all, system
}

// inWords is "a, b and c", or with another word before the last.
func inWords(all []string, word string) string {
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " " + word + " " + all[last]
}

func defaultsOf(dialect string) dialectDefaults {
	for _, d := range chatDialects {
		if d.dialect == dialect {
			return d
		}
	}
	return chatDialects[0] // the command line takes no other
}

// address is the base that a channel of the dialect wants, made of whatever was
// given: nothing, a host, or the address that a client of it is told.
func (c *chatCommand) address(h dialectDefaults) string {
	given := c.URL
	if given == "" {
		given = h.at
	}
	if !strings.Contains(given, "://") {
		given = h.at[:strings.Index(h.at, "://")+len("://")] + given
	}
	u, err := url.Parse(given)
	if err != nil {
		return given // which the channel refuses
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path == "" {
		u.Path = h.path
		return u.String()
	}
	for _, end := range h.ends {
		if rest, ok := strings.CutSuffix(u.Path, end); ok {
			u.Path = rest
			break
		}
	}
	return u.String()
}

// request is what all questions have in common.
func (c *chatCommand) request(h dialectDefaults) translate.Request {
	req := translate.Request{Dialect: c.Dialect, Model: c.Model, User: c.User, Stream: true}
	if req.Model == "" {
		req.Model = h.model
	}
	if c.System != "" {
		req.Messages = []translate.Message{translate.TextMessage(translate.RoleSystem, c.System)}
	}
	if h.remembers {
		// A chatnio socket that was lost is replaced and told everything, so that
		// this is true there too.
		req.Memory = translate.Memory{ID: c.User, InSync: true}
		if c.User == "" {
			req.Memory.ID = "me"
		}
	}
	return req
}

// chatSession is one run of the command.
type chatSession struct {
	up         upstream.Upstream
	view       *screen
	interrupts <-chan os.Signal
	prompts    bool              // somebody sits there
	base       translate.Request // its messages are what has been said so far

	last   string              // the last question
	before []translate.Message // what had been said before it
}

// serve asks line after line.
func (t *chatSession) serve(ctx context.Context, in io.Reader) error {
	done := make(chan struct{})
	defer close(done)
	lines, begin, restore := t.input(in, done)
	defer restore()
	failed := false
	for {
		if t.prompts {
			t.view.prompt()
			begin()
		}
		var l line
		select {
		case l = <-lines:
		case <-t.interrupts:
			l.end = io.EOF
		case <-ctx.Done():
			l.end = io.EOF
		}
		if l.end != nil || l.text == "/quit" {
			return t.finish(l.end, failed)
		}
		if strings.TrimSpace(l.text) == "" {
			continue
		}
		question := t.obey(l.text)
		if question == "" {
			continue
		}
		err := t.ask(ctx, question)
		if gone := t.view.gone(); gone != nil {
			return gone
		}
		if err != nil {
			failed = true
			t.view.fail(err)
		}
	}
}

// input returns the lines of in. Where somebody types them on a terminal, they can be edited, and
// those before are recalled with the arrow keys; begin then lets the next one be typed. restore
// leaves the terminal as it was.
func (t *chatSession) input(in io.Reader, done <-chan struct{}) (lines <-chan line, begin, restore func()) {
	nothing := func() {}
	f, ok := in.(*os.File)
	if !ok || !t.prompts || !isTerminal(t.view.err) {
		return readLines(in, done), nothing, nothing
	}
	restore, err := unechoed(f)
	if err != nil {
		return readLines(in, done), nothing, nothing
	}
	next := make(chan struct{}, 1)
	wide, _ := sizeOf(t.view.err)
	e := &lineEditor{out: t.view.err, prompt: t.view.paint(cyan, "> "), wide: wide}
	begin = func() {
		select {
		case next <- struct{}{}:
		default: // the line is still being typed
		}
	}
	return readKeys(f, e, next, done), begin, restore
}

func (t *chatSession) finish(end error, failed bool) error {
	if t.prompts {
		t.view.leave()
	}
	if end != nil && end != io.EOF {
		return fmt.Errorf("read the questions: %w", end)
	}
	if failed && !t.prompts {
		return errSaid
	}
	return nil
}

// ask puts one question and prints its answer. A turn that did not end well is
// not remembered here; whether a server remembers it is the server's business.
func (t *chatSession) ask(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-t.interrupts:
			cancel()
		case <-ctx.Done():
		}
	})
	t.remember(text)
	question := translate.TextMessage(translate.RoleUser, text)
	req := t.base
	req.Messages = append(t.base.Messages[:len(t.base.Messages):len(t.base.Messages)], question)
	stream, err := t.up.Open(ctx, &req)
	if err != nil {
		return err
	}
	// Before ctx ends, since a socket is kept only while that lives.
	defer func() { _ = stream.Close() }()
	answer, err := t.show(stream)
	t.view.endAnswer()
	if err != nil {
		return err
	}
	said := answer.Message()
	plain := req.Plain(&said, false)
	if plain != "" {
		t.base.Messages = append(req.Messages, translate.TextMessage(translate.RoleAssistant, plain))
	}
	t.view.remark(answer, plain == "")
	return nil
}

// show prints an answer piece by piece.
func (t *chatSession) show(stream translate.Stream) (*translate.Answer, error) {
	answer := &translate.Answer{}
	for t.view.gone() == nil {
		ev, err := stream.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		answer.Add(ev)
		t.view.event(&ev)
	}
	return answer, nil
}
