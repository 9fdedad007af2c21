//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	pairedRounds = 9    // as many as a verdict wants
	worseBeyond  = 1.03 // of the lower quartile of a row's ratios
)

// pairs are the targets that are measured with the binary of before and with that of
// now, by scenario.
func pairs() map[string][]target {
	return map[string][]target{
		"whole": {same, toClaude, fromRest}, "rate": {same}, "paced": {same, toClaude, fromChats}, "burst10": {same, toClaude},
		"slow": {same}, "idle2000": {fromChats}, "iagent": dragomans("iagent", "iagent"), "durable": dragomans("durable", "mock"),
	}
}

// dragomans are the targets of a scenario that are dragoman with this kind of channel.
func dragomans(name, channel string) (list []target) {
	for _, s := range scenarios() {
		for _, t := range s.Targets {
			if s.Name == name && t.Channel == channel {
				list = append(list, t)
			}
		}
	}
	return list
}

// paired is a row: a figure of both binaries, one beside the other in every round.
type paired struct {
	name        string
	unit        string
	more        bool                              // the higher the better
	of          func(one, direct *loaded) float64 // direct is nil unless the scenario has it
	before, now []float64
}

// duel is a scenario, one of its targets, and the rows that come of it.
type duel struct {
	scenario scenario
	target   target
	rows     []*paired
}

// duels are those with a row whose name fits only, in the order of the scenarios.
func duels(only *regexp.Regexp) (list []*duel) {
	for _, s := range scenarios() {
		for _, t := range pairs()[s.Name] {
			d := &duel{scenario: s, target: t}
			for _, r := range rowsOf(s, t) {
				if only.MatchString(r.name) {
					d.rows = append(d.rows, r)
				}
			}
			if len(d.rows) > 0 {
				list = append(list, d)
			}
		}
	}
	return list
}

func rowsOf(s scenario, t target) []*paired {
	v := values[s.Value]
	main := &paired{name: s.Name + ": " + t.Name, unit: v.unit, more: v.more, of: func(one, _ *loaded) float64 { return v.of(one) }}
	switch s.Name {
	case "rate":
		main.unit = "added p50, µs"
		main.of = func(one, direct *loaded) float64 { return max(v.of(one)-v.of(direct), 1) }
	case "whole":
		if t.Name == same.Name {
			return []*paired{
				main,
				{name: main.name + ", memory at the start", unit: "RSS MiB", of: func(one, _ *loaded) float64 { return one.RSSBefore }},
				{name: main.name + ", memory under load", unit: "RSS MiB", of: func(one, _ *loaded) float64 { return one.RSS }},
				{name: main.name + ", private memory at the start", unit: "MiB", of: func(one, _ *loaded) float64 { return one.PrivateBefore }},
				{name: main.name + ", private memory under load", unit: "MiB", of: func(one, _ *loaded) float64 { return one.Private }},
			}
		}
	}
	return []*paired{main}
}

// add notes one round.
func (p *paired) add(before, now, direct *loaded) {
	p.before, p.now = append(p.before, p.of(before, direct)), append(p.now, p.of(now, direct))
}

// ratios are what now costs in each round, as a part of what it cost before: above 1 is
// worse, also where the figure is how much is done in a second.
func (p *paired) ratios() []float64 {
	all := make([]float64, len(p.now))
	for i := range all {
		if all[i] = p.now[i] / p.before[i]; p.more {
			all[i] = p.before[i] / p.now[i]
		}
	}
	return all
}

// worse reports whether three quarters of the rounds say so.
func (p *paired) worse() bool { return quantile(p.ratios(), .25) > worseBeyond }

// quantile is the one of all, between two of them in proportion.
func quantile(all []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// errWorse is what ends the command when a row is worse.
var errWorse = errors.New("worse than before")

// against measures the binary of before beside that of now, or beside itself with what is added,
// and prints the table.
func (b *bench) against(ctx context.Context, binary string, only *regexp.Regexp) error {
	list := duels(only)
	if len(list) == 0 {
		return errors.New("no row has such a name")
	}
	before, err := b.copies(binary)
	if err != nil {
		return err
	}
	for round := range b.Rounds {
		for i := 0; i < len(list); {
			end := i + 1
			for end < len(list) && list[end].scenario.Name == list[i].scenario.Name {
				end++
			}
			if err := b.duel(ctx, before, round, list[i:end]); err != nil {
				return fmt.Errorf("%s: %w", list[i].scenario.Name, err)
			}
			i = end
		}
	}
	var rows []*paired
	for _, d := range list {
		rows = append(rows, d.rows...)
	}
	fmt.Print(pairTable(rows))
	if b.Rounds < pairedRounds {
		fmt.Printf("\n%d rounds are too few to rely on; %d or more are.\n", b.Rounds, pairedRounds)
	}
	return verdict(rows)
}

// copies writes both binaries anew, in the same way: how much of a file the kernel maps
// at once depends on how it was written. It returns the path of the one of before.
func (b *bench) copies(binary string) (before string, err error) {
	before = b.path("before")
	if err := rewrite(binary, before); err != nil {
		return "", err
	}
	now := b.path("dragoman")
	if err := rewrite(now, now+".copy"); err != nil {
		return "", err
	}
	return before, os.Rename(now+".copy", now)
}

// rewrite copies a program.
func rewrite(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o700)
}

// verdict names the rows that are worse; nil: none is.
func verdict(rows []*paired) error {
	var names []string
	for _, r := range rows {
		if r.worse() {
			names = append(names, r.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errWorse, strings.Join(names, "; "))
}

// duel is one round of one scenario, with a fresh model: all its targets, the two
// binaries directly after each other, every other time in the other order.
func (b *bench) duel(ctx context.Context, binary string, round int, list []*duel) error {
	s := list[0].scenario
	return b.withModel(ctx, func() error {
		var beside *loaded
		if s.Value == "p50" {
			var err error
			if beside, err = b.undisturbed(ctx, s, direct); err != nil {
				return fmt.Errorf("%s: %w", direct.Name, err)
			}
		}
		for i, d := range list {
			old, fresh := d.target, d.target
			old.Binary = binary
			order, got := []target{old, fresh}, map[string]*loaded{}
			if nowFirst(round, i) {
				order = []target{fresh, old}
			}
			for _, t := range order {
				l, err := b.undisturbed(ctx, s, t)
				if err != nil {
					return fmt.Errorf("%s: %w", t.Name, err)
				}
				got[t.Binary] = l
			}
			for _, r := range d.rows {
				r.add(got[binary], got[""], beside)
				n := len(r.now) - 1
				fmt.Fprintf(os.Stderr, "%d/%d %s: before %s, now %s %s\n", round+1, b.Rounds, r.name, figure(r.before[n]), figure(r.now[n]), r.unit)
			}
		}
		return nil
	})
}

// nowFirst is whether the binary of now comes first.
func nowFirst(round, i int) bool { return (round+i)%2 == 1 }

// pairTable is the rows in Markdown.
func pairTable(rows []*paired) string {
	b := &strings.Builder{}
	b.WriteString("\n| | | before, median | now, median | costs now / before, median [lower–upper quartile] | rounds | |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		said, ratios := "", r.ratios()
		if r.worse() {
			said = "**worse**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %.3f [%.3f–%.3f] | %d | %s |\n", r.name, r.unit, figure(quantile(r.before, .5)), figure(quantile(r.now, .5)),
			quantile(ratios, .5), quantile(ratios, .25), quantile(ratios, .75), len(ratios), said)
	}
	return b.String()
}

// program is the path of an executable file.
func program(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	about, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if about.IsDir() || about.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is no program", path)
	}
	return path, nil
}
