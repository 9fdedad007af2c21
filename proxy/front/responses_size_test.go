//go:build !race

package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// The race detector makes minutes of it.
func TestAMessageOfTheLargestSizeIsAnswered(t *testing.T) {
	t.Parallel()
	w := world.Start(t, twoCallers+"channels:\n"+channel("up", "openai", "", "echo"))
	for _, size := range []int{17 << 20, 31 << 20} {
		s := openResponses(t, w, key)
		if r := s.answered(fmt.Sprintf(`"model":"echo","store":false,"instructions":%q,"input":"hi"`, strings.Repeat("x", size))); r.text() == "" {
			t.Errorf("%d bytes: %+v", size, r)
		}
		_ = s.ws.Close()
		w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
	}
}
