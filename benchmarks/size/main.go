// Command size says how many replicas, databases and shared servers a load takes, by the costs
// that were measured. Its figures are those of docs/scaling.md.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var l Load
	m := Usual
	flag.Float64Var(&l.Streams, "streams", 0, "answers that run at once")
	flag.Float64Var(&l.Conversations, "conversations", 0, "conversations a day, in place of streams")
	flag.Float64Var(&l.Sockets, "sockets", 0, "idle sockets beside them")
	flag.Float64Var(&l.Kept, "kept", 1, "share of the questions whose conversation is kept here, from 0 to 1")
	flag.Float64Var(&m.Cores, "cores", m.Cores, "cores of a replica")
	flag.Float64Var(&m.MiB, "mib", m.MiB, "memory of a replica, MiB")
	flag.Float64Var(&m.Turns, "turns", m.Turns, "turns that one database stores a second: make bench-postgres measures yours")
	flag.Parse()
	if l.Streams <= 0 && l.Conversations <= 0 || l.Kept < 0 || l.Kept > 1 || m.Cores <= 0 || m.MiB <= m.Base || m.Turns <= 0 {
		fmt.Fprintln(os.Stderr, "size: give -streams or -conversations, and sizes above 0")
		os.Exit(2)
	}
	fmt.Print(Head + m.Row("", l))
}
