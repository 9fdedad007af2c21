// Package archtest holds the rules of the code base that a compiler does not
// know: who may import whom, who may touch the process, what every goroutine
// starts with, how long files and functions are, and what stands at the top of
// the tree. It is all tests. A budget that is nearly used up is logged; run
// `go test -v ./internal/archtest` to see those warnings.
package archtest
