package revision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = `
admin: {token: "${TOKEN}"}
callers: {keys: [{name: alice, key: sk-of-alice-alone}]}
channels:
  - {id: a, kind: mock, models: [%s], weight: 3}
  - {id: b, kind: mock, models: [m], weight: 1}
%s`

// process is what a book is for.
type process struct {
	*testing.T
	file    string
	book    *Book
	log     bytes.Buffer
	mu      sync.Mutex
	runs    *config.Config
	refuses error
	failed  uint64
	all     uint64
}

func lookup(name string) (string, bool) { return "value-of-" + name, name == "TOKEN" }

func load(text []byte, name string) (*config.Config, error) { return config.Load(text, name, lookup) }

func begin(t *testing.T, more string) *process {
	t.Helper()
	p := &process{T: t, file: filepath.Join(t.TempDir(), "dragoman.yaml")}
	p.write(fmt.Sprintf(text, "m", more))
	p.open()
	return p
}

// open is a start of the process.
func (p *process) open() {
	p.Helper()
	text := p.read()
	conf, err := load([]byte(text), p.file)
	if err != nil {
		p.Fatal(err)
	}
	p.runs = conf
	p.book = New(Options{File: p.file, Load: load, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
		Apply: func(c *config.Config) error {
			if p.refuses != nil {
				return p.refuses
			}
			p.runs = c
			return nil
		},
		Failures: func() (failed, all uint64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.failed, p.all
		}}, conf, []byte(text))
}

func (p *process) write(text string) {
	p.Helper()
	if err := os.WriteFile(p.file, []byte(text), 0o640); err != nil {
		p.Fatal(err)
	}
}

