//go:build !unix

package upstream

// awaiter cannot wait without a buffer here.
type awaiter struct{}

func newAwaiter(any) *awaiter { return &awaiter{} }

func (a *awaiter) able() bool { return false }

func (a *awaiter) await(*buffers, bool) *[]byte { return nil }
