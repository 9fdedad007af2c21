package intake

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
	// Free is up to which size a message of a socket costs no more than what is
	// there for it anyway, and is not counted.
	Free = 2 << 10
)

// Budget bounds the bytes that the bodies of requests and the messages of sockets take
// while they are read, wait and are answered: of all together, and of each caller or
// address. It is safe for concurrent use.
type Budget struct {
	mu      sync.Mutex
	most    int64 // of all
	share   int64 // of one
	used    int64
	of      map[string]int64 // bytes held, by who holds them
	waiting []*claim         // in the order in which they came
	full    bool             // one of them waits for what all may hold together
}

// Account is who holds bytes.
type Account struct {
	Who string
	// Spares leaves a part of the share for what is still to be read: messages of
	// sockets, which would not be refused in words but with their connection.
	Spares bool
}

// claim is one that waits for room.
type claim struct {
	Account
	n       int64
	granted chan struct{} // closed under the lock
}

// NewBudget returns a budget of most bytes, of which one body may have largest.
func NewBudget(most, largest int) *Budget {
	b := &Budget{of: make(map[string]int64)}
	b.Bound(most, largest)
	return b
}

// Bound sets the bounds, of which largest is that of one body. What is held already
// stays so.
func (b *Budget) Bound(most, largest int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = max(int64(most)/budgetPart, bodyTwice*int64(largest))
	b.most = max(int64(most), b.share)
	b.admit()
}

// shareOf is what a may hold.
func (b *Budget) shareOf(a Account) int64 {
	if a.Spares {
		return b.share - b.share/sparePart
	}
	return b.share
}

// fits reports whether a may hold n more without waiting for others. b.mu is held.
func (b *Budget) fits(a Account, n int64) bool {
	return !b.full && b.used+n <= b.most && b.of[a.Who]+n <= b.shareOf(a)
}

// add has who hold n more, whatever the bounds say. b.mu is held.
func (b *Budget) add(who string, n int64) {
	b.used += n
	if b.of[who] += n; b.of[who] <= 0 {
		delete(b.of, who)
	}
}

// try has a hold n more, and reports false where that does not fit.
func (b *Budget) try(a Account, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(a, n) {
		return false
	}
	b.add(a.Who, n)
	return true
}

// take is try, but waits for room for as long as it may. Of those who wait, nobody
// overtakes another, unless the other's own share is what he waits for.
func (b *Budget) take(ctx context.Context, a Account, n int64, wait time.Duration) bool {
	b.mu.Lock()
	if b.fits(a, n) {
		b.add(a.Who, n)
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
func (b *Budget) withdraw(c *claim) (granted bool) {
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

// Overdraw has who hold n more, whatever the bounds say: the memory is taken already.
func (b *Budget) Overdraw(who string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(who, n)
}

// Give takes n back from who.
func (b *Budget) Give(who string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(who, -n)
	b.admit()
}

// admit grants what fits. b.mu is held.
func (b *Budget) admit() {
	kept := b.waiting[:0]
	b.full = false
	for _, c := range b.waiting {
		if !b.fits(c.Account, c.n) {
			b.full = b.full || b.used+c.n > b.most && b.of[c.Who]+c.n <= b.shareOf(c.Account)
			kept = append(kept, c)
			continue
		}
		b.add(c.Who, c.n)
		close(c.granted)
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
}

// Charge returns a charge of a that holds nothing yet.
func (b *Budget) Charge(a Account) Charge { return Charge{of: b, Account: a} }

// Held returns how many bytes are held.
func (b *Budget) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int(b.used)
}

// Charge is what one body or message holds of a budget. One goroutine uses it at a
// time. A nil charge holds nothing.
type Charge struct {
	of *Budget
	Account
	n      int64
	body   int // length of the body, once it has come
	waited time.Duration
}

// Grow has the charge hold n more, and waits for room for a while: budgetWait for all
// the life of the charge. The error says that there is none.
func (c *Charge) Grow(ctx context.Context, n int) *translate.Error {
	if c == nil || n <= 0 {
		return nil
	}
	if !c.of.try(c.Account, int64(n)) {
		began := time.Now()
		if !c.of.take(ctx, c.Account, int64(n), budgetWait-c.waited) {
			return crowded()
		}
		c.waited += time.Since(began)
	}
	c.n += int64(n)
	return nil
}

// Set has the charge hold n in all, and reports false, and holds what it held, where
// that does not fit.
func (c *Charge) Set(n int) bool {
	switch more := int64(n) - c.n; {
	case more < 0:
		c.of.Give(c.Who, -more)
	case more > 0 && !c.of.try(c.Account, more):
		return false
	}
	c.n = int64(n)
	return true
}

// force has the charge hold n in all, at least, whatever the bounds say: the memory is
// taken already, and others are to wait for it.
func (c *Charge) force(n int) {
	if c == nil || int64(n) <= c.n {
		return
	}
	c.of.Overdraw(c.Who, int64(n)-c.n)
	c.n = int64(n)
}

// Held returns how many bytes the charge holds.
func (c *Charge) Held() int { return int(c.n) }

// Came has the charge of a body that has come, of length bytes, hold what will be made of
// it, most often about as much again.
func (c *Charge) Came(ctx context.Context, length int) *translate.Error {
	c.body = length
	return c.Grow(ctx, length)
}

// Decoded tells the charge that its body was decoded to req: a body that was decoded takes what came of it
// besides its own length.
func (c *Charge) Decoded(req *translate.Request) {
	c.force(c.body + bytesOf(req))
}

// Move makes the charge that of who, and reports whether it fits there.
func (c *Charge) Move(ctx context.Context, who string) *translate.Error {
	n := c.n
	c.Release()
	c.Who = who
	return c.Grow(ctx, int(n))
}

// Release gives back what is held. It is safe to call it twice.
func (c *Charge) Release() {
	if c == nil || c.n == 0 {
		return
	}
	c.of.Give(c.Who, c.n)
	c.n = 0
}

// TextCrowded says to a client that there is no room for its bytes.
const TextCrowded = "too many bytes are under way; try again soon"

// crowded is what a client is told for whose bytes there is no room.
func crowded() *translate.Error {
	return &translate.Error{Code: translate.CodeUnavailable, Message: TextCrowded, Retry: budgetWait}
}

const messageBytes, partBytes = 48, 176 // without what they point at

// BytesOf is about how many bytes m takes.
func BytesOf(m *translate.Message) int {
	n := messageBytes
	for i := range m.Parts {
		p := &m.Parts[i]
		n += partBytes + len(p.Text) + len(p.URL) + len(p.Data) + len(p.Args) + len(p.Signature) + len(p.Cache)
	}
	return n
}

// bytesOf is about how many bytes req takes.
func bytesOf(req *translate.Request) (n int) {
	for i := range req.Messages {
		n += BytesOf(&req.Messages[i])
	}
	for i := range req.Tools {
		n += partBytes + len(req.Tools[i].Description) + len(req.Tools[i].Schema)
	}
	return n
}
