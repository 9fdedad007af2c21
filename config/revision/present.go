package revision

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
)

// Present is how the configuration of a process stands.
type Present struct {
	File     string // empty: a quick start
	ReadOnly string // why it cannot be changed from here; empty: it can
	Revision int    // that runs; 0: there is no history
	Sum      string // of the text that runs
	OnDisk   string // of what the file says now; empty: it cannot be read
	Text     string // that runs, secrets masked; empty where it cannot be shown
	Hidden   string // why not
	Restart  []string
	Warnings []config.Problem
	Weights  []Weight
}

// ErrNoChannel: the configuration has no channel with that id.
var ErrNoChannel = errors.New("there is no such channel")

// Weight is a channel's weight that was set at run time.
type Weight struct {
	Channel string `json:"channel"`
	File    int    `json:"file"` // what the file says
	Now     int    `json:"now"`
}

// Present returns how things stand now.
func (b *Book) Present() Present {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := Present{File: b.o.File, Revision: b.n, Restart: config.NeedRestart(b.first, b.conf), Warnings: b.conf.Warnings(), Weights: b.set()}
	if err := replaceable(b.o.File); err != nil {
		p.ReadOnly = err.Error()
	}
	if b.o.File == "" {
		return p
	}
	p.Sum = sumOf(b.text)
	if disk := b.disk(); disk != nil {
		p.OnDisk = sumOf(disk)
	}
	p.Text, p.Hidden = b.mask(b.text)
	return p
}

func (b *Book) mask(text []byte) (shown, why string) {
	shown, err := b.masker.Mask(text)
	if err != nil {
		return "", err.Error()
	}
	return shown, ""
}

// Difference is what a text would change.
type Difference struct {
	Changes  []config.Change
	Restart  []string // keys that would count only after a restart
	Warnings []config.Problem
}

// Compare checks text, in which secrets may be masked, and says what it would change. The
// error is that of Apply; nothing changes.
func (b *Book) Compare(text string) (*Difference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	whole, err := b.unmask(text)
	if err != nil {
		return nil, err
	}
	return b.compare(whole)
}

// CompareRevision says what a rollback to revision n would change.
func (b *Book) CompareRevision(n int) (*Difference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.past.of(n)
	if !ok {
		return nil, ErrNoRevision
	}
	return b.compare([]byte(r.Text))
}

// CompareFile says what a reload would change.
func (b *Book) CompareFile() (*Difference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.o.File == "" {
		return nil, errNoFile
	}
	return b.compare(bytes.Clone(b.disk()))
}

func (b *Book) compare(text []byte) (*Difference, error) {
	conf, err := b.load(text)
	if err != nil {
		return nil, err
	}
	return &Difference{Changes: config.Diff(b.conf, conf), Restart: config.NeedRestart(b.first, conf), Warnings: conf.Warnings()}, nil
}

// History returns the revisions that are kept, the newest first, without their texts.
func (b *Book) History() []Revision {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.past.all)
	slices.Reverse(all)
	for i := range all {
		all[i].Text = ""
	}
	return all
}

// Revision returns revision n with its text, secrets masked, or [ErrNoRevision].
func (b *Book) Revision(n int) (Revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.past.of(n)
	if !ok {
		return Revision{}, ErrNoRevision
	}
	r.Text, _ = b.mask([]byte(r.Text))
	return r, nil
}

// SetWeight gives a channel another weight for as long as the process lives; 0 gives it that
// of the file again. [ErrNoChannel]: there is none with this id.
func (b *Book) SetWeight(id string, weight int, by Author) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.conf.Channels, func(c config.Channel) bool { return c.ID == id })
	if i < 0 {
		return ErrNoChannel
	}
	was, had := b.weights[id]
	if b.weights == nil {
		b.weights = map[string]int{}
	}
	if b.weights[id] = weight; weight == 0 || weight == b.conf.Channels[i].Weight {
		delete(b.weights, id)
	}
	if err := b.o.Apply(b.weighted(b.conf)); err != nil {
		if delete(b.weights, id); had {
			b.weights[id] = was
		}
		return err
	}
	b.o.Log.Warn("an operator has decided about a channel", "channel", id, "weight", weight, "by", by.Name, "address", by.Address)
	return nil
}

// weighted is conf with the weights that were set; b.mu is held.
func (b *Book) weighted(conf *config.Config) *config.Config {
	if len(b.weights) == 0 {
		return conf
	}
	with := *conf
	with.Channels = slices.Clone(conf.Channels)
	for i := range with.Channels {
		if w, set := b.weights[with.Channels[i].ID]; set {
			with.Channels[i].Weight = w
		}
	}
	return &with
}

// Number is that of the revision that runs; 0: there is no history.
func (b *Book) Number() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// Weights are those that were set at run time, by channel.
func (b *Book) Weights() []Weight {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.set()
}

// set are the weights that were set, by channel; b.mu is held.
func (b *Book) set() []Weight {
	var all []Weight
	for i := range b.conf.Channels {
		c := &b.conf.Channels[i]
		if w, set := b.weights[c.ID]; set {
			all = append(all, Weight{Channel: c.ID, File: c.Weight, Now: w})
		}
	}
	slices.SortFunc(all, func(a, b Weight) int { return strings.Compare(a.Channel, b.Channel) })
	return all
}
