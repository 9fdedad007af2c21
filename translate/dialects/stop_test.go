package dialects

import (
	"errors"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestADecodeEndsSoonWhenNobodyWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	for _, b := range bulky {
		switch b.name {
		case "tiny messages of the rarer form", "results of tools", "calls", "results", "tools":
		default:
			continue
		}
		body := []byte(b.make(100 << 10))
		asked, left := 0, 3
		req := translate.Request{Stop: func() bool { asked++; return asked == left }}
		err := named(b.dialect).DecodeRequest(&req, body)
		var e *translate.Error
		if !errors.As(err, &e) || e.Code != translate.CodeCanceled || asked != left {
			t.Errorf("%s, %s: %v after it was asked %d times", b.dialect, b.name, err, asked)
		}
	}
}
