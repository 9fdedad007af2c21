package conn

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// How long a listener waits before it tries to accept again: from the first to the
// longest, twice as long each time.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// patience accepts connections through errors that pass.
type patience struct {
	ln      net.Listener
	log     *slog.Logger
	trouble episode
	once    sync.Once
	closed  chan struct{} // by close
}

// accept waits for the next connection. Its error says that there will be none.
func (p *patience) accept() (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		raw, err := p.ln.Accept()
		if err == nil {
			if n, tell := p.trouble.end(); tell {
				p.log.Info("connections are accepted again", "failures", n)
			}
			return raw, nil
		}
		if !passes(err) {
			return nil, err
		}
		if p.trouble.begin() {
			p.log.Warn("connections cannot be accepted for now", "why", err)
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-p.closed:
			wait.Stop()
			return nil, net.ErrClosed
		}
	}
}

func (p *patience) close() error {
	p.once.Do(func() { close(p.closed) })
	return p.ln.Close()
}

// passes reports whether a listener that failed with err may accept the next time:
// there were no descriptors or no memory, or only the one connection was lost.
func passes(err error) bool {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return false
	}
	var code syscall.Errno
	if errors.As(err, &code) {
		return !broken(code)
	}
	var soft interface{ Temporary() bool }
	var late interface{ Timeout() bool }
	return errors.As(err, &soft) && soft.Temporary() || errors.As(err, &late) && late.Timeout()
}

// broken reports whether code says that the listener itself is of no more use. All
// others are of the connection that was accepted, or of the moment (accept(2)).
func broken(code syscall.Errno) bool {
	switch code {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT:
		return true
	}
	return false
}

// episodeEvery is how often an episode is told at most: what comes and goes many times
// a second, because somebody makes it, must not fill the log.
const episodeEvery = time.Minute

// episode is something that lasts: its beginning and its end are told. Its zero value
// has not begun. One goroutine uses it.
type episode struct {
	on, told bool
	began    time.Time // of the one that was told last
	n        int       // how often it was met
}

// begin notes that it goes on, and reports whether to tell that it has begun.
func (e *episode) begin() (tell bool) {
	e.n++
	e.on = true
	if e.told || !e.began.IsZero() && time.Since(e.began) < episodeEvery {
		return false
	}
	e.began, e.told = time.Now(), true
	return true
}

// end notes that it is over, and reports whether to tell that. n is how often it was
// met since the last time that this was told.
func (e *episode) end() (n int, tell bool) {
	if !e.on {
		return 0, false
	}
	e.on = false
	if !e.told {
		return 0, false
	}
	n, e.n, e.told = e.n, 0, false
	return n, true
}
