package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// AwaitEnd waits until the peer has closed or reset the connection c or closed its
// half of it, whatever it sent before that nobody has read yet, and then returns
// io.EOF. It takes nothing from the connection. Other errors are of the wait: a
// timeout when the read deadline passes, net.ErrClosed, and [errors.ErrUnsupported]
// at once where the system does not tell, or for a c that a [Listener] did not
// accept. Nothing may read the connection meanwhile.
func AwaitEnd(c net.Conn) error {
	accepted := Of(c)
	if accepted == nil {
		return errors.ErrUnsupported
	}
	raw := accepted.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var unknown error
	err = socket.Read(func(fd uintptr) bool {
		ended := false
		ended, unknown = hasEnded(int(fd))
		return ended || unknown != nil
	})
	switch {
	case err != nil:
		return err
	case unknown != nil:
		return errors.ErrUnsupported
	}
	return io.EOF
}
