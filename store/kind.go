package store

import (
	"context"
	"io"
	"os"
)

// Kind describes one kind of store: what its URLs look like, and how it is opened. The
// table of all is in package stores.
type Kind struct {
	// Scheme is what its URLs begin with, before the colon.
	Scheme string
	// Form is what a URL looks like, for messages: sqlite:PATH. Empty: the scheme is another
	// name of a kind that has one.
	Form string
	// Check says what is wrong with what stands behind the colon of a URL; empty: nothing.
	Check func(place string) string
	// Open opens the store at url, or makes it where it is missing. The error says what is
	// wrong with the place.
	Open func(url string) (Store, error)
	// Hold takes the lock of the one server that works on the store. from, which it takes
	// over, is the lock of the server that hands over to this one: where that works on the same
	// store, both have the lock from then on. It fails where this program would change the form
	// of the store beneath that server. nil: none hands over. Without Hold several servers may
	// work on the store.
	Hold func(url string, from *os.File) (Lock, error)
	// Compact writes the store anew without what was deleted from it, while no server works on
	// it. tell, which is called once, hears what it is going to do before anything is
	// changed. after is how many bytes there are then. nil: it needs none of that.
	Compact func(ctx context.Context, url string, tell func(Room)) (after int64, err error)
	// File is the path of the store's file, beside which secrets are kept; nil: it has none.
	File func(url string) string
	// Inside: nobody but the process that has opened it ever sees what it keeps.
	Inside bool
}

// Lock says that one server works on a store, until Close.
type Lock interface {
	io.Closer
	// File is what has the lock: whoever has it open as well has the lock too. It belongs to
	// the Lock. nil: nobody else can see the store.
	File() *os.File
	// Sign writes down that this process has the lock, for those who are refused it.
	Sign()
}

// Room holds what compacting a store saves and what it needs of the disk, in bytes.
type Room struct {
	Path   string // of the file, from the root on, with symbolic links followed
	Before int64  // the file with its log
	Used   int64  // about what is left of that
	Needs  int64  // what the disk of the file has to have free until it is done
	Free   int64  // what it has; below 0: that is not known
}
