package translate

import (
	"strings"
	"testing"
)

const sampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestATraceParentIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{sampleParent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"} {
		c, ok := ParseTraceContext([]byte(parent), []byte("a=1, b@c=2"))
		if !ok || !c.Valid() {
			t.Fatalf("%s is refused", parent)
		}
		if got := string(c.AppendParent(nil)); got != parent {
			t.Errorf("%s became %s", parent, got)
		}
		if c.State != "a=1, b@c=2" || c.Trace() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%+v", c)
		}
	}
	if c := (TraceContext{}); c.Valid() || c.Trace() != "" {
		t.Error("nothing is a span")
	}
}

// A later version may have other flags, and more behind them.
func TestALaterVersionOfATraceParentIsReadAsFarAsItIsKnown(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{"cc" + sampleParent[2:], "cc" + sampleParent[2:] + "-what", "01" + sampleParent[2:53] + "ff"} {
		c, ok := ParseTraceContext([]byte(parent), nil)
		if !ok || string(c.AppendParent(nil)) != sampleParent {
			t.Errorf("%s is refused, or became %s", parent, c.AppendParent(nil))
		}
	}
}

func TestAMalformedTraceParentIsNone(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{
		"", "00", "x", sampleParent[1:], sampleParent[:54], sampleParent + "0", sampleParent + "-x", "ff" + sampleParent[2:], "cc" + sampleParent[2:] + "x", "0G" + sampleParent[2:],
		strings.ToUpper(sampleParent), strings.ReplaceAll(sampleParent, "-", "_"),
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319z-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01", sampleParent[:53] + "0x",
	} {
		if c, ok := ParseTraceContext([]byte(parent), []byte("a=1")); ok || c != (TraceContext{}) {
			t.Errorf("%q is taken for %+v", parent, c)
		}
	}
}

func TestAMalformedTraceStateIsLeftOut(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a=1,", 33)
	for _, state := range []string{"", "a", "=1", "a=", "a=1\r\nEvil: 1", "a=\x00", "a=é", "a=" + strings.Repeat("1", MaxTraceState), many, ", ,"} {
		c, ok := ParseTraceContext([]byte(sampleParent), []byte(state))
		if !ok || c.State != "" {
			t.Errorf("%q: %v, %q", state, ok, c.State)
		}
	}
}

func FuzzATraceContextIsWrittenAsItIsRead(f *testing.F) {
	f.Add([]byte(sampleParent), []byte("a=1"))
	f.Add([]byte("cc"+sampleParent[2:]+"-x"), []byte("a=\r\n"))
	f.Fuzz(func(t *testing.T, parent, state []byte) {
		c, ok := ParseTraceContext(parent, state)
		if !ok {
			return
		}
		again, ok := ParseTraceContext(c.AppendParent(nil), []byte(c.State))
		if !ok || again != c {
			t.Errorf("%q, %q became %+v and then %+v", parent, state, c, again)
		}
		if strings.ContainsAny(c.State, "\r\n") {
			t.Errorf("a state that breaks a header: %q", c.State)
		}
	})
}
