package dialects

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// The end user of openai and anthropic is never refused: a long one is a hash, which is
// always the same, and goes on as it came where the question does.
func TestALongUserIsAHash(t *testing.T) {
	t.Parallel()
	for dialect, body := range map[string]string{
		"openai":    `{"model":"m","messages":[{"role":"user","content":%s}],"user":%q}`,
		"responses": `{"model":"m","input":[{"role":"user","content":%s}],"user":%q}`,
		"anthropic": `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":%s}],"metadata":{"user_id":%q}}`,
	} {
		for _, content := range []string{`"hi"`, `[{"type":"text","text":"hi"}]`} {
			for n, whole := range map[int]bool{64: true, 65: false, 1 << 20: false} {
				user := strings.Repeat("ü", n)
				var req, again translate.Request
				text := fmt.Appendf(nil, body, content, user)
				if err := named(dialect).DecodeRequest(&req, text); err != nil {
					t.Fatal(err)
				}
				if err := named(dialect).DecodeRequest(&again, text); err != nil || again.User != req.User {
					t.Errorf("%s: %v, %s and %s", dialect, err, req.User, again.User)
				}
				if whole != (req.User == user) || !whole && len(req.User) != translate.MaxUser {
					t.Errorf("%s: a user of %d characters is %.100s", dialect, n, req.User)
				}
				req.PassThrough = true
				if sent, err := named(dialect).AppendRequest(nil, &req); err != nil || !strings.Contains(string(sent), user) {
					t.Errorf("%s: %v, the user of %d characters is not sent on", dialect, err, n)
				}
			}
		}
	}
}
