package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// pure is what translate and its dialects may use of the standard library:
// packages that read no clock, start nothing and reach nothing outside. time is
// for durations; that its clock is left alone is checked apart.
var pure = []string{
	"bytes", "cmp", "crypto/sha256", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "io", "iter", "maps", "math", "math/bits",
	"regexp", "slices", "sort", "strconv", "strings", "sync", "time", "unicode", "unicode/utf16", "unicode/utf8",
}

// mayImport says which packages of this module a package may import, by their
// paths; /... stands for a package and all below it. What is not named here, such
// as cmd, may import everything. The first pattern that fits counts.
var mayImport = []struct {
	who  string
	what []string
}{
	{"translate", []string{"internal/jsonx"}},
	{"translate/dialects", []string{"translate/..."}},
	{"translate/...", []string{"translate", "internal/jsonx"}},
	{"config", []string{"internal/fold", "internal/spell"}},
	{"config/revision", []string{"config"}},
	{"proxy/balance", nil},
	{"proxy/auth", []string{"translate", "limiter", "store", "config", "internal/ids", "internal/keyset"}},
	{"proxy/answercache", []string{"translate"}},
	{"proxy/capture", []string{"translate"}},
	{"proxy/admission", []string{"translate", "limiter", "store", "config", "proxy/auth", "proxy/fairqueue"}},
	{"proxy/fairqueue", nil},
	{"proxy/metrics", []string{"translate"}},
	{"proxy/proxytest", []string{"translate"}},
	{"proxy/journal", []string{"translate", "limiter", "store", "config"}},
	{"proxy/channel", []string{"translate", "config", "internal/fold", "proxy/balance", "proxy/fairqueue", "proxy/metrics"}},
	{"proxy/watchdog", []string{"translate"}},
	{"proxy/tracing", []string{"translate", "config", "proxy/journal"}},
	{"proxy/routing", []string{
		"translate", "store", "config", "proxy/admission", "proxy/auth", "proxy/balance", "proxy/channel", "proxy/conversation", "proxy/fairqueue", "proxy/journal",
	}},
	{"proxy/conversation", []string{"translate", "store", "internal/ids"}},
	{"proxy", []string{
		"translate", "limiter", "store", "config", "internal/ids", "internal/keyset",
		"proxy/admission", "proxy/answercache", "proxy/auth", "proxy/balance", "proxy/capture", "proxy/channel", "proxy/conversation", "proxy/fairqueue", "proxy/journal", "proxy/metrics", "proxy/routing", "proxy/watchdog",
	}},
	{"proxy/front/intake", []string{"translate", "internal/conn"}},
	{"proxy/front", []string{"proxy", "proxy/capture", "proxy/conversation", "proxy/front/intake", "limiter", "store", "config", "translate/...", "internal/..."}},
	{"proxy/upstream", []string{"config", "translate/...", "internal/..."}},
	{"store/...", []string{"store/...", "translate", "config"}},
	{"limiter/...", []string{"limiter/...", "translate", "config"}},
	{"admin/...", []string{"admin/...", "proxy", "proxy/auth", "proxy/capture", "proxy/channel", "proxy/journal", "proxy/metrics", "store", "limiter", "config", "config/revision", "translate", "internal/..."}},
	{"internal/codectest", []string{"translate", "internal/jsonx", "internal/wiretest"}},
	{"internal/mockmodel", []string{"translate"}},
	{"internal/wiretest", nil},
	{"internal/wiretest/...", []string{"config", "internal/...", "limiter/...", "proxy/...", "store/...", "translate/..."}},
	{"internal/...", []string{"internal/..."}},
}

func fits(pattern, name string) bool {
	if stem, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == stem || strings.HasPrefix(name, stem+"/")
	}
	return pattern == name
}

