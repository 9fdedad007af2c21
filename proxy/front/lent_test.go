package front_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// Whole answers of all sizes at once, some of which are kept and given again: none has a byte of
// another one, also where it outgrows the buffers that are lent.
func TestNoWholeAnswerHasAByteOfAnother(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+`
presets: {kept: {model: echo, cache: 10m, max_tokens: 50}}
channels:
`+channel("up", "openai", "", "echo"))
	sizes := []int{1, 900, 2_000, 5_000, 30_000, 65_000, 66_000, 200_000}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 2 * len(sizes) {
				mark := fmt.Sprintf("<%d-%d>", n, i)
				text := strings.Repeat(mark, 1+sizes[(i+n)%len(sizes)]/len(mark))
				path, model := []string{"/v1/messages", "/v1/chat/completions", "/api/chat", "/v1/responses"}[i%4], []string{"echo", "kept"}[i%2]
				body := fmt.Sprintf(`{"model":%q,"max_tokens":50,"messages":[{"role":"user","content":%q}]}`, model, text)
				switch path {
				case "/api/chat":
					body = fmt.Sprintf(`{"message":%q,"userId":"u%s"}`, text, mark)
				case "/v1/responses":
					body = fmt.Sprintf(`{"model":"echo","input":%q}`, text)
				}
				for range 2 {
					status, head, got := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01", "Idempotency-Key", mark, "Accept-Encoding", "gzip")
					if head.Get("Content-Encoding") == "gzip" {
						z, err := gzip.NewReader(bytes.NewReader([]byte(got)))
						if err != nil {
							t.Error(err)
							return
						}
						plain, err := io.ReadAll(z)
						if got = string(plain); err != nil {
							t.Error(err)
							return
						}
					}
					got = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(got)
					if status != 200 || !strings.Contains(got, text) || strings.Count(got, "<") != strings.Count(text, "<") {
						t.Errorf("%s %s: %d, %d bytes of %d: %.300s", path, mark, status, len(got), len(text), got)
						return
					}
				}
			}
		})
	}
	all.Wait()
}
