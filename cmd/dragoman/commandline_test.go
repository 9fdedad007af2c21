package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// readLine reads args as run does. variables are the environment.
func readLine(variables map[string]string, args ...string) (named command, out, said string, err error) {
	var o, e bytes.Buffer
	named, err = newCommandLine(environment{out: &o, err: &e}, "About.", commands).read(args, func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
	return named, o.String(), e.String(), err
}

func TestACommandLineNamesACommandAndItsValues(t *testing.T) {
	t.Parallel()
	chat := func(c chatCommand) *chatCommand {
		if c.Dialect == "" {
			c.Dialect = "openai"
		}
		return &c
	}
	for _, c := range []struct {
		args string // with _ for an empty one
		want command
	}{
		{"", &serveCommand{}},
		{"-c a.yaml -v --listen :1", &serveCommand{File: "a.yaml", Listen: ":1", Verbose: true}},
		{"serve -c a.yaml", &serveCommand{File: "a.yaml"}},
		{"-ca.yaml", &serveCommand{File: "a.yaml"}},
		{"-c=a.yaml", &serveCommand{File: "a.yaml"}},
		{"--config=a.yaml", &serveCommand{File: "a.yaml"}},
		{"-vc a.yaml", &serveCommand{File: "a.yaml", Verbose: true}},
		{"-v -c a.yaml serve", &serveCommand{File: "a.yaml", Verbose: true}},
		{"-c a.yaml serve -c b.yaml", &serveCommand{File: "b.yaml"}},
		{"-c serve serve", &serveCommand{File: "serve"}},
		{"serve -vv", &serveCommand{Verbose: true}},
		{"serve --", &serveCommand{}},
		{"check", &checkCommand{File: "dragoman.yaml"}},
		{"check -c a.yaml -c b.yaml --url http://h --token t --cert c --cert-key k", &checkCommand{File: "b.yaml", operators: operators{URL: "http://h", Token: "t", identity: identity{Cert: "c", Key: "k"}}}},
		{"check -c _", &checkCommand{}},
		{"check --config=", &checkCommand{}},
		{"key add ada", &keyAddCommand{Name: "ada"}},
		{"key add ada --models a,b --models c --limits l -c a.yaml --group g --expires 1h", &keyAddCommand{
			keyFile: keyFile{"a.yaml"}, Name: "ada", Group: "g", Models: []string{"a", "b", "c"}, Limits: []string{"l"}, Expires: "1h"}},
		{"key add --models _ --limits a, ada", &keyAddCommand{Name: "ada", Limits: []string{"a"}}},
		{"key add _", &keyAddCommand{}},
		{"key list -c a.yaml", &keyListCommand{keyFile{"a.yaml"}}},
		{"key revoke -c a.yaml -- -1", &keyRevokeCommand{keyFile: keyFile{"a.yaml"}, ID: "-1"}},
		{"store copy a --resume b", &storeCopyCommand{From: "a", To: "b", Resume: true}},
		{"store compact --config a.yaml", &storeCompactCommand{keyFile{"a.yaml"}}},
		{"chat", chat(chatCommand{})},
		{"chat --dialect rest --url u --key k -m m --system s --user a --raw", chat(chatCommand{Dialect: "rest", URL: "u", Key: "k", Model: "m", System: "s", User: "a", Raw: true})},
		{"chat --model _ --raw=yes", chat(chatCommand{Raw: true})},
		{"chat --raw --raw=no --model=-x --key=--raw", chat(chatCommand{Model: "-x", Key: "--raw"})},
		{"chat --model - --url chat --user serve", chat(chatCommand{Model: "-", URL: "chat", User: "serve"})},
		{"explain", &explainCommand{}},
		{"explain id --nth 0x10 --json --caller c", &explainCommand{Request: "id", Nth: 16, JSON: true, Caller: "c"}},
		{"explain --nth=-1 --model m --front rest --endpoint /v1 -c f --url u", &explainCommand{Nth: -1, Model: "m", Front: "rest", Endpoint: "/v1", File: "f", operators: operators{URL: "u"}}},
		{"explain -- -x", &explainCommand{Request: "-x"}},
		{"top --once -c f --url u --token t", &topCommand{Once: true, File: "f", operators: operators{URL: "u", Token: "t"}}},
		{"mock", &mockCommand{Listen: "127.0.0.1:8090"}},
		{`mock -q --listen :1 --key a,b --key c\,d`, &mockCommand{Listen: ":1", Quiet: true, Key: []string{"a", "b", "c,d"}}},
		{"version", versionCommand{}},
		{"--version", versionCommand{}},
		{"--version serve", versionCommand{}},
	} {
		args := strings.Fields(c.args)
		for i := range args {
			args[i] = strings.TrimPrefix(args[i], "_")
		}
		got, out, said, err := readLine(nil, args...)
		if err != nil || !reflect.DeepEqual(got, c.want) || out+said != "" {
			t.Errorf("dragoman %s: %T %+v, want %T %+v; error %v; printed %q", c.args, got, got, c.want, c.want, err, out+said)
		}
	}
}

func TestVariablesStandForFlagsThatAreNotThere(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"DRAGOMAN_KEY": "k", "DRAGOMAN_ADMIN_TOKEN": "t", "DRAGOMAN_ADMIN_CERT": "c", "DRAGOMAN_ADMIN_CERT_KEY": "ck"}
	for args, want := range map[string]command{
		"chat":             &chatCommand{Dialect: "openai", Key: "k"},
		"chat --key=":      &chatCommand{Dialect: "openai"},
		"chat --key flag":  &chatCommand{Dialect: "openai", Key: "flag"},
		"check":            &checkCommand{File: "dragoman.yaml", operators: operators{Token: "t", identity: identity{Cert: "c", Key: "ck"}}},
		"explain":          &explainCommand{operators: operators{Token: "t", identity: identity{Cert: "c", Key: "ck"}}},
		"top --token flag": &topCommand{operators: operators{Token: "flag", identity: identity{Cert: "c", Key: "ck"}}},
		"mock":             &mockCommand{Listen: "127.0.0.1:8090"},
	} {
		if got, _, _, err := readLine(variables, strings.Fields(args)...); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("dragoman %s: %+v, want %+v (%v)", args, got, want, err)
		}
	}
}

