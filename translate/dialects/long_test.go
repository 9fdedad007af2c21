//go:build !race

package dialects

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

func TestTmpHowLong(t *testing.T) {
	if os.Getenv("HOWLONG") == "" {
		t.Skip()
	}
	n := 31 << 20
	pad := strings.Repeat("a", 310)
	for name, c := range map[string]struct {
		d    translate.Dialect
		body string
	}{
		"text":    {openai.Dialect, content(1, "user", `{"type":"text","text":"`+strings.Repeat("a", n)+`"}`)},
		"plain":   {openai.Dialect, chatOf(`{"role":"user","content":"` + pad + `"}`)(n * 97 / 100)},
		"parts":   {openai.Dialect, content(n*97/100, "user", `{"type":"text","text":"`+pad+`"}`)},
		"escapes": {openai.Dialect, content(1, "user", `{"type":"text","text":"`+strings.Repeat(`\n`, n/2)+`"}`)},
		"u":       {openai.Dialect, content(1, "user", `{"type":"text","text":"`+strings.Repeat(`\u0001`, n/6)+`"}`)},
		"numbers": {openai.Dialect, extra(func(n int) string { return `"x":[` + repeat(n, `1`) + `],"logprobs":false` })(n)},
		"input":   {anthropic.Dialect, `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{"a":[` + repeat(n, `1`) + `]}}]}]}`},
		"schema": {openai.Dialect, extra(func(n int) string {
			return `"tools":[{"function":{"name":"a","strict":true,"parameters":{"enum":[` + repeat(n, `1`) + `]}}}]`
		})(n)},
		"blocks": {anthropic.Dialect, blocks(n*97/100, `{"type":"text","text":"`+pad+`"},{"type":"tool_result","tool_use_id":"a"}`)},
	} {
		var req translate.Request
		at := time.Now()
		err := c.d.DecodeRequest(&req, []byte(c.body))
		took := time.Since(at)
		at = time.Now()
		var e2 error
		if err == nil {
			_, e2 = anthropic.Dialect.AppendRequest(nil, &req)
		}
		t.Log(name, len(c.body), took, time.Since(at), err, e2)
		req = translate.Request{}
		at = time.Now()
		ok := c.d.(translate.Peeker).Peek(&req, []byte(c.body))
		t.Log(name, "peek", ok, time.Since(at))
	}
}
