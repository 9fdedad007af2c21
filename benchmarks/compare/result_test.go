//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestFiguresHaveThreeDigitsThatMatter(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0.00", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234: "1,234", 1234567: "1,234,567", -1234: "-1,234", 999.4: "999"} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

// sample has three rounds of a proxy that costs 2, 3 and 30, and of nginx at 2, 2
// and 10.
func sample() *result {
	rounds := func(costs ...float64) (list []*loaded) {
		for _, c := range costs {
			list = append(list, &loaded{CPUPerRequest: c, Events: 10, Glued: 1})
		}
		return list
	}
	return &result{Scenarios: []*measured{{Title: "Things", Value: "cpu/request", Rows: []row{
		{Target: "nginx", Proxy: "nginx", Rounds: rounds(2, 2, 10)},
		{Target: "us", Proxy: "dragoman", Goal: 1.3, Rounds: rounds(30, 2, 3)},
	}}}}
}

func TestTheRatioIsTheMedianOfTheRoundsOwn(t *testing.T) {
	t.Parallel()
	m := sample().Scenarios[0]
	of := values[m.Value].of
	if got := m.Rows[1].ratio(m.find("nginx"), of); got != 1 { // 15, 1, 0.3
		t.Errorf("ratio %v", got)
	}
	if got := m.Rows[1].spread(of); got != (spread{3, 2, 30}) {
		t.Errorf("spread %v", got)
	}
}

func TestThePageGetsTheTableBetweenItsMarks(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sample()
	for range 2 {
		if err := r.intoPage(page, "r.json"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "before\n"+beginMark) || !strings.HasSuffix(text, endMark+"\nafter\n") || strings.Contains(text, "old") || strings.Count(text, "| us |") != 1 {
		t.Errorf("the page is now\n%s", text)
	}
	if !strings.Contains(text, "| us | **3.00** [2.00–30.0] | 1.00 | ≤ 1.30 |") {
		t.Errorf("no row of ours in\n%s", text)
	}
	columns := 0
	for line := range strings.Lines(text) {
		if n := strings.Count(line, "|"); n > 0 && columns == 0 {
			columns = n
		} else if n > 0 && n != columns {
			t.Errorf("%d columns instead of %d: %s", n, columns, line)
		}
	}
	if err := os.WriteFile(page, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.intoPage(page, "r.json") == nil {
		t.Error("a page without marks was accepted")
	}
}

func TestEveryScenarioIsComplete(t *testing.T) {
	t.Parallel()
	name, seen := regexp.MustCompile(`^[a-z]+[0-9]*$`), map[string]bool{}
	for _, s := range scenarios() {
		if !name.MatchString(s.Name) || seen[s.Name] || values[s.Value].of == nil || len(s.Targets) == 0 || s.Title == "" {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
		for _, target := range s.Targets {
			if (target.Proxy == "dragoman") != (prefixes[target.Channel] != "") || target.Dialect == "" || target.Name == "" {
				t.Errorf("%s: %+v", s.Name, target)
			}
		}
	}
}
