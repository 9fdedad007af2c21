package upstream

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestADialThatFailsForWantOfOurOwnIsNotTheBackEndsFault(t *testing.T) {
	t.Parallel()
	dialing := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want translate.Fault
	}{
		"no descriptors":               {dialing(os.NewSyscallError("socket", syscall.EMFILE)), translate.FaultLocal},
		"no descriptors of the system": {dialing(os.NewSyscallError("socket", syscall.ENFILE)), translate.FaultLocal},
		"no buffers":                   {dialing(os.NewSyscallError("connect", syscall.ENOBUFS)), translate.FaultLocal},
		"no memory":                    {dialing(os.NewSyscallError("socket", syscall.ENOMEM)), translate.FaultLocal},
		"no ports":                     {dialing(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), translate.FaultLocal},
		"no descriptors for a look-up": {dialing(&net.DNSError{Err: "dial udp 192.0.2.1:53: socket: " + syscall.EMFILE.Error(), Name: "x"}), translate.FaultLocal},
		"no such name":                 {dialing(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), translate.FaultDial},
		"refused":                      {dialing(os.NewSyscallError("connect", syscall.ECONNREFUSED)), translate.FaultDial},
		"reset":                        {dialing(os.NewSyscallError("read", syscall.ECONNRESET)), translate.FaultDial},
		"something else":               {errors.New("something else"), translate.FaultDial},
	} {
		for _, kind := range outside() {
			t.Run(name+" to "+kind, func(t *testing.T) {
				t.Parallel()
				url := "http://192.0.2.1"
				if kind == "chatnio" || kind == "iagent" {
					url = "ws://192.0.2.1/chat"
				}
				u, err := New(&config.Channel{ID: "c", Kind: kind, URL: url, Connections: 1}, "k", Options{
					Dial: func(context.Context, string) (net.Conn, error) { return nil, c.err },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = u.Close() }()
				_, err = u.Open(t.Context(), &translate.Request{Model: "m", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}})
				wantFault(t, err, c.want, translate.CodeUnavailable)
			})
		}
	}
}
