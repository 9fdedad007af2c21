package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dragoman-gateway/dragoman/config"
)

// deployed is a file of deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checked is a configuration that is deployed, with all variables set to what they hold there.
func checked(t *testing.T, name, text string) *config.Config {
	t.Helper()
	conf, err := config.Load([]byte(text), name, func(variable string) (string, bool) {
		switch {
		case strings.HasSuffix(variable, "STORE_URL"):
			return "postgres://dragoman:secret@db:5432/dragoman", true
		case strings.HasSuffix(variable, "SHARED_URL"):
			return "redis://cache:6379/0", true
		}
		return "secret-" + variable, true
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, w := range conf.Warnings() {
		t.Logf("%s: %v", name, w)
	}
	if !strings.HasPrefix(conf.Store.URL, "postgres://") || !strings.HasPrefix(conf.Shared.URL, "redis://") {
		t.Errorf("%s: replicas that share nothing", name)
	}
	return conf
}

// The image holds a static binary and no shell, and runs as a user without rights.
func TestTheImageHasNothingButTheBinary(t *testing.T) {
	t.Parallel()
	text := deployed(t, "Dockerfile")
	var stages []string
	for line := range strings.Lines(text) {
		if of, ok := strings.CutPrefix(line, "FROM "); ok {
			stages = append(stages, strings.TrimSpace(of))
		}
	}
	goMod, err := os.ReadFile(inTree("go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(goMod))[1]
	if len(stages) != 2 || !strings.HasPrefix(stages[0], "golang:"+version+"-") || stages[1] != "scratch" {
		t.Errorf("stages %q, want one of Go %s and an empty one", stages, version)
	}
	_, last, _ := strings.Cut(text, "FROM scratch")
	for _, want := range []string{"USER 65532:65532", "STOPSIGNAL SIGTERM", `ENTRYPOINT ["/usr/local/bin/dragoman"]`, "/etc/ssl/certs/ca-certificates.crt", `CMD ["serve", "-c", "/etc/dragoman/dragoman.yaml"]`} {
		if !strings.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	if strings.Contains(last, "RUN ") || strings.Contains(text, ":latest") {
		t.Error("something runs in the last stage, or an image has no version")
	}
	if !strings.Contains(text, "CGO_ENABLED=0 go build -trimpath") || !strings.Contains(text, "-X main.version=") {
		t.Error("the binary is not static, or has no version")
	}
	if ignored := deployed(t, "Dockerfile.dockerignore"); !strings.Contains(ignored, ".git\n") {
		t.Error("the history goes into the build")
	}
}

// composed is what the test looks at of the compose file; make compose checks it against the schema
// of the compose specification.
type composed struct {
	Services map[string]struct {
		Image   string
		Build   map[string]any
		Deploy  struct{ Replicas int }
		Ports   []string
		Grace   string            `yaml:"stop_grace_period"`
		Reads   bool              `yaml:"read_only"`
		Health  map[string]any    `yaml:"healthcheck"`
		Env     map[string]string `yaml:"environment"`
		Volumes []string
		Drop    []string `yaml:"cap_drop"`
	}
	Volumes map[string]any
}

func TestTheComposeFileHasThreeReplicasBehindOneBalancer(t *testing.T) {
	t.Parallel()
	var c composed
	if err := yaml.Unmarshal([]byte(deployed(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	conf := checked(t, "compose/dragoman.yaml", deployed(t, "compose/dragoman.yaml"))
	us := c.Services["dragoman"]
	if us.Deploy.Replicas != 3 || us.Build["dockerfile"] != "deploy/Dockerfile" || len(us.Ports) != 0 || !us.Reads || !slices.Equal(us.Drop, []string{"ALL"}) {
		t.Errorf("the replicas: %+v", us)
	}
	if grace, err := time.ParseDuration(us.Grace); err != nil || grace <= conf.Drain {
		t.Errorf("they are killed after %s, and may take %v", us.Grace, conf.Drain)
	}
	// What the configuration names is there.
	for variable := range variablesIn(deployed(t, "compose/dragoman.yaml")) {
		if us.Env[variable] == "" {
			t.Errorf("%s is not given", variable)
		}
	}
	for _, url := range []string{conf.Store.URL, conf.Shared.URL} {
		_, at, _ := strings.Cut(url, "//")
		if i := strings.LastIndexByte(at, '@'); i >= 0 {
			at = at[i+1:]
		}
		host, _, _ := strings.Cut(at, ":")
		if s, ok := c.Services[host]; !ok || s.Health == nil {
			t.Errorf("there is no service %s, or nobody asks how it is", host)
		}
	}
	open := 0
	for name, s := range c.Services {
		open += len(s.Ports)
		if s.Image == "" || name != "dragoman" && !regexp.MustCompile(`:\d`).MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				deployed(t, from)
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s: there is no volume %s", name, from)
			}
		}
	}
	if open != 1 {
		t.Errorf("%d ports are open, want the balancer's", open)
	}
	if balancer := deployed(t, "compose/haproxy.cfg"); !strings.Contains(balancer, "httpchk GET /readyz") || regexp.MustCompile(`(?m)^\s*(stick|cookie|hash)`).MatchString(balancer) || !strings.Contains(balancer, "balance roundrobin") {
		t.Error("the balancer does not ask who is ready, or keeps clients where they were")
	}
}

// variablesIn are the names of the variables of a configuration.
func variablesIn(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return all
}

// make helm renders the chart and lints it; this is what needs no helm.
func TestTheChartsConfigurationIsGood(t *testing.T) {
	t.Parallel()
	var values struct {
		Config  map[string]any
		Secrets map[string]struct{ Name, Key string }
		Stop    struct{ Wait, Grace int }
	}
	text := deployed(t, "helm/dragoman/values.yaml")
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	written, err := yaml.Marshal(values.Config)
	if err != nil {
		t.Fatal(err)
	}
	conf := checked(t, "helm/dragoman/values.yaml", string(written))
	for variable := range variablesIn(string(written)) {
		if s := values.Secrets[variable]; s.Name == "" || s.Key == "" {
			t.Errorf("%s comes from no secret", variable)
		}
	}
	if grace := time.Duration(values.Stop.Grace) * time.Second; grace < conf.Drain+time.Duration(values.Stop.Wait)*time.Second+5*time.Second {
		t.Errorf("a replica is killed after %v, and may take %v and %d s", grace, conf.Drain, values.Stop.Wait)
	}
	pods := deployed(t, "helm/dragoman/templates/deployment.yaml")
	for _, want := range []string{"path: /readyz", "path: /livez", "terminationGracePeriodSeconds: {{ .Values.stop.grace }}", "secretKeyRef", "checksum/config", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "maxUnavailable: 0"} {
		if !strings.Contains(pods, want) {
			t.Errorf("the deployment lacks %s", want)
		}
	}
	for name, port := range map[string]string{"fronts": conf.Listen, "admin": conf.Admin.Listen} {
		if _, number, _ := strings.Cut(port, ":"); !strings.Contains(pods, "name: "+name+", containerPort: "+number) {
			t.Errorf("%s is at %s, which the deployment does not know", name, port)
		}
	}
	if hpa := deployed(t, "helm/dragoman/templates/hpa.yaml"); !strings.Contains(hpa, "dragoman_sessions") {
		t.Error("replicas do not follow the open streams")
	}
}
