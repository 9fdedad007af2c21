package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// place is one of those that must know a dialect.
type place struct {
	path string // in which foo stands for its name
	what string // is there
	has  func(name string) bool
}

// placesOfADialect are all of them. ARCHITECTURE.md has the same list.
var placesOfADialect = []place{
	{"translate/foo/", "the codec, and its tests: `codectest`; in `benchmarks/micro/pair_test.go` its answers", func(name string) bool {
		return there("translate/foo/codec.go", "translate/foo/codec_test.go")(name) && mentions("benchmarks/micro/pair_test.go", "\t\"foo\": {")(name)
	}},
	{"translate/dialects/dialects.go", "its lines: the codec, its losses, the statuses of its failures", func(name string) bool {
		return slices.ContainsFunc(dialects.All, func(d translate.Dialect) bool { return d.Name() == name }) && dialects.Losses[name] != nil
	}},
	{"translate/dialects/testdata/", "`vendors/foo.txtar`: what both ends say, by hand; `-update` adds the transcripts; in `bulky_test.go` bodies of many parts", func(name string) bool {
		return transcribed(name) && mentions("translate/dialects/bulky_test.go", `"foo",`)(name)
	}},
	{"config/kinds.go", "the facts of its kind of channel; in `config.go` the comment of `Kind`; in `fronts.go` the `max_body` of its front, also in `check.go`", func(name string) bool {
		return config.KindOf(name).Dialect == name && mentions("docs/configuration.md", "foo,", "foo or mock")(name)
	}},
	{"proxy/upstream/kinds.go", "how such a channel is asked", opens},
	{"proxy/front/foo.go", "the front, and a line in `all.go`", func(name string) bool {
		return slices.ContainsFunc(front.All, func(f *front.Front) bool { return f.Name() == name }) && there("proxy/front/foo.go")(name)
	}},
	{"cmd/dragoman/chat.go", "what `dragoman chat` takes for granted", func(name string) bool {
		return slices.ContainsFunc(chatDialects, func(d dialectDefaults) bool { return d.dialect == name })
	}},
	{"internal/mockmodel/foo.go", "the scripted model, a line in `dialects.go`, its paths in `routes.go`", func(name string) bool {
		return slices.ContainsFunc(mockmodel.Dialects, func(d mockmodel.Dialect) bool { return d.Name == name }) && there("internal/mockmodel/foo.go")(name)
	}},
	{"internal/wiretest/world/foo.go", "a client that shares nothing with the codec, and a line in `fronts.go`", func(name string) bool {
		return slices.ContainsFunc(world.Fronts, func(client func(*world.World, string) world.Client) bool { return client(nil, "").Front() == name })
	}},
	{"proxy/front/failures_test.go", "what its clients see of each failure, and what its channels make of each; in `transcripts_test.go` a question", func(name string) bool {
		return mentions("proxy/front/failures_test.go", `"foo": f.foo`)(name) && mentions("proxy/front/transcripts_test.go", `case "foo":`)(name)
	}},
	{"docs/foo.md", "the page for those who use it; a row in `docs/fronts.md`, one in `docs/mock.md`", func(name string) bool {
		return there("docs/foo.md")(name) && mentions("docs/fronts.md", "(foo.md)")(name) && mentions("docs/mock.md", "| foo |")(name)
	}},
	{"docs/rules/foo.md", "its rules, and in `proxy/front/testdata/coverage/foo.txt` the tests of each", there("docs/rules/foo.md", "proxy/front/testdata/coverage/foo.txt", "docs/coverage/foo.md")},
	{"README.md", "its row in the table, and the link to its page", func(name string) bool {
		return mentions("README.md", "| `foo` |")(name) && mentions("README.md", "[foo](docs/foo.md)")(name)
	}},
}

// row is the place as ARCHITECTURE.md has it.
func (p *place) row() string { return "| `" + p.path + "` | " + p.what + " |" }

func inTree(path string) string { return filepath.Join("..", "..", path) }

// there tells whether files are, in whose paths foo stands for the name.
func there(paths ...string) func(string) bool {
	return func(name string) bool {
		return !slices.ContainsFunc(paths, func(path string) bool {
			_, err := os.Stat(inTree(strings.ReplaceAll(path, "foo", name)))
			return err != nil
		})
	}
}

// mentions tells whether a file has one of words, in which foo stands for the name.
func mentions(path string, words ...string) func(string) bool {
	return func(name string) bool {
		text, err := os.ReadFile(inTree(path))
		return err == nil && slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(string(text), strings.ReplaceAll(w, "foo", name))
		})
	}
}

// transcribed tells whether there is a transcript with every dialect at the other end.
func transcribed(name string) bool {
	if !there("translate/dialects/testdata/vendors/foo.txtar")(name) {
		return false
	}
	for _, other := range dialects.All {
		if !there("translate/dialects/testdata/vendors/foo.txtar")(other.Name()) {
			continue // which is told of that one
		}
		if !there("translate/dialects/testdata/foo-from-"+other.Name()+".txtar", "translate/dialects/testdata/"+other.Name()+"-from-foo.txtar")(name) {
			return false
		}
	}
	return true
}

// opens tells whether channels of the kind can be made.
func opens(name string) bool {
	kind := config.KindOf(name)
	if len(kind.Schemes) == 0 {
		return false
	}
	up, err := upstream.New(&config.Channel{ID: "a", Kind: name, URL: kind.Schemes[0] + "://127.0.0.1:1", Agent: "a"}, "key", upstream.Options{})
	if err != nil {
		return false
	}
	return up.Close() == nil
}

// Whoever adds a dialect begins with any of the places, and is told the others. A dialect is
// one that any table knows.
func TestADialectIsInEveryTable(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range dialects.All {
		names = append(names, d.Name())
	}
	for _, k := range config.Kinds {
		if k.Dialect == k.Name {
			names = append(names, k.Name)
		}
	}
	for _, f := range front.All {
		names = append(names, f.Name())
	}
	for _, d := range mockmodel.Dialects {
		names = append(names, d.Name)
	}
	for _, d := range chatDialects {
		names = append(names, d.dialect)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		var missing []string
		for _, p := range placesOfADialect {
			if !p.has(name) {
				missing = append(missing, strings.ReplaceAll(p.row(), "foo", name))
			}
		}
		if len(missing) > 0 {
			t.Errorf("%s is still missing from:\n%s", name, strings.Join(missing, "\n"))
		}
	}
}

func TestTheListOfADialectsPlacesIsThatOfTheArchitecture(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(inTree("ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, p := range placesOfADialect {
		rows = append(rows, p.row())
	}
	_, list, _ := strings.Cut(string(text), "| a dialect | has there |\n|---|---|\n")
	list, _, _ = strings.Cut(list, "\n\n")
	if want := strings.Join(rows, "\n"); list != want {
		t.Errorf("ARCHITECTURE.md has another list of places than placesOfADialect, which is:\n%s", want)
	}
}

// A place that knows every name would never be missing.
func TestEveryPlaceMissesADialectThatIsNone(t *testing.T) {
	t.Parallel()
	for _, p := range placesOfADialect {
		if p.has("nonesuch") {
			t.Errorf("%s knows a dialect that is none", p.path)
		}
	}
}

func TestTheHelpNamesEveryDialectOfClients(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, environment{in: strings.NewReader(""), out: &out, err: &out}); code != 0 {
		t.Fatalf("%d %s", code, &out)
	}
	for _, f := range front.All {
		if !strings.Contains(out.String(), f.Name()) {
			t.Errorf("%s is not in %s", f.Name(), &out)
		}
	}
}