func TestArgumentsWithoutSenseAreRefusedInWords(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"chekc":                    `unknown command "chekc", did you mean "check"?`,
		"Chat":                     `unknown command "Chat", did you mean "chat"?`,
		"exp":                      `unknown command "exp", did you mean "explain"?`,
		"nonsense -c a.yaml":       `unknown command "nonsense"`,
		"-vc a.yaml check":         "unexpected argument check",
		"serve foo":                "unexpected argument foo",
		"version x":                "unexpected argument x",
		"check -":                  "unexpected argument -",
		"key":                      `expected one of "add", "list", "revoke"`,
		"key ad":                   `unknown command "ad", did you mean "add"?`,
		"key --config x add":       "unknown flag --config",
		"store coyp a b":           `unknown command "coyp", did you mean "copy"?`,
		"key add":                  `expected "<name>"`,
		"key add a b":              "unexpected argument b",
		"store copy":               `expected "<from> <to>"`,
		"store copy a":             `expected "<to>"`,
		"help chekc":               `unknown command "chekc", did you mean "check"?`,
		"help key ad":              `unknown command "ad", did you mean "add"?`,
		"help chat foo":            "chat has no commands",
		"completion":               `expected "<shell>"`,
		"completion tcsh":          `<shell> must be one of "bash","zsh","fish" but got "tcsh"`,
		"--bogus":                  "unknown flag --bogus",
		"--lisen :1":               `unknown flag --lisen, did you mean "--listen"?`,
		"chat --modle x":           `unknown flag --modle, did you mean "--model"?`,
		"chat --r":                 `unknown flag --r, did you mean "--raw"?`,
		"chat -M x":                `unknown flag -M, did you mean "-m"?`,
		"chat -x":                  "unknown flag -x",
		"chat --bogus --help":      "unknown flag --bogus",
		"chat --=x":                "bad flag syntax: --=x",
		"chat --dialect foo":       `--dialect must be one of "openai","anthropic","responses","gemini","ollama","rest","chatnio","iagent" but got "foo"`,
		"chat --dialect=":          `--dialect must be one of "openai","anthropic","responses","gemini","ollama","rest","chatnio","iagent" but got ""`,
		"chat --dialect":           "--dialect must have a value",
		"chat -m":                  "--model must have a value",
		"chat --model --raw":       `--model must have a value but got "--raw"; perhaps try --model="--raw"?`,
		"chat --raw -m -x":         `--model must have a value but got "-x"; perhaps try --model="-x"?`,
		"serve -vc --listen":       `--config must have a value but got "--listen"; perhaps try --config="--listen"?`,
		"chat --raw=maybe":         `--raw must be true, yes or 1, or false, no or 0, but got "maybe"`,
		"explain --nth x":          `--nth must be a whole number but got "x"`,
		"explain --nth -1":         `--nth must have a value but got "-1"; perhaps try --nth="-1"?`,
		"-c a.yaml check":          `flag --config applies to the default command "serve", not "check"`,
		"--listen :1 key list":     `flag --listen applies to the default command "serve", not "list"`,
		"explain --request-id a":   "unknown flag --request-id",
		"mock --listen":            "--listen must have a value",
		"chat --help=perhaps":      `--help must be true, yes or 1, or false, no or 0, but got "perhaps"`,
		"version --verison":        "unknown flag --verison",
		"store --resume copy a b":  "unknown flag --resume",
		"-- serve":                 "unexpected argument serve",
		"serve -v --verbose=2 -c_": `--verbose must be true, yes or 1, or false, no or 0, but got "2"`,
	} {
		var out, said bytes.Buffer
		code := run(t.Context(), strings.Fields(args), environment{in: strings.NewReader(""), out: &out, err: &said})
		if code != 2 || said.String() != "dragoman: "+want+"\n" || out.Len() > 0 {
			t.Errorf("dragoman %s: exit code %d, %q, want %q; printed %q", args, code, &said, want, &out)
		}
	}
}

