package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected messages and the reference")

// lookup knows the variables of the tests: TOKEN, EMPTY, HARD (what YAML and a
// second replacement would choke on), NUMBER, and LINES.
func lookup(name string) (string, bool) {
	v, ok := map[string]string{
		"TOKEN": "s3cr3t-token", "EMPTY": "", "HARD": "a: [b, \"c\"] # ${TOKEN} \\ '", "NUMBER": "7", "LINES": "s3cr3t\n",
		"DRAGOMAN_ADMIN_TOKEN": "s3cr3t-admin", "CHATNIO_JWT_SECRET": "s3cr3t-jwt",
		"OPENAI_API_KEY": "s3cr3t-openai", "ANTHROPIC_API_KEY": "s3cr3t-anthropic",
	}[name]
	return v, ok
}

func TestLimitsAreNamedByOneNameOrAList(t *testing.T) {
	t.Parallel()
	c := load(t, "limits: {a: {concurrent: 1}, b: {concurrent: 2, per: model}}\ncallers: {limits: b, anonymous: {limits: [a, b]}}")
	if !slices.Equal(c.Callers.Limits, Names{"b"}) || !slices.Equal(c.Callers.Anonymous.Limits, Names{"a", "b"}) || c.Limits["b"].Per != "model" {
		t.Errorf("%v, %v", c.Callers, c.Limits)
	}
	const limits = "limits: {a: {per: nobody}, b: {shared: true, per: user}}\n"
	lookup := func(string) (string, bool) { return "", false }
	_, err := Load([]byte(limits+"callers: {limits: [a, a, c], anonymous: {limits: [a, b, a, b, a, b]}}"), "f", lookup)
	for _, want := range []string{
		"limits.a.per", `callers.limits[1]`, "stands here already", `callers.limits[2]`, "limits has no", "limits.b.shared", "callers.anonymous.limits: is too long",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func load(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Load([]byte(text), "test.yaml", lookup)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheExampleLoadsAsItStands(t *testing.T) {
	t.Parallel()
	c := load(t, Example())
	if len(c.Channels) != 5 || c.Channels[0].Keys[0] != "s3cr3t-openai" || c.Admin.Token != "s3cr3t-admin" {
		t.Errorf("channels %+v, admin %+v", c.Channels, c.Admin)
	}
	if want := []Model{{Name: "large", Upstream: "large"}, {Name: "small", Upstream: "gpt-4o-mini"}}; !reflect.DeepEqual(c.Channels[0].Models, want) {
		t.Errorf("models %v, want %v", c.Channels[0].Models, want)
	}
	if want := (Rate{200000, time.Minute}); c.Limits["standard"].Tokens != want {
		t.Errorf("tokens %v, want %v", c.Limits["standard"].Tokens, want)
	}
	if k := c.Callers.Keys[1]; k.Group != "gold" || !slices.Equal(k.Limits, Names{"standard"}) || k.Name != "desk" {
		t.Errorf("second key %+v", k)
	}
}

func TestTheExampleDoesNotLoadWithoutItsVariables(t *testing.T) {
	t.Parallel()
	_, err := Load([]byte(Example()), "dragoman.yaml", func(string) (string, bool) { return "", false })
	var all *Problems
	if !errors.As(err, &all) || len(all.All) != 4 {
		t.Fatalf("got %v", err)
	}
	if want := "dragoman.yaml:4: admin.token: the variable DRAGOMAN_ADMIN_TOKEN is not set"; all.All[0].In(all.File) != want {
		t.Errorf("got %s, want %s", all.All[0].In(all.File), want)
	}
}

// Each file of testdata/bad holds a config and the messages that it earns, each
// of testdata/good one.
func TestFilesEarnTheirMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"good", "bad"} {
		files, err := filepath.Glob("testdata/" + kind + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of kind %s: %v", kind, err)
		}
		for _, file := range files {
			t.Run(kind+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				earns(t, kind, file)
			})
		}
	}
}

