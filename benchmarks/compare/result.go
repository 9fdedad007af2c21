//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is one run of everything.
type result struct {
	Date      time.Time         `json:"date"`
	Note      string            `json:"note,omitempty"`
	Machine   map[string]string `json:"machine"`
	Versions  map[string]string `json:"versions"`
	Pinned    bool              `json:"pinned"`
	Rounds    int               `json:"rounds"`
	Window    string            `json:"window"`
	Scenarios []*measured       `json:"scenarios"`
}

// measured is a scenario with its figures.
type measured struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Model string `json:"model"`
	Value string `json:"value"`
	Goal  string `json:"goal,omitempty"`
	Rows  []row  `json:"rows"`
}

type row struct {
	Target string    `json:"target"`
	Proxy  string    `json:"proxy"`
	Goal   float64   `json:"goal_ratio_to_nginx,omitempty"`
	Rounds []*loaded `json:"rounds"`
}

// spread is the median of all rounds, with the lowest and the highest.
type spread struct{ median, low, high float64 }

func (r *row) spread(of func(*loaded) float64) spread {
	var all []float64
	for _, l := range r.Rounds {
		all = append(all, of(l))
	}
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return spread{}
	}
	return spread{(all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1]}
}

// ratio is the median of the ratios of each round, since a round's measurements
// are closer together in time than those of several.
func (r *row) ratio(to *row, of func(*loaded) float64) float64 {
	var all []float64
	for i := range min(len(r.Rounds), len(to.Rounds)) {
		all = append(all, of(r.Rounds[i])/of(to.Rounds[i]))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return math.NaN()
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func (m *measured) find(proxy string) *row {
	for i := range m.Rows {
		if m.Rows[i].Proxy == proxy {
			return &m.Rows[i]
		}
	}
	return nil
}

// table is all scenarios in Markdown.
func (r *result) table() string {
	b := &strings.Builder{}
	for _, m := range r.Scenarios {
		m.table(b)
	}
	return b.String()
}

func (m *measured) table(b *strings.Builder) {
	v := values[m.Value]
	fmt.Fprintf(b, "\n### %s\n\n", m.Title)
	if m.Goal != "" {
		fmt.Fprintf(b, "Goal: %s.\n\n", m.Goal)
	}
	latency := m.Value == "requests" || m.Value == "p50" || m.Value == "cpu/request"
	head := "| | " + v.unit + ", median [lowest–highest] | × nginx | goal | "
	if latency {
		head += "per second | p50, µs | p99, µs | added p50 / p99, µs | "
	} else {
		head += "events per second | glued | "
	}
	head += "RSS MiB: start → load | cores: proxy (waited), model + load |"
	fmt.Fprintf(b, "%s\n|%s\n", head, strings.Repeat(" --- |", strings.Count(head, "|")-1))
	for i := range m.Rows {
		m.row(b, &m.Rows[i], v.of, latency)
	}
}

func (m *measured) row(b *strings.Builder, r *row, of func(*loaded) float64, latency bool) {
	median := func(of func(*loaded) float64) float64 { return r.spread(of).median }
	s := r.spread(of)
	fmt.Fprintf(b, "| %s | **%s** [%s–%s] | %s | %s |", r.Target, figure(s.median), figure(s.low), figure(s.high), m.ratioCell(r, of), goalCell(r.Goal))
	if latency {
		p50, p99 := func(l *loaded) float64 { return l.Latency.P50 }, func(l *loaded) float64 { return l.Latency.P99 }
		fmt.Fprintf(b, " %s | %s | %s | %s |", figure(median(func(l *loaded) float64 { return l.RequestsPerSecond })), figure(median(p50)), figure(median(p99)), m.added(r, p50, p99))
	} else {
		fmt.Fprintf(b, " %s | %.0f %% |", figure(median(func(l *loaded) float64 { return l.EventsPerSecond })), 100*median((*loaded).gluedShare))
	}
	fmt.Fprintf(b, " %s → %s | %.2f (%.2f), %.2f |\n", figure(median(func(l *loaded) float64 { return l.RSSBefore })), figure(median(func(l *loaded) float64 { return l.RSS })),
		median(func(l *loaded) float64 { return l.Busy }), median(func(l *loaded) float64 { return l.Waited }), median(func(l *loaded) float64 { return l.PeerBusy + l.LoadBusy }))
}

// added is what a proxy adds to the latency of the model itself at a fixed rate;
// at saturation there is no such thing.
func (m *measured) added(r *row, p50, p99 func(*loaded) float64) string {
	d := m.find("direct")
	if m.Value != "p50" || d == nil || d == r {
		return "–"
	}
	return figure(r.spread(p50).median-d.spread(p50).median) + " / " + figure(r.spread(p99).median-d.spread(p99).median)
}

func (m *measured) ratioCell(r *row, of func(*loaded) float64) string {
	n := m.find("nginx")
	if n == nil || r.Proxy == "direct" {
		return "–"
	}
	if m.Value == "p50" { // of what is added
		d := m.find("direct")
		return fmt.Sprintf("%.2f (of added)", (r.spread(of).median-d.spread(of).median)/(n.spread(of).median-d.spread(of).median))
	}
	return fmt.Sprintf("%.2f", r.ratio(n, of))
}

func goalCell(goal float64) string {
	if goal == 0 {
		return "–"
	}
	return fmt.Sprintf("≤ %.2f", goal)
}

// figure writes three digits that matter, and all before the point.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		s := strconv.Itoa(int(math.Round(a)))
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		if v < 0 {
			s = "-" + s
		}
		return s
	case a >= 100:
		return strconv.Itoa(int(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// write writes the result into a new file of the folder and returns its name.
func (r *result) write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return "", err
	}
	name := r.Date.Format("2006-01-02T150405Z") + ".json"
	return name, os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644)
}

func readResult(name string) (*result, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := &result{}
	return r, json.Unmarshal(text, r)
}

const (
	beginMark = "<!-- begin of the table that `make bench-compare` writes -->"
	endMark   = "<!-- end of the table -->"
)

// intoPage puts the table between the marks of the page.
func (r *result) intoPage(page, name string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return errors.New(page + " has no place for the table")
	}
	return os.WriteFile(page, []byte(before+beginMark+"\n"+r.preamble(name)+r.table()+"\n"+endMark+after), 0o644)
}

