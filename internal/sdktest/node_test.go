package sdktest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nodeScripts are what the tests in node ask for. nodeFaults are there once more
// for each library, with its name behind them: what one of them makes a channel
// fail must not shut it for the others.
var (
	nodeScripts   = []string{"echo", "recall", "say", "length", "tools", "image", "reason", "long-1000-slow-20"}
	nodeLibraries = []string{"openai", "anthropic", "ai-openai", "ai-anthropic", "openai-responses", "ai-responses", "chatnio"}
	nodeFaults    = []string{
		"fail-400", "fail-401", "fail-404", "fail-404-echo", "fail-429-retry-9", "fail-429-retry-3-times-1", "fail-500", "error200",
		"long-9-slow-5-cut", "long-9-slow-5-errormid", "long-9-slow-5-garbagemid", "long-9-slow-5-noend",
	}
)

// TestTheLibrariesForNode runs node/*.test.js, each file against a gateway of its
// own. Without node, or before npm ci, it is skipped, unless DRAGOMAN_TEST_ALL=1
// asks for everything.
func TestTheLibrariesForNode(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	if _, err := os.Stat("node/node_modules"); err != nil {
		missing(t, "run npm ci in internal/sdktest/node first")
	}
	files, err := filepath.Glob("node/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	scripts := nodeScripts
	for _, p := range pairs(nodeFaults, nodeLibraries) {
		scripts = append(scripts, p[0]+"-"+p[1])
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, scripts...)
			cmd := exec.CommandContext(t.Context(), node, "--test", "--test-force-exit", "--test-timeout=180000", "--test-reporter=spec", name)
			cmd.Dir = "node"
			cmd.Env = append(os.Environ(), "DRAGOMAN_URL="+w.url, "DRAGOMAN_KEY="+clientKey, "DRAGOMAN_CONTROL="+control(t, w))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if testing.Verbose() {
				t.Logf("%s", out)
			}
		})
	}
}

// missing skips the test, or fails it where nothing may be skipped.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("DRAGOMAN_TEST_ALL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// control tells the tests in node what the scripted model has seen.
func control(t *testing.T, w *world) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /left", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, w.model.Left()) })
	mux.HandleFunc("GET /active", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, w.model.Active()) })
	server := &http.Server{Handler: mux}
	addr := serve(t, func(ln net.Listener) error {
		if err := server.Serve(ln); err != http.ErrServerClosed {
			return err
		}
		return nil
	})
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + addr
}
