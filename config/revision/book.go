package revision

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// Refusal says why nothing was applied although the text may be good.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

// ErrNoRevision: the history holds no revision with that number.
var ErrNoRevision = errors.New("the history holds no such revision")

// errClosed: another process has taken over, or this one stops.
var errClosed = &Refusal{Why: "this process ends: change the configuration of the one that has taken over"}

// errNoFile: a quick start has nothing to read again.
var errNoFile = &Refusal{Why: "there is no configuration file: this is a quick start"}

// Options are what a Book is made for.
type Options struct {
	// File is the configuration file; empty: there is none, and nothing can be changed but
	// what belongs to the process.
	File string
	// Load reads the text of a file called name, as the process did at its start; what goes
	// before the file is in it.
	Load func(text []byte, name string) (*config.Config, error)
	// Apply puts a configuration in the place of the one that runs, or returns an error and
	// has changed nothing.
	Apply func(*config.Config) error
	// Failures counts the questions that failed, and all, since the process began; nil:
	// nobody counts, and nothing is reverted by itself.
	Failures func() (failed, all uint64)
	// Log gets a line for each change, and for each one that was refused.
	Log *slog.Logger
}

// Book holds the configuration that runs, and those that ran. It is safe for concurrent use:
// changes come one after the other.
type Book struct {
	o      Options
	masker *config.Masker
	first  *config.Config // that the process was started with

	mu      sync.Mutex
	conf    *config.Config // what runs, as the file has it
	text    []byte         // the same
	n       int            // its number in the history
	past    *history
	weights map[string]int // by channel, set at run time

	seen    seen // what the watcher has seen of the file
	samples []sample
	trial   *trial // nil: nothing is on trial

	stop   chan struct{}
	closed bool
	done   sync.WaitGroup
}

// New returns the book of a process that was started with conf, which was read from text.
func New(o Options, conf *config.Config, text []byte) *Book {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	b := &Book{o: o, masker: config.NewMasker(key), first: conf, conf: conf, text: text}
	path := ""
	if o.File != "" {
		path = o.File + ".history"
	}
	var err error
	if b.past, err = readHistory(path); err != nil {
		o.Log.Warn("the history of the configuration", "why", err)
	}
	b.seen.text = sumOf(text)
	if last := len(b.past.all) - 1; o.File != "" && (last < 0 || b.past.all[last].Text != string(text)) {
		b.keep("start", Author{Name: "start"}, "")
	} else if last >= 0 {
		b.n = b.past.all[last].N
	}
	return b
}

// keep puts what runs into the history; b.mu is held.
func (b *Book) keep(how string, by Author, why string) {
	n, err := b.past.add(Revision{At: time.Now().UTC().Truncate(time.Millisecond), How: how, By: by, Why: why, Text: string(b.text)})
	b.n = n
	if err != nil {
		b.o.Log.Warn("the history of the configuration is kept in memory only", "why", err)
	}
}

// Config returns the configuration that runs, as the file has it. It must not be changed.
func (b *Book) Config() *config.Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conf
}

// Applied says what a change has done.
type Applied struct {
	Revision int
	Changes  []config.Change // against what ran before
	// Restart are the keys that differ from those of the start and count only after the
	// next one.
	Restart []string
}

// load reads a text as the process would.
func (b *Book) load(text []byte) (*config.Config, error) {
	name := b.o.File
	if name == "" {
		name = "configuration"
	}
	return b.o.Load(text, name)
}

// Reload puts what the file says now in the place of what runs. An error, which names every
// problem with its line, leaves all as it was.
func (b *Book) Reload(by Author) (*Applied, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reload(by)
}

func (b *Book) reload(by Author) (done *Applied, err error) {
	defer b.refused(&err, by)
	if b.closed {
		return nil, errClosed
	}
	if b.o.File == "" {
		return nil, errNoFile
	}
	text, err := os.ReadFile(b.o.File)
	if err != nil {
		return nil, err
	}
	conf, err := b.load(text)
	if err != nil {
		return nil, err
	}
	if err := b.o.Apply(b.weighted(conf)); err != nil {
		return nil, err
	}
	return b.took(conf, text, "reload", by, ""), nil
}

// refused writes down that a change came to nothing.
func (b *Book) refused(err *error, by Author) {
	if *err != nil {
		b.o.Log.Error("the configuration is refused, the one before stays", "by", by.Name, "address", by.Address, "why", *err)
	}
}

