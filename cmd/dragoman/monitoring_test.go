package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	dashboardFile = "../../deploy/grafana/dragoman.json"
	alertsFile    = "../../deploy/prometheus/alerts.yaml"
)

// query is an expression of the dashboard or of an alert, and where it stands.
type query struct{ at, expr string }

// dashboardQueries returns what the panels and variables of the dashboard ask.
func dashboardQueries(t *testing.T) (all []query) {
	t.Helper()
	var d struct {
		Panels []struct {
			Title, Type, Description string
			Targets                  []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	titles := map[string]bool{}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if titles[p.Title] {
			t.Errorf("two panels are called %s", p.Title)
		}
		titles[p.Title] = true
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("the panel %s says or asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, query{"the panel " + p.Title, target.Expr})
		}
	}
	labelValues := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range d.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, query{"the variable " + v.Name, "count by (" + m[2] + ") (" + m[1] + ")"})
		}
	}
	return all
}

// alert is one rule of the file.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Runbook string }
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// series are the labels of the series of a scrape, by name, those that scraping adds
// included. The parts of a histogram have names of their own.
type series map[string][]string

// scraped returns the series of a gateway that has answered a question, with all that makes
// further series, and the names of the families that they belong to.
func scraped(t *testing.T) (all series, names []string) {
	t.Helper()
	// Nobody listens at the address of the shared server.
	r := runServeOn(t, strings.NewReplacer(
		"store:", "shared: {url: \"redis://127.0.0.1:1\"}\nstore:", "models: [echo]", "models: [echo], probe: {every: 1h}",
	).Replace(fmt.Sprintf(reloadConf, "echo")))
	ask, err := http.NewRequest("POST", r.base+"/v1/chat/completions", strings.NewReader(`{"model":"echo","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Authorization", "Bearer sk-alice")
	ask.Close = true
	resp, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_, text := r.call("GET", r.operator+"/metrics", "operator-token")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ofScraper := []string{"job", "instance"}
	all = series{"up": ofScraper}
	for name, f := range families {
		labels := slices.Clone(ofScraper)
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels = append(labels, l.GetName())
			}
		}
		names = append(names, name)
		if f.GetType().String() != "HISTOGRAM" {
			all[name] = labels
			continue
		}
		all[name+"_sum"], all[name+"_count"] = labels, labels
		all[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	return all, names
}

var (
	aSelector = regexp.MustCompile(`\b(dragoman_\w+|up)\b(?:\{([^}]*)\})?`)
	aMatcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	aGrouping = regexp.MustCompile(`\b(?:by|without|on|ignoring) \(([^)]*)\)`)
)

// unknown returns what q names that is in no scrape: series, labels, and values of the
// labels that have a fixed set of them.
func unknown(known series, words string, q query) (wrong []string) {
	var all []string
	for _, s := range aSelector.FindAllStringSubmatch(q.expr, -1) {
		labels := known[s[1]]
		if labels == nil {
			wrong = append(wrong, s[1])
			continue
		}
		all = append(all, labels...)
		for _, m := range aMatcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(labels, m[1]) {
				wrong = append(wrong, s[1]+" "+m[1])
			}
			if m[1] != "outcome" && m[1] != "state" {
				continue
			}
			for _, value := range strings.Split(m[2], "|") {
				if !strings.Contains(words, "`"+value+"`") {
					wrong = append(wrong, m[1]+" "+value)
				}
			}
		}
	}
	for _, g := range aGrouping.FindAllStringSubmatch(q.expr, -1) {
		for _, label := range strings.Split(g[1], ", ") {
			if !slices.Contains(all, label) {
				wrong = append(wrong, "by "+label)
			}
		}
	}
	if len(all) == 0 {
		wrong = append(wrong, "nothing")
	}
	return wrong
}

func TestTheDashboardAndTheAlertsNameOnlyWhatAScrapeHas(t *testing.T) {
	t.Parallel()
	known, families := scraped(t)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := dashboardQueries(t)
	for _, a := range alerts(t) {
		queries = append(queries, query{"the alert " + a.Alert, a.Expr})
		if a.For == "" || a.Annotations.Summary == "" || a.Annotations.Runbook == "" || !slices.Contains([]string{"critical", "warning", "info"}, a.Labels.Severity) {
			t.Errorf("the alert %s lacks for, severity, summary or runbook", a.Alert)
		}
	}
	shown := map[string]bool{}
	for _, q := range queries {
		if wrong := unknown(known, string(page), q); len(wrong) > 0 {
			t.Errorf("%s names %q, which is in no scrape: %s", q.at, wrong, q.expr)
		}
		for _, s := range aSelector.FindAllStringSubmatch(q.expr, -1) {
			shown[strings.TrimSuffix(strings.TrimSuffix(s[1], "_bucket"), "_count")] = true
		}
	}
	for _, name := range families {
		if !shown[name] && name != "dragoman_shared_missed_total" {
			t.Errorf("neither the dashboard nor an alert has %s", name)
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/operations.md does not have %s", name)
		}
	}
	// The test itself would not notice if it found nothing.
	for _, bad := range []string{"dragoman_no_such", `dragoman_goroutines{front="a"}`, "sum by (front) (dragoman_goroutines)", `dragoman_exchanges_total{outcome="no_such"}`, "1"} {
		if len(unknown(known, string(page), query{"here", bad})) == 0 {
			t.Errorf("%s is taken", bad)
		}
	}
}

// promtool runs Prometheus' own tool, which make test installs.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("DRAGOMAN_TEST_ALL") == "1":
		t.Fatal("there is no promtool: make promtool installs it")
	default:
		t.Skip("there is no promtool: make promtool installs it")
	}
	if said, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

func TestPromtoolTakesTheAlertsAndWhatTheDashboardAsks(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", alertsFile)
	promtool(t, "test", "rules", strings.TrimSuffix(alertsFile, ".yaml")+"_test.yaml")

	// The queries as rules, with values in the place of the variables.
	var rules bytes.Buffer
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	values := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*", "$channel", ".*")
	for i, q := range dashboardQueries(t) {
		fmt.Fprintf(&rules, "  - record: dashboard:%d\n    expr: %q\n", i, values.Replace(q.expr))
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, rules.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
