package front

import (
	"context"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// budgetPart is the part of the budget that one caller, or one address, may hold.
	budgetPart = 4
	// sparePart is the part of a share that what waits and is answered leaves free.
	sparePart = 4
	// bodyTwice is how often a body of the largest size fits at least: once as it came,
	// once as what is made of it.
	bodyTwice = 2
	// budgetWait is how long one body or message waits for room.
	budgetWait = 2 * time.Second
	// freeBody is up to which size a message of a socket costs no more than what is
	// there for it anyway, and is not counted.
	freeBody = 2 << 10
)

// budget bounds the bytes that the bodies of requests and the messages of sockets take
// while they are read, wait and are answered: of all together, and of each caller or
// address. It is safe for concurrent use.
type budget struct {
	mu      sync.Mutex
	most    int64 // of all
	share   int64 // of one
	used    int64
	of      map[string]int64 // bytes held, by who holds them
	waiting []*claim         // in the order in which they came
	full    bool             // one of them waits for what all may hold together
}

// account is who holds bytes.
type account struct {
	who string
	// spares leaves a part of the share for what is still to be read: messages of
	// sockets, which would not be refused in words but with their connection.
	spares bool
}

// claim is one that waits for room.
type claim struct {
	account
	n       int64
	granted chan struct{} // closed under the lock
}

func newBudget(most, largest int) *budget {
	b := &budget{of: make(map[string]int64)}
	b.bound(most, largest)
	return b
}

// bound sets the bounds, of which largest is that of one body. What is held already
// stays so.
func (b *budget) bound(most, largest int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = max(int64(most)/budgetPart, bodyTwice*int64(largest))
	b.most = max(int64(most), b.share)
	b.admit()
}

// shareOf is what a may hold.
func (b *budget) shareOf(a account) int64 {
	if a.spares {
		return b.share - b.share/sparePart
	}
	return b.share
}

// fits reports whether a may hold n more without waiting for others. b.mu is held.
func (b *budget) fits(a account, n int64) bool {
	return !b.full && b.used+n <= b.most && b.of[a.who]+n <= b.shareOf(a)
}

// add has who hold n more, whatever the bounds say. b.mu is held.
func (b *budget) add(who string, n int64) {
	b.used += n
	if b.of[who] += n; b.of[who] <= 0 {
		delete(b.of, who)
	}
}

// try has a hold n more, and reports false where that does not fit.
func (b *budget) try(a account, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(a, n) {
		return false
	}
	b.add(a.who, n)
	return true
}

// take is try, but waits for room for as long as it may. Of those who wait, nobody
// overtakes another, unless the other's own share is what he waits for.
func (b *budget) take(ctx context.Context, a account, n int64, wait time.Duration) bool {
	b.mu.Lock()
	if b.fits(a, n) {
		b.add(a.who, n)
		b.mu.Unlock()
		return true
	}
	if n > b.shareOf(a) || wait <= 0 {
		b.mu.Unlock()
		return false
	}
	c := &claim{a, n, make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.admit()
	b.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.granted:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return b.withdraw(c)
}

// withdraw takes c out of those who wait, and reports whether it came too late.
func (b *budget) withdraw(c *claim) (granted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, one := range b.waiting {
		if one == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.admit()
			return false
		}
	}
	return true
}

// overdraw has who hold n more, whatever the bounds say: the memory is taken already.
func (b *budget) overdraw(who string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(who, n)
}

// give takes n back from who.
func (b *budget) give(who string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(who, -n)
	b.admit()
}

// admit grants what fits. b.mu is held.
func (b *budget) admit() {
	kept := b.waiting[:0]
	b.full = false
	for _, c := range b.waiting {
		if !b.fits(c.account, c.n) {
			b.full = b.full || b.used+c.n > b.most && b.of[c.who]+c.n <= b.shareOf(c.account)
			kept = append(kept, c)
			continue
		}
		b.add(c.who, c.n)
		close(c.granted)
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
}

// charge is what one body or message holds of a budget. One goroutine uses it at a
// time. A nil charge holds nothing.
type charge struct {
	of *budget
	account
	n      int64
	body   int // length of the body, once it has come
	waited time.Duration
}

// grow has the charge hold n more, and waits for room for a while: budgetWait for all
// the life of the charge. The error says that there is none.
func (c *charge) grow(ctx context.Context, n int) *translate.Error {
	if c == nil || n <= 0 {
		return nil
	}
	if !c.of.try(c.account, int64(n)) {
		began := time.Now()
		if !c.of.take(ctx, c.account, int64(n), budgetWait-c.waited) {
			return crowded()
		}
		c.waited += time.Since(began)
	}
	c.n += int64(n)
	return nil
}

// set has the charge hold n in all, and reports false, and holds what it held, where
// that does not fit.
func (c *charge) set(n int) bool {
	switch more := int64(n) - c.n; {
	case more < 0:
		c.of.give(c.who, -more)
	case !c.of.try(c.account, more):
		return false
	}
	c.n = int64(n)
	return true
}

// force has the charge hold n in all, at least, whatever the bounds say: the memory is
// taken already, and others are to wait for it.
func (c *charge) force(n int) {
	if c == nil || int64(n) <= c.n {
		return
	}
	c.of.overdraw(c.who, int64(n)-c.n)
	c.n = int64(n)
}

// Decoded implements [proxy.Holding]: a body that was decoded takes what came of it
// besides its own length.
func (c *charge) Decoded(req *translate.Request) {
	c.force(c.body + bytesOf(req))
}

// Release implements [proxy.Holding].
func (c *charge) Release() { c.release() }

// move makes the charge that of who, and reports whether it fits there.
func (c *charge) move(ctx context.Context, who string) *translate.Error {
	n := c.n
	c.release()
	c.who = who
	return c.grow(ctx, int(n))
}

// release gives back what is held. It is safe to call it twice.
func (c *charge) release() {
	if c == nil || c.n == 0 {
		return
	}
	c.of.give(c.who, c.n)
	c.n = 0
}

const textCrowded = "too many bytes are under way; try again soon"

// crowded is what a client is told for whose bytes there is no room.
func crowded() *translate.Error {
	return &translate.Error{Code: translate.CodeUnavailable, Message: textCrowded, Retry: budgetWait}
}

// bytesOf is about how many bytes req takes.
func bytesOf(req *translate.Request) (n int) {
	const messageBytes, partBytes = 48, 176 // without what they point at
	for i := range req.Messages {
		n += messageBytes
		for k := range req.Messages[i].Parts {
			p := &req.Messages[i].Parts[k]
			n += partBytes + len(p.Text) + len(p.URL) + len(p.Data) + len(p.Args) + len(p.Signature) + len(p.Cache)
		}
	}
	for i := range req.Tools {
		n += partBytes + len(req.Tools[i].Description) + len(req.Tools[i].Schema)
	}
	return n
}