func TestTheHelpOfACommandIsTheSameInAllWays(t *testing.T) {
	t.Parallel()
	l := newCommandLine(environment{}, "About.", commands)
	if len(l.leaves) < 14 {
		t.Fatalf("only %d commands", len(l.leaves))
	}
	for _, cmd := range append([]*cobra.Command{l.root, l.leaves[2].Parent()}, l.leaves...) {
		words := strings.Fields(cmd.CommandPath())[1:]
		_, want, _, err := readLine(nil, append(words, "--help")...)
		if err != nil || !strings.HasPrefix(want, "Usage: "+cmd.CommandPath()) || !strings.Contains(want, strings.Fields(cmd.Short)[0]) {
			t.Errorf("dragoman %s --help: %v: %s", words, err, want)
		}
		if _, got, said, err := readLine(nil, append(words, "-h")...); got != want || said != "" || err != nil {
			t.Errorf("dragoman %s -h: %q %v: %s", words, said, err, got)
		}
		var out, said bytes.Buffer
		if code := run(t.Context(), append([]string{"help"}, words...), environment{out: &out, err: &said}); code != 0 || cmd != l.root && out.String() != want || said.Len() > 0 {
			t.Errorf("dragoman help %s: exit code %d %s: %s", words, code, &said, &out)
		}
		for _, f := range l.flagsOf(cmd) {
			if !strings.Contains(want, "--"+f.Name) {
				t.Errorf("dragoman %s --help is silent on --%s", words, f.Name)
			}
		}
	}
}

// The help of these is what TestTheHelpIsAsItWas has by heart.
const helpOfCheck = `Usage: dragoman check [flags]

Say what is wrong with a configuration file.

Flags:
  -h, --help                      Show context-sensitive help.

  -c, --config="dragoman.yaml"    The configuration file.
      --url=STRING                The operators' address of a running gateway,
                                  such as http://127.0.0.1:8081, instead of the
                                  file's.
      --token=STRING              Its token, instead of the file's or the one
                                  beside the store ($DRAGOMAN_ADMIN_TOKEN).
      --cert=STRING               The PEM file of your certificate, where the
                                  gateway has admin.client_ca
                                  ($DRAGOMAN_ADMIN_CERT).
      --cert-key=STRING           The PEM file of its key
                                  ($DRAGOMAN_ADMIN_CERT_KEY).
`

