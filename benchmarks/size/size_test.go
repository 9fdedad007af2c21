package main

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/scaling.md")

// shown are the loads of the table in docs/scaling.md.
var shown = []struct {
	name string
	load Load
}{
	{"1 k streams", Load{Streams: 1_000, Kept: 1}},
	{"100 k streams", Load{Streams: 100_000, Kept: 1}},
	{"100 k streams, nothing kept", Load{Streams: 100_000}},
	{"1 M streams", Load{Streams: 1_000_000, Kept: 1}},
	{"1 M streams, nothing kept", Load{Streams: 1_000_000}},
	{"10 M conversations a day", Load{Conversations: 10_000_000, Kept: 1}},
	{"the same, and 500 k idle sockets", Load{Conversations: 10_000_000, Sockets: 500_000, Kept: 1}},
}

func TestTheTableOfTheDocumentIsThatOfTheCalculator(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../../docs/scaling.md", "<!-- generated: size -->\n", "<!-- end -->"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("no marks")
	}
	table := Head
	for _, s := range shown {
		table += Usual.Row(s.name, s.load)
	}
	want := before + begin + table + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s has another table: run this test with -update\n%s", file, table)
	}
}

func TestWhatFillsFirstIsCountedFirst(t *testing.T) {
	t.Parallel()
	m := Machine{Cores: 1, MiB: 100, Event: 100, Question: 1000, Stream: 64, Socket: 64, Talk: 64, Base: 20, Turns: 100, Calls: 1000, Events: 10, Seconds: 10, TurnsOf: 2, Peak: 2, Full: 1, PerTurn: 2, PerAsked: 2}
	for _, c := range []struct {
		load                         Load
		replicas, databases, servers int
		asked, turns, calls, streams float64
		first                        string
	}{
		// 1000 events a second are a tenth of a core, 10 questions a hundredth.
		{Load{Streams: 100, Kept: 1}, 2, 1, 1, 10, 10, 20, 100, "CPU time"},
		{Load{Streams: 1000}, 3, 0, 1, 100, 0, 200, 1000, "CPU time"}, // 1.1 cores
		{Load{Streams: 10, Sockets: 12_800, Kept: 0.5}, 12, 1, 1, 1, 0.5, 2, 10, "memory"},
		{Load{Streams: 2000, Kept: 1}, 4, 2, 1, 200, 200, 400, 2000, "the database"},
		{Load{Streams: 6000}, 8, 0, 2, 600, 0, 1200, 6000, "the shared server"},
		{Load{Conversations: 864_000, Kept: 1}, 2, 1, 1, 40, 40, 80, 400, "CPU time"},
	} {
		s := m.Of(c.load)
		if s.Replicas != c.replicas || s.Databases != c.databases || s.Servers != c.servers || s.First != c.first ||
			s.Asked != c.asked || s.Turns != c.turns || s.Calls != c.calls || s.Streams != c.streams {
			t.Errorf("%+v: %+v", c.load, s)
		}
	}
}
