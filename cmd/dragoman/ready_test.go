package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

func TestReadinessIsToldOnBothPortsAndALostStoreLeavesItGood(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "r.db")
	r := runServeOn(t, strings.Replace(fmt.Sprintf(reloadConf, "echo"), "memory:", "sqlite:"+filepath.ToSlash(db), 1))
	for _, base := range []string{r.base, r.operator} {
		for _, path := range []string{"/readyz", "/livez"} {
			if status, body := r.call("GET", base+path, ""); status != 200 || !strings.Contains(body, `"status":"ok"`) {
				t.Errorf("%s: %d %s", base+path, status, body)
			}
		}
		if status, body := r.call("GET", base+"/readyz", ""); status != 200 || !strings.Contains(body, `"store":"ok"`) {
			t.Errorf("%s: %d %s", base, status, body)
		}
	}
	if _, text := r.call("GET", r.operator+"/metrics", "operator-token"); !strings.Contains(text, "\ndragoman_store_up 1\n") || !strings.Contains(text, "\ndragoman_ready 1\n") {
		t.Errorf("the metrics have neither of both:\n%s", text)
	}
	// What goes on without a store: see the test of the watch.
	if err := os.Remove(db); err != nil {
		t.Fatal(err)
	}
	r.logged("the store takes no changes")
	for _, base := range []string{r.base, r.operator} {
		if status, body := r.call("GET", base+"/readyz", ""); status != 200 || !strings.Contains(body, `"store":"lost"`) {
			t.Errorf("%s without its store: %d %s", base, status, body)
		}
	}
	if _, text := r.call("GET", r.operator+"/metrics", "operator-token"); !strings.Contains(text, "\ndragoman_store_up 0\n") || !strings.Contains(text, "\ndragoman_ready 1\n") {
		t.Errorf("the metrics do not say so:\n%s", text)
	}
}

func TestTheWatchOnAStoreTellsOnceThatItIsLostAndOnceThatItIsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	st, err := embedded.Open("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	log := &logtest.Log{}
	w := &storeWatch{st: st, log: slog.New(slog.NewTextHandler(log, nil))}
	look := func(up bool) {
		t.Helper()
		w.look(t.Context())
		if w.up() != up {
			t.Errorf("up is %v", w.up())
		}
	}
	look(true)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	look(false)
	look(false)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	look(true)
	look(true)
	if text := log.String(); strings.Count(text, "takes no changes") != 1 || strings.Count(text, "changes again") != 1 {
		t.Errorf("the log says:\n%s", text)
	}
}

// supervisor listens as systemd does; said brings what it hears, and ends with the test.
func supervisor(t *testing.T) (at string, said <-chan string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	at = filepath.Join(dir, "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		_ = os.RemoveAll(dir)
		t.Skip("there are no sockets of that kind: ", err)
	}
	heard := make(chan string, 4096)
	var reads sync.WaitGroup
	reads.Go(func() {
		defer close(heard)
		buf := make([]byte, 512)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			select {
			case heard <- string(buf[:n]):
			default: // more than any test waits for
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); reads.Wait(); _ = os.RemoveAll(dir) })
	return at, heard
}

// hears waits until all of words were said.
func hears(t *testing.T, said <-chan string, words ...string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for left := slices.Clone(words); len(left) > 0; {
		select {
		case word := <-said:
			left = slices.DeleteFunc(left, func(w string) bool { return w == word })
		case <-late:
			t.Fatalf("the supervisor was not told %q", left)
		}
	}
}

func TestASupervisorIsToldOfTheStartAndTheEndAndGetsSignsOfLife(t *testing.T) {
	t.Parallel()
	at, said := supervisor(t)
	c, problem := startChild(t, filepath.Join(writeConf(t), "dragoman.yaml"), "NOTIFY_SOCKET="+at, "WATCHDOG_USEC=200000")
	if c == nil {
		t.Fatal(problem)
	}
	hears(t, said, "READY=1", "WATCHDOG=1")
	c.stop(t)
	hears(t, said, "STOPPING=1\nEXTEND_TIMEOUT_USEC=11000000")
}

// writeConf returns a folder with a configuration that a child can serve.
func writeConf(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := fmt.Sprintf("%sdrain: 1s\n", strings.TrimPrefix(fmt.Sprintf(reloadConf, "echo"), "\nlisten: 127.0.0.1:0"))
	if err := os.WriteFile(filepath.Join(dir, "dragoman.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOnlyTheProcessThatIsMeantGivesSignsOfLife(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]time.Duration{
		"WATCHDOG_USEC=30000000": 30 * time.Second,
		"WATCHDOG_USEC=30000000 WATCHDOG_PID=" + strconv.Itoa(os.Getpid()): 30 * time.Second,
		"WATCHDOG_USEC=30000000 WATCHDOG_PID=1":                            0,
		"WATCHDOG_USEC=":                                                   0,
		"WATCHDOG_USEC=-5":                                                 0,
		"WATCHDOG_USEC=x":                                                  0,
		"":                                                                 0,
	} {
		got := watchdogOf(func(name string) (string, bool) {
			for _, one := range strings.Fields(env) {
				if value, ok := strings.CutPrefix(one, name+"="); ok {
					return value, true
				}
			}
			return "", false
		})
		if got != want {
			t.Errorf("%s: %v, want %v", env, got, want)
		}
	}
	quiet := newNotifier(func(string) (string, bool) { return "", false }, slog.New(slog.DiscardHandler))
	quiet.ready()
	quiet.stopping(time.Second)
	quiet.close()
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	text, err := os.ReadFile("../../deploy/systemd/dragoman.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks whether the programs are there.
	unit := filepath.Join(t.TempDir(), "dragoman.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/dragoman", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if said, err := exec.CommandContext(ctx, tool, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v: %s", err, said)
	}
}

// A folder of the configuration belongs to root, and the service runs as somebody else.
func TestTheUserOfTheUnitMayReadTheConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/systemd/dragoman.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nDynamicUser=yes\n", "\nConfigurationDirectory=dragoman\n", "\nConfigurationDirectoryMode=0755\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the unit lacks %s", strings.TrimSpace(want))
		}
	}
}

// A balancer that holds a connection open may have sent a question before it knows of the stop.
func TestAStopAnswersOnOpenConnectionsAndIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	r := runServeOn(t, "grace: 1m\ndrain: 1m\n"+fmt.Sprintf(reloadConf, "echo"))
	held, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	in := bufio.NewReader(held)
	ask := func() (*http.Response, string) {
		t.Helper()
		fmt.Fprint(held, "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-alice\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp, string(body)
	}
	if resp, body := ask(); resp.StatusCode != 200 || resp.Close {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	r.stop()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		status, body := r.call("GET", r.operator+"/readyz", "")
		if status == 503 && strings.Contains(body, "stopping") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is ready: %d %s", status, body)
		}
	}
	if _, text := r.call("GET", r.operator+"/metrics", "operator-token"); !strings.Contains(text, "\ndragoman_ready 0\n") {
		t.Errorf("the metrics say that it is ready:\n%s", text)
	}
	if resp, body := ask(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%d %s, close %v", resp.StatusCode, body, resp.Close)
	}
}