// took notes that conf, from text, runs now; b.mu is held.
func (b *Book) took(conf *config.Config, text []byte, how string, by Author, why string) *Applied {
	done := &Applied{Changes: config.Diff(b.conf, conf), Restart: config.NeedRestart(b.first, conf)}
	before, same := b.text, bytes.Equal(b.text, text)
	b.conf, b.text, b.seen.text = conf, text, sumOf(text)
	if !same {
		b.trial = b.tryOut(how, before)
		b.keep(how, by, why)
	}
	done.Revision = b.n
	for id := range b.weights {
		if !slices.ContainsFunc(conf.Channels, func(c config.Channel) bool { return c.ID == id }) {
			delete(b.weights, id)
		}
	}
	b.o.Log.Info("the configuration was read again", "how", how, "by", by.Name, "address", by.Address, "revision", b.n, "changes", len(done.Changes),
		"channels", len(conf.Channels), "keys", len(conf.Callers.Keys), "presets", len(conf.Presets))
	for _, key := range done.Restart {
		b.o.Log.Warn("configuration", "what", "counts only after a restart", "key", key)
	}
	return done
}

// Apply checks text, in which secrets may be masked as Present shows them, writes it to the
// file and puts it in the place of what runs. base is the sum of the text that it was made
// of, so that nothing is lost that somebody else has written meanwhile; empty: of what runs.
// The error is a [*config.Problems], a [*Refusal], or what failed; all is then as it was.
func (b *Book) Apply(text, base string, by Author) (done *Applied, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.refused(&err, by)
	disk, err := b.unchanged(base)
	if err != nil {
		return nil, err
	}
	whole, err := b.unmask(text)
	if err != nil {
		return nil, err
	}
	return b.change(disk, whole, "apply", by, "")
}

// Rollback does the same with the text of revision n of the history. [ErrNoRevision]: there
// is none.
func (b *Book) Rollback(n int, base string, by Author) (done *Applied, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.refused(&err, by)
	r, ok := b.past.of(n)
	if !ok {
		return nil, ErrNoRevision
	}
	disk, err := b.unchanged(base)
	if err != nil {
		return nil, err
	}
	return b.change(disk, []byte(r.Text), "rollback", by, fmt.Sprintf("to revision %d", n))
}

// unchanged returns what the file says, and refuses a change where that is not what its
// author has seen.
func (b *Book) unchanged(base string) (disk []byte, err error) {
	if b.closed {
		return nil, errClosed
	}
	if err := replaceable(b.o.File); err != nil {
		return nil, err
	}
	if disk, err = os.ReadFile(b.o.File); err != nil {
		return nil, err
	}
	if base == "" {
		base = sumOf(b.text)
	}
	if sumOf(disk) != base {
		return nil, &Refusal{Why: "the configuration file has been changed since: look at it again, or reload it first"}
	}
	return disk, nil
}

// change writes text to the file, which says before, and applies it; b.mu is held.
func (b *Book) change(before, text []byte, how string, by Author, why string) (*Applied, error) {
	conf, err := b.load(text)
	if err != nil {
		return nil, err
	}
	// The file goes first: what it says would run after a crash too, and what cannot be
	// written is not applied.
	if err := replace(b.o.File, text, 0o600); err != nil {
		return nil, &Refusal{Why: fmt.Sprintf("the configuration file cannot be replaced: %v", err)}
	}
	if err := b.o.Apply(b.weighted(conf)); err != nil {
		return nil, errors.Join(err, replace(b.o.File, before, 0o600))
	}
	return b.took(conf, text, how, by, why), nil
}

// unmask puts the secrets of the file back into text.
func (b *Book) unmask(text string) ([]byte, error) {
	if !config.Masked(text) {
		return []byte(text), nil
	}
	for _, known := range [][]byte{b.disk(), b.text} {
		text = b.masker.Unmask(text, known)
	}
	if config.Masked(text) {
		return nil, &Refusal{Why: `the text holds "***" for a secret that is not known any more: write the secret, or a variable`}
	}
	return []byte(text), nil
}

// disk is what the file says now; empty where it cannot be read.
func (b *Book) disk() []byte {
	text, err := os.ReadFile(b.o.File)
	if err != nil {
		return nil
	}
	return text
}
