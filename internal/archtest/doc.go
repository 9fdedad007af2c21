// Package archtest holds the rules of the code base that a compiler does not
// know: who may import whom, who may touch the process, what every goroutine
// starts with and where it is told of, how long files and functions are and how large their
// circles, what stands at the top of the tree, that the page of the architecture is one
// page, and that documents, sections and tests that are cited exist. It is all tests. A
// budget that is nearly used up is logged; run `go test -v ./internal/archtest` to see
// those warnings.
package archtest
