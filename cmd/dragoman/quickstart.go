package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// quickModel is the model that a quick start can always answer with.
const quickModel = "mock"

// quickStart is what serves without a file: the scripted model, conversations in
// SQLite, anonymous callers on that model only and only a few questions at a time, a demo key, and the vendors whose
// keys lookup finds.
func quickStart(lookup func(string) (string, bool)) (*config.Config, string, error) {
	demo := ids.New("sk-")
	text := &strings.Builder{}
	fmt.Fprintf(text, "callers:\n  anonymous: {models: [%s, default], limits: public}\n  keys: [{name: demo, key: %s}]\n", quickModel, demo)
	fmt.Fprintln(text, "hosts: [localhost]\ntrusted_proxies: []")
	fmt.Fprintln(text, "limits: {public: {requests: 20/m, concurrent: 2}}")
	fmt.Fprintf(text, "presets: {default: {model: %s}}\n", quickModel)
	fmt.Fprintf(text, "channels:\n  - {id: mock, kind: mock, models: [%s, recall, {name: slow, upstream: long-40-slow-50}]}\n", quickModel)
	if _, ok := lookup("OPENAI_API_KEY"); ok {
		fmt.Fprintln(text, `  - {id: openai, kind: openai, url: "https://api.openai.com/v1", keys: ["${OPENAI_API_KEY}"], models: [gpt-5, gpt-5-mini, gpt-4.1, gpt-4.1-mini, gpt-4o, gpt-4o-mini]}`)
	}
	if _, ok := lookup("ANTHROPIC_API_KEY"); ok {
		fmt.Fprintln(text, `  - {id: anthropic, kind: anthropic, url: "https://api.anthropic.com/v1", keys: ["${ANTHROPIC_API_KEY}"], models: [claude-sonnet-4-5, claude-haiku-4-5, claude-opus-4-1]}`)
	}
	conf, err := config.Load([]byte(text.String()), "quick start", lookup)
	return conf, demo, err
}

// letSignIn lets the login of chatnio's web application take the name and the key of a quick
// start. What its tokens are signed with is kept beside the store, for its owner only.
func letSignIn(conf *config.Config) error {
	secret, _, err := admin.EnsureToken(admin.FileBeside(storeFile(conf.Store.URL), "jwt-secret"))
	if err != nil {
		return fmt.Errorf("the secret of the quick start: %w", err)
	}
	conf.Callers.JWT = &config.JWT{Secret: secret}
	return nil
}

// greet says where the fronts are and, for a quick start, how to try them: every
// line works as it is printed.
func greet(w io.Writer, conf *config.Config, addr, demo string) {
	http, ws := "http://", "ws://"
	if conf.TLS.Cert != "" {
		http, ws = "https://", "wss://"
	}
	base, sock := http+addr+conf.Prefix, ws+addr+conf.Prefix
	fmt.Fprint(w, "dragoman is listening.\n\n")
	for _, f := range front.All {
		fmt.Fprintf(w, "  %-11s %s\n", f.Name(), f.Entry(addr+conf.Prefix, conf.TLS.Cert != ""))
	}
	if demo == "" {
		return
	}
	fill := strings.NewReplacer("BASE", base, "SOCK", sock, "KEY", demo, "MODEL", quickModel, "DRAGOMAN", invocation())
	fmt.Fprint(w, fill.Replace(`
No configuration file: a built-in model answers, conversations are in dragoman.db.
The key KEY was made for you; the model "MODEL" needs none for a few questions a minute.
The web application of chatnio signs in as demo, with this key as the password (docs/recipes/chatnio-web.md).

Try it from another terminal:

  curl -N BASE/v1/chat/completions -H 'Content-Type: application/json' -d '{"model":"MODEL","stream":true,"messages":[{"role":"user","content":"hi"}]}'

  curl -N BASE/v1/responses -H 'Content-Type: application/json' -d '{"model":"MODEL","stream":true,"input":"hi"}'

  curl -N BASE/v1/messages -H 'anthropic-version: 2023-06-01' -H 'Content-Type: application/json' -d '{"model":"MODEL","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}'

  curl -N 'BASE/v1beta/models/MODEL:streamGenerateContent?alt=sse' -H 'Content-Type: application/json' -d '{"contents":[{"parts":[{"text":"hi"}]}]}'

  curl -N BASE/api/chat -H 'Content-Type: application/json' -d '{"model":"MODEL","messages":[{"role":"user","content":"hi"}]}'

  curl -N BASE/api/chat/stream -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"message":"hi","userId":"me"}'

  echo hi | DRAGOMAN chat --dialect chatnio --url SOCK --key KEY --model MODEL

  echo hi | DRAGOMAN chat --dialect iagent --url SOCK/ws/v1/chat --key KEY

Your own channels go into dragoman.yaml; see docs/configuration.md.
`))
}

// invocation is how this program can be called again from the same folder.
func invocation() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/dragoman"
	}
	return os.Args[0]
}