const helpOfKey = `Usage: dragoman key <command>

Make, list and revoke keys of callers in the store, also while a server runs on
it.

Flags:
  -h, --help    Show context-sensitive help.

Commands:
  key add <name> [flags]
    Make a key and print it, this once.

  key list [flags]
    List the keys in the store, without what they are.

  key revoke <id> [flags]
    Revoke a key by its id. A running server refuses it within two seconds.
`

const helpOfCopy = `Usage: dragoman store copy <from> <to> [flags]

Copy everything into an empty store of another kind, and compare both.

Arguments:
  <from>    The store to copy, as store.url names it: sqlite:PATH or
            postgres://…. $NAME is that variable of the environment.
  <to>      The empty store to copy into.

Flags:
  -h, --help      Show context-sensitive help.

      --resume    Go on with a copy that was stopped.
`

func TestTheHelpHasItsFormAndNoValueOfAVariable(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"DRAGOMAN_KEY": "a-secret", "DRAGOMAN_ADMIN_TOKEN": "a-secret", "DRAGOMAN_ADMIN_CERT": "a-secret", "DRAGOMAN_ADMIN_CERT_KEY": "a-secret"}
	for args, want := range map[string]string{"check -h": helpOfCheck, "key -h": helpOfKey, "store copy -h": helpOfCopy} {
		if _, got, _, _ := readLine(secrets, strings.Fields(args)...); got != want {
			t.Errorf("dragoman %s prints\n%s\nwant\n%s", args, got, want)
		}
	}
	for _, args := range []string{"-h", "chat -h", "check --token a-secret -h", "chat --key a-secret -h", "top -h", "explain -h", "__complete chat --"} {
		named, out, said, err := readLine(secrets, strings.Fields(args)...)
		if named != nil || err != nil || out == "" || strings.Contains(out+said, "a-secret") {
			t.Errorf("dragoman %s: %v %v %s%s", args, named, err, out, said)
		}
	}
}

func TestAShellIsToldOfCommandsFlagsAndDialects(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"__complete ch":                {"check\t", "chat\t", ":4\n"},
		"__complete key ":              {"add\t", "list\t", "revoke\t", ":4\n"},
		"__complete chat --dialect re": {"responses\n", "rest\n", ":4\n"},
		"__complete chat --r":          {"--raw\t", ":4\n"},
		"__complete check -c ":         {":0\n"}, // files
		"__complete completion ":       {"bash\n", "zsh\n", "fish\n", ":4\n"},
	} {
		named, out, _, err := readLine(nil, strings.Split(args, " ")...)
		for _, part := range want {
			if named != nil || err != nil || !strings.Contains(out, part) {
				t.Errorf("dragoman %s lacks %q: %q %v", args, part, out, err)
			}
		}
	}
	for _, shell := range shells {
		var out, said bytes.Buffer
		if code := run(t.Context(), []string{"completion", shell}, environment{out: &out, err: &said}); code != 0 || said.Len() > 0 || !strings.Contains(out.String(), "__complete") {
			t.Errorf("dragoman completion %s: exit code %d, %s", shell, code, &said)
		}
	}
}

func TestACommandThatFailsEndsWithOne(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	missing := filepath.Join(t.TempDir(), "none.yaml")
	code := run(t.Context(), []string{"-c", missing}, environment{in: strings.NewReader(""), out: &out, err: &said, hangups: make(chan os.Signal), handovers: make(chan os.Signal)})
	if want := fmt.Sprintf("dragoman: open %s: no such file or directory\n", missing); code != 1 || said.String() != want {
		t.Errorf("exit code %d, %q, want %q", code, &said, want)
	}
	out.Reset()
	if code := run(context.Background(), []string{"--version"}, environment{out: &out, err: &said}); code != 0 || !strings.HasPrefix(out.String(), "dragoman "+version) {
		t.Errorf("exit code %d, %q", code, &out)
	}
}
