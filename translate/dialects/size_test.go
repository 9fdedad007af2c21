//go:build !race

package dialects

import (
	"runtime"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// What is read of a body takes at most six times its size, whatever is in it, besides
// 1 MiB that a small one may need; what reading it leaves to be collected is bounded as
// well.
func TestABodyNeverTakesMoreThanSixTimesItsSize(t *testing.T) {
	for _, b := range bulky {
		d := named(b.dialect)
		for _, n := range []int{20 << 10, 300 << 10, 2_900_000} {
			if n > 1<<20 && (b.dialect == "rest" || b.dialect == "iagent" || b.dialect == "chatnio") {
				continue // which take no body of that size
			}
			body := []byte(b.make(n))
			var req translate.Request
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := d.DecodeRequest(&req, body)
			runtime.ReadMemStats(&after)
			made := after.TotalAlloc - before.TotalAlloc
			runtime.GC()
			runtime.ReadMemStats(&after)
			took := after.HeapAlloc - min(after.HeapAlloc, before.HeapAlloc)
			runtime.KeepAlive(body)
			runtime.KeepAlive(&req)
			ratio := float64(took) / float64(len(body))
			if took > uint64(6*len(body)+1<<20) || made > uint64(50*len(body)+2<<20) {
				t.Errorf("%s, %s: %d bytes take %d (%.1f times as much) of %d, error %v", b.dialect, b.name, len(body), took, ratio, made, err)
			}
			if testing.Verbose() {
				t.Logf("%-9s %-32s %9d bytes: %4.1f times, %4.1f made, %v", b.dialect, b.name, len(body), ratio, float64(made)/float64(len(body)), err)
			}
		}
	}
}
