package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const loadedConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
channels:
  - {id: a, kind: mock, models: [m, {name: slow, upstream: long-20-slow-20}], weight: %d}
  - {id: b%d, kind: mock, models: [m, {name: slow, upstream: long-20-slow-20}]}
`

// put asks one question and says what was wrong with its answer; empty: nothing.
func (r *running) put(model string, stream bool) string {
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, model, stream)
	req, err := http.NewRequest("POST", r.base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer sk-alice")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || stream && !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		return fmt.Sprintf("%d %v %s", resp.StatusCode, err, text)
	}
	return ""
}

func TestFiftyChangesUnderLoadFailNoQuestionAndCutNoStream(t *testing.T) {
	t.Parallel()
	r := runServeOn(t, fmt.Sprintf(loadedConf, 1, 0))
	var asked, streamed atomic.Int64
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for i := range 24 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				model, count := "m", &asked
				if i >= 4 {
					model, count = "slow", &streamed
				}
				if wrong := r.put(model, i >= 4); wrong != "" {
					t.Errorf("%s: %s", model, wrong)
					return
				}
				count.Add(1)
			}
		})
	}
	for n := range 50 {
		text := fmt.Sprintf(loadedConf, 1+n%7, n%2)
		switch n % 3 {
		case 0:
			r.wants(200)(r.post("/api/configuration/apply", map[string]string{"text": text}))
		case 1:
			r.wants(400, "problems")(r.post("/api/configuration/apply", map[string]string{"text": text + "chanels: []\n"}))
		case 2:
			r.write(text)
			r.wants(200)(r.post("/api/reload", nil))
		}
		if wrong := r.put("m", false); wrong != "" {
			t.Error(wrong)
		}
	}
	r.hangups <- syscall.SIGHUP
	close(stop)
	clients.Wait()
	if asked.Load() == 0 || streamed.Load() == 0 {
		t.Errorf("%d questions and %d streams went through", asked.Load(), streamed.Load())
	}
	t.Logf("%d questions, %d streams, 50 changes of which 17 were broken", asked.Load(), streamed.Load())
}
