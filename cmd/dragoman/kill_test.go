package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// serveArgs names the arguments of the process that tests start, kill and start
// again: this very binary, as the program.
const serveArgs = "DRAGOMAN_TEST_ARGS"

// fileLimit is, in that process, how long a file may become, in bytes; "later" behind
// the number: not from the start, see limitFiles.
const fileLimit = "DRAGOMAN_TEST_FILE_LIMIT"

// descriptorLimit is, in that process, how many descriptors it may have open.
const descriptorLimit = "DRAGOMAN_TEST_DESCRIPTORS"

func TestMain(m *testing.M) {
	args := os.Getenv(serveArgs)
	if args == "" {
		os.Exit(m.Run())
	}
	limit, later := strings.CutSuffix(os.Getenv(fileLimit), "later")
	if n, err := strconv.ParseUint(limit, 10, 64); err == nil {
		if err := limitFiles(n, later); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	if n, err := strconv.ParseUint(os.Getenv(descriptorLimit), 10, 64); err == nil {
		if err := limitDescriptors(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	os.Args = append(os.Args[:1:1], strings.Split(args, "\n")...)
	main()
}

// child is a gateway in a process of its own.
type child struct {
	cmd  *exec.Cmd
	addr string
	err  *bytes.Buffer
	out  sync.WaitGroup // what it prints is read
}

const childKey = "sk-child"

// childConf is its configuration, with conversations in db.
func childConf(t *testing.T, db string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := "store: {url: \"sqlite:" + db + "\"}\ncallers: {keys: [{name: alice, key: " + childKey + "}]}\n" +
		"presets: {default: {model: echo}}\nchannels: [{id: m, kind: mock, models: [echo]}]\ndrain: 1s\nadmin: {listen: \"127.0.0.1:0\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serving is startChild of one that has to serve.
func serving(t *testing.T, conf string, environ ...string) *child {
	t.Helper()
	c, said := startChild(t, conf, environ...)
	if c == nil {
		t.Fatal(said)
	}
	return c
}

// startChild starts a gateway with the configuration file conf; environ is added
// to its environment. It returns nil, and what was said, if it does not serve.
func startChild(t *testing.T, conf string, environ ...string) (*child, string) {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), err: &bytes.Buffer{}}
	c.cmd.Env = append(os.Environ(), serveArgs+"="+strings.Join([]string{"serve", "-c", conf, "--listen", "127.0.0.1:0"}, "\n"))
	c.cmd.Env = append(c.cmd.Env, environ...)
	c.cmd.Stderr = c.err
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "rest        http://"); ok {
			c.addr = strings.TrimSuffix(addr, "/api/chat")
			c.out.Go(func() { _, _ = io.Copy(io.Discard, out) })
			return c, ""
		}
	}
	_ = c.cmd.Wait()
	return nil, c.err.String()
}

// kill ends it without a warning.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.out.Wait()
	_ = c.cmd.Wait()
}

// stop ends it as an operator would.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	c.out.Wait()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the gateway ended with %v: %s", err, c.err)
	}
}

var childClient = &http.Client{Timeout: 30 * time.Second}

// call makes a request and returns status and body; the error says that there was
// no answer, or only half of one.
func (c *child) call(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, "http://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+childKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := childClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), err
}

// ask puts one question in the rest dialect.
func (c *child) ask(user, text string) (int, string, error) {
	return c.call("POST", "/api/chat", fmt.Sprintf(`{"userId":%q,"message":%q}`, user, text))
}

// chat opens a chatnio socket that is signed in.
func (c *child) chat() (*websocket.Conn, error) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/chat", nil)
	if err != nil {
		return nil, err
	}
	_ = ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
	return ws, ws.WriteMessage(websocket.TextMessage, []byte(`{"token":"`+childKey+`","id":-1}`))
}

