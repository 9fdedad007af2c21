package front

import (
	"strconv"
	"sync/atomic"
	"time"
)

// socketState is what operators are told of a socket. Its session writes it; any goroutine may
// read it.
type socketState struct {
	facts  atomic.Pointer[socketFacts] // nil: not known yet
	owner  atomic.Pointer[string]      // whose it is; nil: nobody has signed in
	heard  atomic.Int64                // when the client last said anything, in Unix milliseconds
	pongAt atomic.Int64                // when it last answered a ping
}

// load tells how much a socket has to do. It is called on other goroutines than its own.
type load interface {
	load() (turns, queued int)
}

// socketFacts are what operators are told of a socket and does not change.
type socketFacts struct {
	number  uint64
	front   string
	address string // as it came: operators are told its network only
	since   int64  // in Unix milliseconds
	of      load
}

// shown lets operators see the socket under number, of which of tells how much it has to do.
// One that has not called it is on no list.
func (s *socketState) shown(number uint64, front, address string, of load) {
	s.facts.Store(&socketFacts{number: number, front: front, address: address, since: time.Now().UnixMilli(), of: of})
}

// signedBy notes whose the socket is; an empty name is nobody's.
func (s *socketState) signedBy(name string) { s.owner.Store(&name) }

// id is how operators call the socket.
func (f *socketFacts) id() string { return "s" + strconv.FormatUint(f.number, 10) }

func milliTime(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