// The two sections of a txtar file here.
const (
	fileMark     = "-- file --\n"
	messagesMark = "-- messages --\n"
)

func sections(t testing.TB, file string) (head, text, messages string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(raw), fileMark)
	text, messages, also := strings.Cut(rest, messagesMark)
	if !found || !also {
		t.Fatalf("%s lacks a section", file)
	}
	return head, text, messages
}

func earns(t *testing.T, kind, file string) {
	head, text, want := sections(t, file)
	// What this package does not know is told in the order of the file, like all else.
	also := Check{"store.url", func(c *Config) string {
		if strings.HasPrefix(c.Store.URL, "postgres:") {
			return "is not good here"
		}
		return ""
	}}
	c, err := Load([]byte(text), "f", lookup, also)
	got := ""
	if (err == nil) != (kind == "good") || (c == nil) == (err == nil) {
		t.Fatalf("Load says: %v", err)
	}
	if err != nil {
		got = err.Error() + "\n"
	}
	if strings.Contains(got, "s3cr3t") {
		t.Errorf("a secret is in the messages:\n%s", got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+fileMark+text+messagesMark+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (- want, + got):\n%s", diff)
	}
}

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, "# nothing\n")
	if c.Listen != "127.0.0.1:8080" || c.Admin.Listen != "127.0.0.1:8081" || c.Store.URL != "sqlite:dragoman.db" || c.Balance != "p2c" {
		t.Errorf("got %+v", c)
	}
	if want := (Timeouts{Connect: 3 * time.Second, Gap: 30 * time.Second, Total: 10 * time.Minute}); c.Timeouts != want {
		t.Errorf("timeouts %+v, want %+v", c.Timeouts, want)
	}
	if c.Drain != 30*time.Second || c.Rest.MaxBody != 1<<20 || c.OpenAI.MaxBody != 32<<20 || c.IAgent != (IAgent{"always", "agent", 5 * time.Minute, 64}) || c.Chatnio.Sockets != 4096 || c.Bodies != 256<<20 {
		t.Errorf("got %+v", c)
	}
	d := Default()
	d.from = c.from
	if !reflect.DeepEqual(c, d) {
		t.Errorf("Default() is %+v, an empty file %+v", d, c)
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestAChannelHasDefaultsAndTakesTheGlobalTimeouts(t *testing.T) {
	t.Parallel()
	c := load(t, `
timeouts: {connect: 1s, headers: 5s, first: 7s}
drain: 0s
channels:
- {id: a, kind: mock, models: [m], timeouts: {first: auto, gap: 2s}}
`)
	ch := c.Channels[0]
	want := Timeouts{Connect: time.Second, Headers: AutoDuration(5 * time.Second), Gap: 2 * time.Second, Total: 10 * time.Minute}
	if ch.Timeouts != want {
		t.Errorf("timeouts %+v, want %+v", ch.Timeouts, want)
	}
	if ch.Tier != 1 || ch.Weight != 1 || ch.Connections != 4 || ch.Replay == nil || !*ch.Replay || ch.OnLeave != "cancel" || ch.Transport != "http1" {
		t.Errorf("got %+v", ch)
	}
	if c.Drain != 0 {
		t.Errorf("an explicit drain of 0s became %v", c.Drain)
	}
}

func TestVariablesAreReplacedOnceAndNeverReadAsYAML(t *testing.T) {
	t.Parallel()
	c := load(t, `
listen: ":8${NUMBER}"
admin: {token: "<${HARD}>"}
presets:
  p: {model: m, system: "$${TOKEN} costs $5, ${NUMBER}${NUMBER} $$ $"}
channels: [{id: a, kind: mock, models: [m], weight: "${NUMBER}"}]
`)
	hard, _ := lookup("HARD")
	if c.Admin.Token != "<"+hard+">" {
		t.Errorf("token %q", c.Admin.Token)
	}
	if want := "${TOKEN} costs $5, 77 $$ $"; c.Presets["p"].System != want {
		t.Errorf("system %q, want %q", c.Presets["p"].System, want)
	}
	if c.Listen != ":87" || c.Channels[0].Weight != 7 {
		t.Errorf("listen %q, weight %d", c.Listen, c.Channels[0].Weight)
	}
}

func TestAnchorsAliasesAndMergeKeysWork(t *testing.T) {
	t.Parallel()
	c := load(t, `
limits:
  a: &a {requests: 5/s, concurrent: 3}
  b: {<<: *a, concurrent: 9}
  c: {concurrent: 8, <<: [*a]}
`)
	rate := Rate{5, time.Second}
	want := map[string]Limit{"a": {Requests: rate, Concurrent: 3}, "b": {Requests: rate, Concurrent: 9}, "c": {Requests: rate, Concurrent: 8}}
	if diff := cmp.Diff(want, c.Limits); diff != "" {
		t.Error(diff)
	}
}

func TestAliasesThatMultiplyAreRefused(t *testing.T) {
	t.Parallel()
	text := "presets: &a {x: {model: m}}\n"
	list := "*a, *a, *a, *a, *a, *a, *a, *a, *a"
	text += "trusted_proxies:\n- &a [x]\n"
	for _, n := range []string{"b", "c", "d", "e", "f", "g", "h"} {
		text += "- &" + n + " [" + list + "]\n"
		list = strings.ReplaceAll(list, list[1:2], n)
	}
	if _, err := Load([]byte(text), "f", lookup); err == nil {
		t.Error("was taken")
	}
	if _, err := Load([]byte("limits: &a {x: *a}\n"), "f", lookup); err == nil {
		t.Error("an alias of itself was taken")
	}
	if _, err := Load([]byte("limits: &a {<<: *a}\n"), "f", lookup); err == nil {
		t.Error("a merge with itself was taken")
	}
}

func TestScalarsHaveTheirUnits(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"1MiB", "1024KiB", "1048576", "1 MiB"} {
		if c := load(t, "rest: {max_body: "+size+"}"); c.Rest.MaxBody != 1<<20 {
			t.Errorf("%s is %d", size, c.Rest.MaxBody)
		}
	}
	for text, want := range map[string]time.Duration{"90d": 2160 * time.Hour, "0": 0, "0d": 0, "36h": 36 * time.Hour} {
		if c := load(t, "store: {keep: "+text+"}"); c.Store.Keep != want {
			t.Errorf("%s is %v", text, c.Store.Keep)
		}
	}
	for text, per := range map[string]time.Duration{"20/s": time.Second, "20/m": time.Minute, "20/h": time.Hour, "20/d": 24 * time.Hour} {
		if c := load(t, "limits: {a: {requests: "+text+"}}"); c.Limits["a"].Requests != (Rate{20, per}) {
			t.Errorf("%s is %v", text, c.Limits["a"].Requests)
		}
	}
}

func TestAConfigMadeInCodeIsCheckedToo(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Channels = []Channel{{ID: "a", Kind: "openai", Models: []Model{{Name: "m"}}, Tier: 1, Weight: -1, Connections: 1, Transport: "http1", OnLeave: "cancel"}}
	err := c.Validate()
	if err == nil || err.Error() != ": channels[0].url: is missing\n: channels[0].weight: must be at least 1" {
		t.Errorf("got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Example())
	files, _ := filepath.Glob("testdata/*/*.txtar")
	for _, file := range files {
		_, text, _ := sections(f, file)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range") || strings.Count(text, "[")+strings.Count(text, "{") > 2000 {
			t.Skip("loops of a template and the parser's quadratic time are not what this looks for")
		}
		c, err := Load([]byte(text), "f", lookup)
		if (c == nil) == (err == nil) {
			t.Fatalf("Config %v, error %v", c, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") && !strings.Contains(text, "s3cr3t") {
			t.Fatalf("a secret in %v", err)
		}
		if c != nil {
			if err := c.Validate(); err != nil {
				t.Fatalf("was taken, then refused: %v", err)
			}
		}
	})
}
