package dialects

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestASchemaForTheAnswerAndStrictToolsAreToldInBothVendorsWords(t *testing.T) {
	t.Parallel()
	const (
		all    = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
		some   = `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`
		openai = `{"model":"m","messages":[{"role":"user","content":"x"}],`
		claude = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],`
	)
	for _, c := range []struct {
		down, body, up, want string
		dropped              []string
	}{
		{"openai", openai + `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":` + all + `}}}`,
			"anthropic", `"output_config":{"format":{"type":"json_schema","schema":` + all + `}}`, nil},
		{"openai", openai + `"response_format":{"type":"text"}}`, "anthropic", `"max_tokens":4096`, nil},
		{"openai", openai + `"response_format":{"type":"json_object"}}`, "anthropic", `"system":"Answer with one JSON object`, nil},
		{"openai", openai + `"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}`, "anthropic", `"max_tokens":4096`, []string{"response_format"}},
		{"anthropic", claude + `"output_config":{"format":{"type":"json_schema","schema":` + all + `}}}`,
			"openai", `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":` + all + `,"strict":true}}`, nil},
		{"anthropic", claude + `"output_config":{"format":{"type":"json_schema","schema":` + some + `}}}`,
			"openai", `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":` + some + `}}`, nil},
		{"anthropic", claude + `"output_config":{"format":{"type":"json_schema","schema":` + all + `}}}`, "rest", `"message":"x"`, []string{"max_tokens", "response_format"}},
		{"openai", openai + `"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":` + all + `}}]}`,
			"anthropic", `"tools":[{"name":"f","input_schema":` + all + `,"strict":true}]`, nil},
		{"anthropic", claude + `"tools":[{"name":"f","strict":true,"input_schema":` + all + `}]}`,
			"openai", `"parameters":` + all + `,"strict":true}}]`, nil},
		{"anthropic", claude + `"tools":[{"name":"f","strict":true,"input_schema":` + some + `}]}`,
			"openai", `"parameters":` + some + `}}]`, []string{"strict"}},
		{"openai", openai + `"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":` + some + `}}]}`,
			"openai", `"parameters":` + some + `,"strict":true}}]`, nil},
	} {
		dialect := func(name string) translate.Dialect {
			return All[slices.IndexFunc(All, func(d translate.Dialect) bool { return d.Name() == name })]
		}
		var req translate.Request
		if err := dialect(c.down).DecodeRequest(&req, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
		got, err := dialect(c.up).AppendRequest(nil, &req)
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s for %s: %s, %v, want %s", c.body, c.up, got, err, c.want)
		}
		if diff := cmp.Diff(c.dropped, req.Dropped); diff != "" {
			t.Errorf("%s for %s: %s", c.body, c.up, diff)
		}
	}
}
