//go:build !unix

package conn

// ahead is without effect where sockets cannot be waited for without a buffer.
type ahead struct{}

func (a *ahead) prepare(any) {}

func (a *ahead) able() bool { return false }

func (a *ahead) peek() sight { panic("BUG: not able") }

func (a *ahead) fill() error { panic("BUG: not able") }

func (a *ahead) pong() bool { return false }

func (a *ahead) holds() bool { return false }

func (a *ahead) left() []byte { return nil }

func (a *ahead) first() (byte, error) { panic("BUG: not able") }

func (a *ahead) read([]byte) int { return 0 }
