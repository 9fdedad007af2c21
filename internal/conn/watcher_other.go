//go:build !linux

package conn

// epollWatcher is not to be had where no system call waits for the ends of many
// connections and for nothing else of them.
type epollWatcher struct{}

func (o *epollWatcher) add(*Conn) (post int32, ok bool) { return 0, false }

func (o *epollWatcher) drop(int32) {}

func (o *epollWatcher) close() {}