// turn puts one question on a chatnio socket. fault is what the end frame says.
func turn(ws *websocket.Conn, text string) (fault string, err error) {
	if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"chat","model":"echo","message":%q}`, text)); err != nil {
		return "", err
	}
	for {
		var f struct {
			Message string
			End     bool
		}
		if err := ws.ReadJSON(&f); err != nil {
			return "", err
		}
		if f.End {
			return f.Message, nil
		}
	}
}

// stored returns the texts of all questions that are kept, and fails t for a turn
// of which there is only a part.
func (c *child) stored(t *testing.T) map[string]bool {
	t.Helper()
	texts, ids := make(map[string]bool), c.ids(t)
	for _, id := range ids {
		var conv struct {
			Data struct {
				Messages []struct{ Role, Content string }
			}
		}
		c.read(t, "/api/conversations/"+id+"?limit=100000", &conv)
		all := conv.Data.Messages
		if len(all)%2 != 0 || len(all) == 0 {
			t.Errorf("%s has %d messages", id, len(all))
			continue
		}
		for i := 0; i < len(all); i += 2 {
			q, a := all[i], all[i+1]
			if q.Role != "user" || a.Role != "assistant" || !strings.Contains(a.Content, strconv.Quote(q.Content)) || texts[q.Content] {
				t.Errorf("%s: not a turn, or twice: %+v %+v", id, q, a)
			}
			texts[q.Content] = true
		}
	}
	return texts
}

func (c *child) ids(t *testing.T) (ids []string) {
	t.Helper()
	for {
		var list struct {
			Data struct{ Conversations []struct{ ID string } }
		}
		c.read(t, fmt.Sprintf("/api/conversations?limit=100&offset=%d", len(ids)), &list)
		for _, one := range list.Data.Conversations {
			ids = append(ids, one.ID)
		}
		if len(list.Data.Conversations) == 0 {
			return ids
		}
	}
}

func (c *child) read(t *testing.T, path string, v any) {
	t.Helper()
	status, body, err := c.call("GET", path, "")
	if err == nil && status != 200 {
		err = fmt.Errorf("%d", status)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), v)
	}
	if err != nil {
		t.Fatalf("%s: %v %.300s", path, err, body)
	}
}

// load asks questions from 8 clients, half of them in the rest dialect and half on
// chatnio sockets, until there were turns of them or the gateway is gone.
type load struct {
	mu    sync.Mutex
	acked []string
	left  atomic.Int64
	count atomic.Int64
}

func (l *load) run(ctx context.Context, c *child, round int, after func(acked int64)) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			ask := func(text string) bool {
				status, _, err := c.ask(fmt.Sprintf("u%d-%d", round, i), text)
				return err == nil && status == 200
			}
			if i%2 == 1 {
				ws, err := c.chat()
				if err != nil {
					return
				}
				defer func() { _ = ws.Close() }()
				ask = func(text string) bool {
					fault, err := turn(ws, text)
					return err == nil && fault == ""
				}
			}
			for n := 0; ctx.Err() == nil && l.left.Add(-1) >= 0; n++ {
				text := fmt.Sprintf("%d-%d-%d", round, i, n)
				if !ask(text) {
					return
				}
				l.mu.Lock()
				l.acked = append(l.acked, text)
				l.mu.Unlock()
				after(l.count.Add(1))
			}
		})
	}
	all.Wait()
}

// number reads a number from the environment.
func number(name string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return standard
}

// A turn that a client saw the end of is there after kill -9 at any moment, and
// none is half. DRAGOMAN_TEST_KILLS and DRAGOMAN_TEST_TURNS make it longer.
func TestAcknowledgedTurnsOfTheWholeGatewaySurviveKill(t *testing.T) {
	t.Parallel()
	rounds, turns := number("DRAGOMAN_TEST_KILLS", 3), number("DRAGOMAN_TEST_TURNS", 120)
	db := filepath.Join(t.TempDir(), "kill.db")
	conf := childConf(t, db)
	l := &load{}
	var spent, slowest time.Duration
	began := time.Now()
	for round := range rounds {
		start := time.Now()
		c, said := startChild(t, conf)
		if c == nil {
			t.Fatalf("round %d: it does not start again: %s", round, said)
		}
		slowest = max(slowest, time.Since(start))
		at := l.count.Load() + int64(turns/4+rand.IntN(turns/2))
		l.left.Store(int64(turns))
		start = time.Now()
		l.run(t.Context(), c, round, func(acked int64) {
			if acked == at {
				_ = c.cmd.Process.Kill()
			}
		})
		spent += time.Since(start)
		c.kill()
	}
	c, said := startChild(t, conf)
	if c == nil {
		t.Fatalf("it does not start again: %s", said)
	}
	there := c.stored(t)
	lost := 0
	for _, text := range l.acked {
		if !there[text] {
			lost++
			t.Errorf("%s was acknowledged and is lost", text)
		}
	}
	c.stop(t)
	checkIntegrity(t, db)
	if len(l.acked) < rounds*turns/4 {
		t.Errorf("only %d turns were acknowledged", len(l.acked))
	}
	t.Logf("%d kills, %d turns acknowledged, %d stored, %d lost; %.0f durable turns/s; slowest start %v; %v in all",
		rounds, len(l.acked), len(there), lost, float64(len(l.acked))/spent.Seconds(), slowest.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the database is %s, %v", verdict, err)
	}
}
