//go:build !race

package capture

import "testing"

func TestACaptureThatIsOffAllocatesNothing(t *testing.T) {
	b := &Book{}
	k := Kept{ID: "id", Caller: "alice"}
	p := []byte("text")
	if n := testing.AllocsPerRun(100, func() {
		x := b.Take(k, nil)
		x.Asked(p)
		x.Told(p)
		if x.Try("a", "m") != nil {
			t.Error("there is a tap")
		}
		x.Untry()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
