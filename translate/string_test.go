package translate

import "testing"

func TestEveryKindFinishAndFaultHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := KindStart; k <= KindToolProof; k++ {
		mustName(t, seen, "kind ", k.String())
	}
	for f := FinishStop; f <= FinishPause; f++ {
		mustName(t, seen, "finish ", f.String())
	}
	for f := Fault(0); f <= faultEnd; f++ {
		mustName(t, seen, "fault ", f.String())
	}
	for got, want := range map[string]string{
		Kind(0).String(): "none", (KindToolProof + 1).String(): "13", finishFailed.String(): "255", Fault(200).String(): "other",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func mustName(t *testing.T, seen map[string]bool, what, name string) {
	t.Helper()
	if name == "" || name == "none" || name[0] <= '9' || seen[what+name] {
		t.Errorf("a %sis called %q", what, name)
	}
	seen[what+name] = true
}
