package sdktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// codexModel is a back end of the dialects openai and responses that has Codex run a command, and
// then says what that has printed.
type codexModel struct {
	asked   atomic.Int64
	sockets func() int
	open    atomic.Int64 // sockets of the gateway's clients, when it was asked last
}

const (
	codexCommand = "echo $((6*7))"
	codexOutput  = "42"
	codexAnswer  = "It has printed what it should."
)

// ServeHTTP implements http.Handler.
func (m *codexModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.asked.Add(1)
	m.open.Store(int64(m.sockets()))
	var q struct {
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
		Input []struct {
			Type   string
			Output json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text := ""
	for _, one := range q.Messages {
		if one.Role == "tool" {
			text = saidOf(one.Content)
		}
	}
	for _, one := range q.Input {
		if one.Type == "function_call_output" {
			text = saidOf(one.Output)
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if strings.HasSuffix(r.URL.Path, "/responses") {
		writeResponse(w, text)
		return
	}
	writeCompletion(w, text)
}

// saidOf is what the model says of what a command has printed.
func saidOf(output []byte) string {
	if bytes.Contains(output, []byte(codexOutput)) {
		return codexAnswer
	}
	return "It has printed " + string(output)
}

// codexArgs are the arguments of the call, as JSON in a JSON string.
func codexArgs() string {
	args, _ := json.Marshal(map[string]string{"cmd": codexCommand})
	text, _ := json.Marshal(string(args))
	return string(text)
}

func writeCompletion(w io.Writer, text string) {
	delta, finish := fmt.Sprintf(`{"role":"assistant","content":%q}`, text), "stop"
	if text == "" {
		delta, finish = fmt.Sprintf(`{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"exec_command","arguments":%s}}]}`, codexArgs()), "tool_calls"
	}
	const chunk = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n"
	fmt.Fprintf(w, chunk+chunk+"data: [DONE]\n\n", delta, "null", "{}", `"`+finish+`"`)
}

func writeResponse(w io.Writer, text string) {
	item := fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":%q,"annotations":[]}]}`, text)
	if text == "" {
		item = fmt.Sprintf(`{"id":"fc_1","type":"function_call","status":"completed","call_id":"call_1","name":"exec_command","arguments":%s}`, codexArgs())
	}
	const response = `{"id":"resp_1","object":"response","created_at":1,"status":%q,"model":"up","output":[%s],"usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":2}}`
	for i, event := range []string{
		`{"type":"response.created","response":` + fmt.Sprintf(response, "in_progress", ""),
		`{"type":"response.output_item.added","output_index":0,"item":` + item,
		`{"type":"response.output_item.done","output_index":0,"item":` + item,
		`{"type":"response.completed","response":` + fmt.Sprintf(response, "completed", item),
	} {
		fmt.Fprintf(w, "data: %s,\"sequence_number\":%d}\n\n", event, i)
	}
}

// TestCodexFinishesALoopOfTwoSteps runs OpenAI's Codex over both transports, in front of channels of
// its own dialect and of another. Its binary is large: it is a package of its own, and there is none
// for every platform.
func TestCodexFinishesALoopOfTwoSteps(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob("codex/node_modules/@openai/codex-*/vendor/*/bin/codex")
	if err != nil || len(found) == 0 {
		if runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
			missing(t, "run npm ci in internal/sdktest/codex first")
		}
		t.Skip("there is no Codex for this platform")
	}
	binary, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"openai", "responses"} {
		for _, socket := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, on a socket: %v", kind, socket), func(t *testing.T) {
				t.Parallel()
				w := &world{}
				m := &codexModel{sockets: func() int { return len(w.front.OpenSockets()) }}
				up := httptest.NewServer(m)
				t.Cleanup(up.Close)
				w.open(t, fmt.Sprintf("callers: {keys: [{name: alice, key: %s}]}\nchannels:\n  - {id: up, kind: %s, url: %q, keys: [%s], models: [up]}\n", clientKey, kind, up.URL, modelKey))
				if said := codexSays(t, binary, w.url, socket); said != codexAnswer {
					t.Errorf("it says %q, want %q", said, codexAnswer)
				}
				if open := m.open.Load(); m.asked.Load() != 2 || open > 0 != socket {
					t.Errorf("%d questions, with %d sockets", m.asked.Load(), open)
				}
			})
		}
	}
}

// codexSays has Codex do something, and returns the last words of its model.
func codexSays(t *testing.T, binary, url string, socket bool) (said string) {
	t.Helper()
	home, work := t.TempDir(), t.TempDir()
	conf := fmt.Sprintf(`model = "up"
model_provider = "dragoman"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.dragoman]
name = "dragoman"
base_url = "%s/v1"
wire_api = "responses"
env_key = "DRAGOMAN_KEY"
supports_websockets = %v
request_max_retries = 0
stream_max_retries = 0
`, url, socket)
	if err := os.WriteFile(filepath.Join(home, "config.toml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	// The one command that it is told to run is above, so that it needs no sandbox, which not every
	// machine has.
	cmd := exec.CommandContext(t.Context(), binary, "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-C", work, "Run the command.")
	cmd.Env = []string{"CODEX_HOME=" + home, "HOME=" + home, "PATH=" + os.Getenv("PATH"), "DRAGOMAN_KEY=" + clientKey, "NO_PROXY=127.0.0.1"}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, problems.String())
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var event struct {
			Item struct{ Type, Text string }
		}
		if json.Unmarshal(lines.Bytes(), &event) == nil && event.Item.Type == "agent_message" {
			said = event.Item.Text
		}
	}
	if said == "" {
		t.Errorf("it says nothing:\n%s\n%s", out, problems.String())
	}
	return said
}
