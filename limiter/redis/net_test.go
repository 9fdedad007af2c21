package redis_test

import "net"

func dial(port string) (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+port) }

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func portOf(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }
