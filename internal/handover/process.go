package handover

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/cloudflare/tableflip"
)

// Within is how long a new process may take until it is ready.
const Within = time.Minute

// The names of files that go over, besides sockets.
const (
	lockFile = "lock"
	pidFile  = "pid"
)

var (
	// ErrOff: the process was not started as one that may hand over.
	ErrOff = errors.New("handover is not switched on in the configuration that this process was started with")
	errOne = errors.New("this is process 1, whose end ends its container: start another container beside it")
)

// Options are what a Process is made of.
type Options struct {
	// On lets the process hand over. One that was handed over to takes over in any case.
	On bool
	// Lookup and Environ are the environment's.
	Lookup  func(string) (string, bool)
	Environ func() []string
}

// Process is this process as one of a line, each of which hands over to the next. Its methods
// may be called by one goroutine, but for Gone and HandOver, which may run beside others.
type Process struct {
	up     *tableflip.Upgrader // nil: it is alone
	given  *given
	pid    *os.File // takes our process id, for the one before
	before bool
}

// inherits is what the environment of a process begins with that was handed over to.
const inherits = "TABLEFLIP_HAS_PARENT"

// Begin takes what the process before has handed over, if there is one. Close is called at
// the end. Where On is set a program can call it once.
func Begin(o Options) (*Process, error) {
	p := &Process{given: givenBy(o.Lookup)}
	for _, entry := range o.Environ() {
		p.before = p.before || strings.HasPrefix(entry, inherits)
	}
	if !o.On && !p.before {
		return p, nil
	}
	up, err := tableflip.New(tableflip.Options{UpgradeTimeout: Within})
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	p.up = up
	if p.pid, err = up.File(pidFile); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: %w", err), p.Close())
	}
	return p, nil
}

// Before reports whether another process handed over to this one.
func (p *Process) Before() bool { return p.before }

// Listen returns the socket called name that listens at address: that of the process before,
// that of the supervisor, or else a new one. It is the caller's.
func (p *Process) Listen(name, address string) (net.Listener, error) {
	if p.up == nil {
		return p.listen(name, address)
	}
	ln, err := p.up.Listener(name, address)
	if ln != nil || err != nil {
		return ln, err
	}
	if ln, err = p.listen(name, address); err != nil {
		return nil, err
	}
	shared, ok := ln.(tableflip.Listener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T cannot be handed over", ln), ln.Close())
	}
	if err := p.up.AddListener(name, address, shared); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

func (p *Process) listen(name, address string) (net.Listener, error) {
	ln, err := p.given.listener(name)
	if ln != nil || err != nil {
		return ln, err
	}
	return net.Listen("tcp", address)
}

// Lock returns the lock of the process before, which is the caller's; nil: there is none.
func (p *Process) Lock() (*os.File, error) {
	if p.up == nil {
		return nil, nil
	}
	return p.up.File(lockFile)
}

// Keep hands lock over to the next process; nil: nothing.
func (p *Process) Keep(lock *os.File) error {
	if p.up == nil || lock == nil {
		return nil
	}
	return p.up.AddFile(lockFile, lock)
}

// Ready tells the process before that this one takes questions. What it has handed over and
// nobody wanted is closed.
func (p *Process) Ready() error {
	if p.up == nil {
		return nil
	}
	if p.pid != nil {
		_, err := p.pid.Write(binary.BigEndian.AppendUint64(nil, uint64(os.Getpid())))
		if err := errors.Join(err, p.pid.Close()); err != nil {
			return fmt.Errorf("handover: %w", err)
		}
		p.pid = nil
	}
	return p.up.Ready()
}

// Gone returns when the process before has ended, with an error where that was odd, or with the
// error of ctx.
func (p *Process) Gone(ctx context.Context) error {
	if p.up == nil {
		return nil
	}
	return p.up.WaitForParent(ctx)
}

// HandOver starts the program anew and returns when the new process is ready, with its id; below
// 0: that is not known. After an error, which says why there is none, nothing has changed; it
// is one as long as the process before has not ended. Close ends it.
func (p *Process) HandOver() (pid int, err error) {
	switch {
	case p.up == nil:
		return 0, ErrOff
	case os.Getpid() == 1:
		return 0, errOne
	}
	tells, told, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = tells.Close() }()
	if err := errors.Join(p.up.AddFile(pidFile, told), told.Close()); err != nil {
		return 0, err
	}
	if err := p.up.Upgrade(); err != nil {
		return 0, err
	}
	// It has said so before it was ready.
	var id [8]byte
	_ = tells.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := io.ReadFull(tells, id[:]); err != nil {
		return -1, nil // some other version, which says nothing
	}
	return int(binary.BigEndian.Uint64(id[:])), nil
}

// Close ends a HandOver that is under way, with what it has started, and closes what this
// process would hand over. It may be called again.
func (p *Process) Close() error {
	if p.up == nil {
		return nil
	}
	p.up.Stop()
	<-p.up.Exit()
	return nil
}