func (r *result) preamble(name string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "\nMeasured %s: %d rounds (memory: 2), windows of %s, %s, %s cores, Linux %s", r.Date.Format("2006-01-02 15:04 UTC"), r.Rounds, r.Window, r.Machine["cpu"], r.Machine["cores"], r.Machine["kernel"])
	if r.Pinned {
		b.WriteString(", proxy on core 0, model and load on core 1")
	}
	names := make([]string, 0, len(r.Versions))
	for n := range r.Versions {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = n + " " + r.Versions[n]
	}
	fmt.Fprintf(b, ". %s. Raw figures: [results/%s](results/%s).\n", strings.Join(names, ", "), name, name)
	if r.Note != "" {
		fmt.Fprintf(b, "\n**Note:** %s\n", r.Note)
	}
	return b.String()
}

// machine describes where this runs.
func machine() map[string]string {
	m := map[string]string{"cores": strconv.Itoa(runtime.NumCPU()), "os": runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m["kernel"] = strings.TrimSpace(string(text))
	}
	m["cpu"] = field("/proc/cpuinfo", "model name")
	m["memory"] = field("/proc/meminfo", "MemTotal")
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m["load_average_before"] = strings.TrimSpace(string(text))
	}
	return m
}

// field is the first value of a name in a file of such lines.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// versions are those of everything that is measured.
func (b *bench) versions() map[string]string {
	v := map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		v["dragoman"] = strings.TrimSpace(string(out))
	}
	if out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/valyala/fasthttp").Output(); err == nil {
		v["fasthttp"] = strings.TrimSpace(string(out))
	}
	if b.nginx != "" {
		if out, err := exec.Command(b.nginx, "-v").CombinedOutput(); err == nil {
			_, version, _ := strings.Cut(strings.TrimSpace(string(out)), "/")
			v["nginx"] = version
		}
	}
	return v
}
