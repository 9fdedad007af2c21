//go:build race

package dialects

// stride is how far the cuts of streams lie apart: the race detector has nothing
// to find in what one goroutine does, and makes each cut ten times as slow.
const stride = 13
