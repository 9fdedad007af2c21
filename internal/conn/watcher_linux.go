package conn

import (
	"math"
	"os"
	"sync"
	"syscall"
)

// epollWatcher notices peers that leave: one goroutine for all connections of a listener,
// however many, where a waiting read would want one for each. It is told of the end
// of a connection, and of nothing else that happens on it. The zero value is ready
// for use.
type epollWatcher struct {
	mu     sync.Mutex
	closed bool
	poll   *os.File // an epoll instance, which the runtime's own waits for; nil: nobody is looked at yet
	fd     int      // of poll
	posts  map[int32]*Conn
	last   int32 // the newest number in posts
	runs   sync.WaitGroup
}

// add looks at c from now until it is dropped, and calls c.left when its peer leaves
// or has left already. ok is false where that cannot be had.
func (o *epollWatcher) add(c *Conn) (post int32, ok bool) {
	if !c.readAhead.able() {
		return 0, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.poll == nil && !o.open() {
		return 0, false
	}
	for post = o.last; post == o.last || o.posts[post] != nil; {
		if post++; post == math.MaxInt32 {
			post = 1
		}
	}
	// At each edge, of ends only: bytes that come do not wake anybody.
	const edge = 1 << 31 // syscall.EPOLLET, which has another sign on each architecture
	ev := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | edge, Fd: post}
	var refused error
	err := c.readAhead.raw.Control(func(fd uintptr) {
		refused = syscall.EpollCtl(o.fd, syscall.EPOLL_CTL_ADD, int(fd), &ev)
	})
	if err != nil || refused != nil {
		return 0, false
	}
	o.last, o.posts[post] = post, c
	return post, true
}

// open starts the goroutine; o.mu is held.
func (o *epollWatcher) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	_ = syscall.SetNonblock(fd, true) // that os.NewFile lets the runtime wait for it
	poll := os.NewFile(uintptr(fd), "lookout")
	raw, err := poll.SyscallConn()
	if err != nil {
		_ = poll.Close()
		return false
	}
	o.poll, o.fd, o.posts = poll, fd, make(map[int32]*Conn)
	o.runs.Go(func() {
		defer func() { _ = recover() }()
		var events [32]syscall.EpollEvent
		// The whole loop is one call: the end of a wait is never missed in between.
		_ = raw.Read(func(uintptr) bool {
			for {
				n, err := syscall.EpollWait(fd, events[:], 0)
				if n <= 0 && err != syscall.EINTR {
					return false
				}
				for i := range max(n, 0) {
					o.tell(events[i].Fd)
				}
			}
		})
	})
	return true
}

func (o *epollWatcher) tell(post int32) {
	o.mu.Lock()
	c := o.posts[post]
	o.mu.Unlock()
	if c != nil {
		c.left()
	}
}

// drop forgets a connection that is closed, which the system does by itself.
func (o *epollWatcher) drop(post int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.posts, post)
}

// close ends the goroutine and waits for it: nobody is looked at any more.
func (o *epollWatcher) close() {
	o.mu.Lock()
	o.closed = true
	poll := o.poll
	o.mu.Unlock()
	if poll != nil {
		_ = poll.Close()
	}
	o.runs.Wait()
}