func (p *process) read() string {
	p.Helper()
	text, err := os.ReadFile(p.file)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

func (p *process) apply(model string) *Applied {
	p.Helper()
	done, err := p.book.Apply(fmt.Sprintf(text, model, ""), "", Author{"admin.token", "192.0.2.1"})
	if err != nil {
		p.Fatal(err)
	}
	return done
}

func (p *process) model() string { return p.runs.Channels[0].Models[0].Name }

func TestAppliedIsWhatTheFileSaysThen(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	done := p.apply("n")
	if p.model() != "n" || p.read() != fmt.Sprintf(text, "n", "") || done.Revision != 2 || len(done.Changes) != 2 {
		t.Errorf("%s runs, %+v, the file says %s", p.model(), done, p.read())
	}
	if is, err := os.Stat(p.file); err != nil || is.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode has changed: %v %v", is.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(p.file), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

func TestTheHistoryIsKeptBesideTheFileForItsOwnerWithVariablesAsWritten(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	for i := range kept + 5 {
		p.apply(fmt.Sprint("m", i))
	}
	is, err := os.Stat(p.file + ".history")
	if err != nil || is.Mode().Perm() != 0o600 {
		t.Fatal(is, err)
	}
	raw, err := os.ReadFile(p.file + ".history")
	if err != nil || strings.Contains(string(raw), "value-of") || !strings.Contains(string(raw), "${TOKEN}") {
		t.Errorf("%v: %s", err, raw)
	}
	p.open() // the text is the newest one: nothing is added
	all := p.book.History()
	if len(all) != kept || all[0].N != kept+6 || all[0].How != "apply" || all[0].By != (Author{"admin.token", "192.0.2.1"}) || all[0].Text != "" || all[0].At.IsZero() {
		t.Errorf("%d, %+v", len(all), all[0])
	}
	p.write(fmt.Sprintf(text, "other", ""))
	p.open()
	if now := p.book.History()[0]; now.N != kept+7 || now.How != "start" {
		t.Errorf("%+v", now)
	}
	shown, err := p.book.Revision(kept + 6)
	if err != nil || strings.Contains(shown.Text, "sk-of-alice") || !strings.Contains(shown.Text, "${TOKEN}") {
		t.Errorf("%v %s", err, shown.Text)
	}
}

func TestARollbackToTheFifthLastIsThatText(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	for _, m := range []string{"one", "two", "three", "four", "five"} {
		p.apply(m)
	}
	fifth := p.book.History()[4]
	d, err := p.book.CompareRevision(fifth.N)
	if err != nil || len(d.Changes) != 2 {
		t.Errorf("%+v %v", d, err)
	}
	done, err := p.book.Rollback(fifth.N, "", Author{Name: "admin.token"})
	if err != nil || p.model() != "one" || p.read() != fmt.Sprintf(text, "one", "") {
		t.Fatalf("%v, %s runs", err, p.model())
	}
	if now := p.book.History()[0]; now.N != done.Revision || now.How != "rollback" || now.Why != "to revision 2" {
		t.Errorf("%+v", now)
	}
	if _, err := p.book.Rollback(99, "", Author{}); !errors.Is(err, ErrNoRevision) {
		t.Error(err)
	}
}

func TestAMistakeChangesNothingAndNamesEveryLine(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	before := p.read()
	_, err := p.book.Apply("chanels: []\nlisten: 7\nbalance: x\n", "", Author{})
	bad := (*config.Problems)(nil)
	if !errors.As(err, &bad) || len(bad.All) < 3 || bad.All[0].Line != 1 || bad.All[2].Line != 3 {
		t.Errorf("%v", err)
	}
	p.refuses = errors.New("an upstream cannot be made")
	if _, err := p.book.Apply(fmt.Sprintf(text, "n", ""), "", Author{}); !errors.Is(err, p.refuses) {
		t.Error(err)
	}
	if p.read() != before || p.model() != "m" || len(p.book.History()) != 1 {
		t.Errorf("something has changed: %s", p.read())
	}
}

func TestWhatCannotBeWrittenIsNotAppliedAndSaysWhy(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	if err := os.Chmod(p.file, 0o440); err != nil {
		t.Fatal(err)
	}
	for _, try := range []func() (*Applied, error){
		func() (*Applied, error) { return p.book.Apply(fmt.Sprintf(text, "n", ""), "", Author{}) },
		func() (*Applied, error) { return p.book.Rollback(1, "", Author{}) },
	} {
		_, err := try()
		if no := (*Refusal)(nil); !errors.As(err, &no) || !strings.Contains(no.Why, "read-only") {
			t.Errorf("%v", err)
		}
	}
	if now := p.book.Present(); p.model() != "m" || !strings.Contains(now.ReadOnly, "read-only") {
		t.Errorf("%+v", now)
	}
	quick := New(Options{Log: slog.New(slog.DiscardHandler), Load: load, Apply: func(*config.Config) error { t.Error("applied"); return nil }}, p.runs, nil)
	for _, try := range []func() (*Applied, error){
		func() (*Applied, error) { return quick.Apply(fmt.Sprintf(text, "n", ""), "", Author{}) },
		func() (*Applied, error) { return quick.Reload(Author{}) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), "quick start") {
			t.Errorf("%v", err)
		}
	}
}

func TestNobodyOverwritesWhatSomebodyElseHasWritten(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	mine := p.book.Present().Sum
	p.write(fmt.Sprintf(text, "theirs", ""))
	for _, base := range []string{"", mine} {
		_, err := p.book.Apply(fmt.Sprintf(text, "n", ""), base, Author{})
		if no := (*Refusal)(nil); !errors.As(err, &no) {
			t.Errorf("base %q: %v", base, err)
		}
	}
	if _, err := p.book.Apply(fmt.Sprintf(text, "n", ""), p.book.Present().OnDisk, Author{}); err != nil || p.model() != "n" {
		t.Errorf("who has seen it may: %v", err)
	}
}

func TestAMaskedTextIsAppliedWithItsSecrets(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	now := p.book.Present()
	if strings.Contains(now.Text, "sk-of-alice") || !strings.Contains(now.Text, "${TOKEN}") {
		t.Fatalf("it shows %s", now.Text)
	}
	if _, err := p.book.Apply(strings.Replace(now.Text, "weight: 3", "weight: 7", 1), now.Sum, Author{}); err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(fmt.Sprintf(text, "m", ""), "weight: 3", "weight: 7", 1); p.read() != want {
		t.Errorf("the file says %s", p.read())
	}
	if _, err := p.book.Apply(strings.Replace(fmt.Sprintf(text, "m", ""), "sk-of-alice-alone", `"***0123456789ab"`, 1), "", Author{}); err == nil {
		t.Error("a secret that nobody knows was applied")
	}
}

func TestWeightsOfTheProcessAreKeptOverReloadsAndAreInNoFile(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	before := p.read()
	if err := p.book.SetWeight("a", 9, Author{}); err != nil || p.runs.Channels[0].Weight != 9 || p.runs.Channels[1].Weight != 1 {
		t.Fatal(err, p.runs.Channels[0].Weight)
	}
	if got := p.book.Present().Weights; len(got) != 1 || got[0] != (Weight{"a", 3, 9}) || p.read() != before {
		t.Errorf("%+v", got)
	}
	p.write(fmt.Sprintf(text, "n", ""))
	if _, err := p.book.Reload(Author{Name: "SIGHUP"}); err != nil || p.runs.Channels[0].Weight != 9 || p.model() != "n" {
		t.Error(err, p.runs.Channels[0].Weight)
	}
	if err := p.book.SetWeight("a", 0, Author{}); err != nil || p.runs.Channels[0].Weight != 3 || len(p.book.Present().Weights) != 0 {
		t.Error(err, p.runs.Channels[0].Weight)
	}
	if err := p.book.SetWeight("z", 1, Author{}); !errors.Is(err, ErrNoChannel) {
		t.Error(err)
	}
}

func TestADamagedHistoryIsPutAside(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	if err := os.WriteFile(p.file+".history", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.open()
	damaged, err := os.ReadFile(p.file + ".history.damaged")
	if err != nil || string(damaged) != "{" || len(p.book.History()) != 1 || !strings.Contains(p.log.String(), "put aside") {
		t.Errorf("%v %q %s", err, damaged, p.log.String())
	}
	var kept struct{ Revisions []Revision }
	if raw, err := os.ReadFile(p.file + ".history"); err != nil || json.Unmarshal(raw, &kept) != nil || len(kept.Revisions) != 1 {
		t.Errorf("%s %v", raw, err)
	}
}

func TestAHistoryThatCannotBeReadIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	at := p.file + ".history"
	if err := errors.Join(os.Remove(at), os.Mkdir(at, 0o700)); err != nil { // not even root reads a folder
		t.Fatal(err)
	}
	p.open()
	p.apply("n")
	if is, err := os.Stat(at); err != nil || !is.IsDir() || len(p.book.History()) != 2 || p.model() != "n" {
		t.Errorf("%v %v, %d revisions", is, err, len(p.book.History()))
	}
	if strings.Count(p.log.String(), "WARN") != 1 {
		t.Errorf("%s", p.log.String())
	}
}

func TestALinkedFileIsReplacedWhereItIs(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(p.file, link); err != nil {
		t.Skip(err)
	}
	real := p.file
	p.file = link
	p.open()
	p.apply("n")
	if is, err := os.Lstat(link); err != nil || is.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if text, err := os.ReadFile(real); err != nil || !strings.Contains(string(text), "[n]") {
		t.Errorf("%s %v", text, err)
	}
}

// count makes questions of which some fail.
func (p *process) count(questions, failures uint64) {
	p.mu.Lock()
	p.all += questions
	p.failed += failures
	p.mu.Unlock()
	time.Sleep(2 * lookEvery)
	synctest.Wait()
}

const onTrial = "reload: {revert: {within: 1m, jump: 0.3, questions: 20}}\n"

func TestAConfigurationThatMakesQuestionsFailIsTakenBackByItself(t *testing.T) {
	t.Parallel()
	p := begin(t, onTrial)
	good := p.read()
	synctest.Test(t, func(*testing.T) {
		p.book.Start()
		defer p.book.Close()
		p.count(100, 10)
		if _, err := p.book.Apply(fmt.Sprintf(text, "bad", onTrial), "", Author{}); err != nil {
			p.Fatal(err)
		}
		p.count(15, 15) // too few
		if p.model() != "bad" {
			p.Error("it was taken back before it could be judged")
		}
		p.count(10, 10)
		if p.model() != "m" || p.read() != good {
			p.Errorf("%s runs, the file says %s\n%s", p.model(), p.read(), p.log.String())
		}
	})
	if now := p.book.History()[0]; now.How != "revert" || now.By.Name != "revert" || !strings.Contains(now.Why, "100 % of 25 questions failed, 10 % did before") {
		t.Errorf("%+v", now)
	}
}

func TestAConfigurationThatIsNoWorseStays(t *testing.T) {
	t.Parallel()
	p := begin(t, onTrial)
	synctest.Test(t, func(*testing.T) {
		p.book.Start()
		defer p.book.Close()
		p.count(100, 50)
		if _, err := p.book.Apply(fmt.Sprintf(text, "n", onTrial), "", Author{}); err != nil {
			p.Fatal(err)
		}
		p.count(100, 70) // 20 points
		time.Sleep(time.Minute)
		p.count(100, 100) // its trial is over
		if p.model() != "n" {
			p.Errorf("%s runs: %s", p.model(), p.log.String())
		}
	})
}

func TestWhatComesWhileOneIsOnTrialGoesBackToTheLastGoodOne(t *testing.T) {
	t.Parallel()
	p := begin(t, onTrial)
	synctest.Test(t, func(*testing.T) {
		p.book.Start()
		defer p.book.Close()
		p.count(100, 0)
		for _, m := range []string{"bad", "worse"} {
			if _, err := p.book.Apply(fmt.Sprintf(text, m, onTrial), "", Author{}); err != nil {
				p.Fatal(err)
			}
		}
		p.count(100, 100)
		if p.model() != "m" {
			p.Errorf("%s runs", p.model())
		}
	})
}

func TestAWatchedFileIsReadWhenItRests(t *testing.T) {
	t.Parallel()
	p := begin(t, "reload: {watch: true}\n")
	synctest.Test(t, func(*testing.T) {
		p.book.Start()
		defer p.book.Close()
		p.count(0, 0)
		p.write(fmt.Sprintf(text, "n", "reload: {watch: true}\n"))
		p.count(0, 0)
		p.count(0, 0)
		if p.model() != "n" {
			p.Errorf("%s runs: %s", p.model(), p.log.String())
		}
		p.write("chanels: []\n")
		for range 4 {
			p.count(0, 0)
		}
		if p.model() != "n" || strings.Count(p.log.String(), "is refused") != 1 {
			p.Errorf("%s runs: %s", p.model(), p.log.String())
		}
		p.write(fmt.Sprintf(text, "o", "")) // and nobody watches any more
		for range 2 {
			p.count(0, 0)
		}
		p.write(fmt.Sprintf(text, "p", ""))
		for range 2 {
			p.count(0, 0)
		}
		if p.model() != "o" {
			p.Errorf("%s runs: %s", p.model(), p.log.String())
		}
	})
	if by := p.book.History()[0].By; by.Name != "watch" {
		t.Errorf("%+v", by)
	}
}

func TestAProcessThatEndsChangesNothingAnyMore(t *testing.T) {
	t.Parallel()
	p := begin(t, "")
	good := p.read()
	p.book.Start()
	p.book.Close()
	p.book.Close()
	next := fmt.Sprintf(text, "next", "")
	for name, change := range map[string]func() (*Applied, error){
		"apply":    func() (*Applied, error) { return p.book.Apply(next, "", Author{}) },
		"rollback": func() (*Applied, error) { return p.book.Rollback(1, "", Author{}) },
		"reload":   func() (*Applied, error) { return p.book.Reload(Author{}) },
	} {
		refusal := (*Refusal)(nil)
		if _, err := change(); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "this process ends") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p.read() != good || p.model() != "m" {
		t.Errorf("the file says %s, %s runs", p.read(), p.model())
	}
}