func anyFits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func TestEveryPackageImportsOnlyItsNeighbours(t *testing.T) {
	for _, p := range load(t).pkgs {
		for _, rule := range mayImport {
			if !fits(rule.who, p.Path) {
				continue
			}
			for _, i := range p.local() {
				if !anyFits(rule.what, i) {
					t.Errorf("%s imports %s: it may import %v of this module", p.Path, i, rule.what)
				}
			}
			break
		}
	}
}

func TestTranslateIsPure(t *testing.T) {
	seen := 0
	for _, p := range load(t).pkgs {
		if !fits("translate/...", p.Path) && p.Path != "internal/jsonx" {
			continue
		}
		seen++
		for _, i := range p.standard() {
			if !slices.Contains(pure, i) {
				t.Errorf("%s imports %s, which is not on the list of pure packages", p.Path, i)
			}
		}
		for _, i := range p.foreign() {
			if i != "github.com/valyala/fastjson" {
				t.Errorf("%s imports %s", p.Path, i)
			}
		}
	}
	if seen < 7 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// configMay is what reads the file, and what knows the rules of NO_PROXY.
var configMay = []string{"github.com/goccy/go-yaml/...", "golang.org/x/net/http/httpproxy"}

func TestConfigAndBalanceKnowOnlyTheStandardLibrary(t *testing.T) {
	for _, p := range load(t).pkgs {
		if p.Path != "config" && p.Path != "proxy/balance" {
			continue
		}
		for _, i := range p.foreign() {
			if p.Path != "config" || !anyFits(configMay, i) {
				t.Errorf("%s imports %s", p.Path, i)
			}
		}
	}
}

// namesDialects is who may import a dialect's package.
var namesDialects = []string{"translate/dialects", "proxy/front", "proxy/upstream", "cmd/...", "benchmarks/...", "internal/wiretest/..."}

func TestOnlyTheEdgesNameDialects(t *testing.T) {
	for _, p := range load(t).pkgs {
		for _, i := range p.local() {
			if path.Dir(i) == "translate" && i != "translate/dialects" && !anyFits(namesDialects, p.Path) {
				t.Errorf("%s imports %s: only %v may", p.Path, i, namesDialects)
			}
		}
	}
}

func TestTheProgramNeedsNothingOfItsTests(t *testing.T) {
	m := load(t)
	forTests := make(map[string]bool)
	for _, p := range m.pkgs {
		forTests[p.Path] = p.support()
	}
	for _, p := range m.pkgs {
		for _, i := range p.local() {
			if forTests[i] && !p.support() {
				t.Errorf("%s imports %s, which is for tests", p.Path, i)
			}
		}
	}
}

func TestFrontsAndUpstreamsDoNotKnowEachOther(t *testing.T) {
	for _, p := range load(t).pkgs {
		for _, i := range p.local() {
			switch {
			case p.Path == "proxy" && (i == "proxy/front" || i == "proxy/upstream"),
				p.Path == "proxy/front" && i == "proxy/upstream", p.Path == "proxy/upstream" && i == "proxy/front":
				t.Errorf("%s imports %s", p.Path, i)
			}
		}
	}
}

// drivers are the libraries that speak to a store, make spans or know a scrape, and the files that may
// import them.
var drivers = []struct{ what, file string }{
	{"database/sql", "store/*/*.go"},
	{"modernc.org/sqlite", "store/embedded/*.go"},
	{"github.com/redis/rueidis", "limiter/redis/*.go"},
	{"github.com/prometheus", ""},                           // tests alone: a process would hold 3 MiB for it
	{"go.opentelemetry.io/proto", "internal/otlptest/*.go"}, // likewise
	{"go.opentelemetry.io/otel", "proxy/tracing/*.go"},
	{"google.golang.org/protobuf/encoding/protowire", "proxy/tracing/*.go"},
}

func TestDriversStayInTheirBackEnds(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, spec := range s.file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			for _, d := range drivers {
				if !fits(d.what+"/...", name) {
					continue
				}
				if ok, _ := path.Match(d.file, s.path); !ok {
					t.Errorf("%s imports %s: only %s may", s.path, name, d.file)
				}
			}
		}
	}
}
