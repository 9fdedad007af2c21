package front

import "sync"

// numbers are the conversation numbers that open chatnio sockets use, so that a
// conversation can be joined by its number before its first turn is stored. It is
// safe for concurrent use.
type numbers struct {
	mu   sync.Mutex
	held map[ownNumber]int // by how many sockets
}

type ownNumber struct {
	owner string
	n     int64
}

// join holds a number that another socket holds, and reports whether one does.
func (u *numbers) join(owner string, n int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := ownNumber{owner, n}
	if u.held[key] == 0 {
		return false
	}
	u.held[key]++
	return true
}

// hold holds a number, whoever else does.
func (u *numbers) hold(owner string, n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held == nil {
		u.held = make(map[ownNumber]int)
	}
	u.held[ownNumber{owner, n}]++
}

// leave gives back what one join or hold took.
func (u *numbers) leave(owner string, n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := ownNumber{owner, n}
	if u.held[key]--; u.held[key] <= 0 {
		delete(u.held, key)
	}
}
