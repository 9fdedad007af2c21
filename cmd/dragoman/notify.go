package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// notifier tells the supervisor that started the process how it stands, as systemd
// describes in sd_notify(3). It is safe for concurrent use.
type notifier struct {
	conn net.Conn // nil: nobody wants to know
	log  *slog.Logger
	stop chan struct{}
	done sync.WaitGroup
}

// newNotifier reads from the environment where the supervisor listens and how often it
// wants a sign of life, which it gets until close. Where it cannot be reached the log says so.
func newNotifier(lookup func(string) (string, bool), log *slog.Logger) *notifier {
	n := &notifier{log: log, stop: make(chan struct{})}
	at, _ := lookup("NOTIFY_SOCKET")
	if at == "" {
		return n
	}
	conn, err := net.Dial("unixgram", at) // a first @ is understood
	if err != nil {
		log.Warn("the supervisor cannot be told how things stand", "why", err)
		return n
	}
	n.conn = conn
	if every := watchdogOf(lookup); every > 0 {
		n.done.Go(func() {
			defer func() { _ = recover() }()
			beat := time.NewTicker(every / 2)
			defer beat.Stop()
			for {
				select {
				case <-beat.C:
					n.say("WATCHDOG=1")
				case <-n.stop:
					return
				}
			}
		})
	}
	return n
}

// watchdogOf is how long the supervisor waits for a sign of life; 0: it waits for none.
func watchdogOf(lookup func(string) (string, bool)) time.Duration {
	if pid, set := lookup("WATCHDOG_PID"); set && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	text, _ := lookup("WATCHDOG_USEC")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 2 {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// ready says that questions are taken.
func (n *notifier) ready() { n.say("READY=1") }

// mainIs says that the process with the id pid serves from now on; negative: nobody knows it.
func (n *notifier) mainIs(pid int) {
	if pid > 0 {
		n.say(fmt.Sprintf("MAINPID=%d", pid))
	}
}

// stopping says that the process ends within wait, and how long a supervisor must therefore
// leave it alone.
func (n *notifier) stopping(wait time.Duration) {
	n.say(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d", (wait + 10*time.Second).Microseconds()))
}

func (n *notifier) say(what string) {
	if n.conn == nil {
		return
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := n.conn.Write([]byte(what)); err != nil {
		n.log.Debug("the supervisor was not told", "what", what, "why", err)
	}
}

func (n *notifier) close() {
	close(n.stop)
	n.done.Wait()
	if n.conn != nil {
		_ = n.conn.Close()
	}
}
