package conn

import (
	"errors"
	"net"
	"testing"
)

func TestTwoPortsAreAcceptedOnAsOne(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	first, second := listen(), listen()
	both := Join(first, second)
	if both.Addr() != first.Addr() {
		t.Errorf("it is at %v", both.Addr())
	}
	for _, at := range []net.Listener{second, first, second} {
		c, err := net.Dial("tcp", at.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := both.Accept()
		if err != nil || got.RemoteAddr().String() != c.LocalAddr().String() || got.LocalAddr().String() != at.Addr().String() {
			t.Errorf("%v, %v", got, err)
		}
		_ = errors.Join(got.Close(), c.Close())
	}
	waits := make(chan error, 1)
	go func() { _, err := both.Accept(); waits <- err }()
	if err := errors.Join(both.Close(), both.Close()); err != nil {
		t.Error(err)
	}
	if err := <-waits; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for _, at := range []net.Listener{first, second} {
		if c, err := net.Dial("tcp", at.Addr().String()); err == nil {
			_ = c.Close()
			t.Errorf("%v is still open", at.Addr())
		}
	}
}
