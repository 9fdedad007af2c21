//go:build !unix

package conn

// readAhead is without effect where sockets cannot be waited for without a buffer.
type readAhead struct{}

func (a *readAhead) prepare(any) {}

func (a *readAhead) able() bool { return false }

func (a *readAhead) peek() peekResult { panic("BUG: not able") }

func (a *readAhead) fill() error { panic("BUG: not able") }

func (a *readAhead) pong() bool { return false }

func (a *readAhead) holds() bool { return false }

func (a *readAhead) left() []byte { return nil }

func (a *readAhead) first() (byte, error) { panic("BUG: not able") }

func (a *readAhead) read([]byte) int { return 0 }
