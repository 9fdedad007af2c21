package world

import (
	"runtime"
	"slices"
	"strings"
)

// InBubble counts the goroutines of the caller's bubble (testing/synctest), and shows
// their stacks. Other tests beside it have bubbles of their own, and
// [runtime.NumGoroutine] would count those that collect garbage too.
func InBubble() (n int, stacks string) {
	buf := make([]byte, 8<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	_, mine, _ := strings.Cut(all[0], ", synctest bubble ") // the caller's comes first
	mine, _, _ = strings.Cut(mine, "]")
	all = slices.DeleteFunc(all, func(g string) bool { return !strings.Contains(g, ", synctest bubble "+mine+"]") })
	return len(all), strings.Join(all, "\n\n")
}
