package translate

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

func TestABodyOfAnotherDialectIsToldWhereItBelongs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ own, body, want string }{
		{"messages", `{"model":"m","contents":[]}`, "for POST /v1beta/models/{model}:generateContent"},
		{"messages", `{"model":"m","input":"x"}`, "for POST /v1/responses"},
		{"messages", `{"message":"x","userId":"u"}`, "for POST /api/chat"},
		{"messages", `{"model":"m","prompt":"x"}`, "for POST /v1/completions"},
		{"input", `{"model":"m","messages":[]}`, "for POST /v1/chat/completions or POST /v1/messages"},
		{"contents", `{"messages":[]}`, "contents is required: a body with messages"},
		{"messages", `{"messages":[],"input":"x"}`, ""},
		{"messages", `{"model":"m"}`, ""},
	} {
		o, _ := jsonx.Scan([]byte(c.body))
		err := Foreign(&o, c.own)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || AsError(err, Error{}).Param != c.own) {
			t.Errorf("%s without %s: %v", c.body, c.own, err)
		}
	}
}
