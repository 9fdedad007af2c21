package conn

import (
	"net"
	"testing"
)

func TestOneGoroutineLooksAtAllConnections(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Listen(raw, Options{})
	defer func() { ln.CloseAll(); _ = ln.Close() }()
	const many = 40
	var clients [many]net.Conn
	var servers [many]*Conn
	left := make(chan int, many)
	for i := range many {
		if clients[i], err = net.Dial("tcp", raw.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
		accepted, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		servers[i] = Of(accepted)
		servers[i].Watch(0, func() { left <- i })
	}
	for i := many - 1; i >= 0; i-- {
		_ = clients[i].Close()
		if got := <-left; got != i {
			t.Fatalf("%d has left, and %d was told", i, got)
		}
		servers[i].Unwatch()
		_ = servers[i].Close()
	}
	if n := len(ln.ends.posts); n != 0 {
		t.Errorf("%d closed connections are looked at", n)
	}
}
