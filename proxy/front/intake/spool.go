package intake

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// spoolInline is up to which length a body that may be spooled stays in memory.
	spoolInline = 1 << 20
	// spoolPiece is what is written to a file at once.
	spoolPiece = 64 << 10
	// spoolStep is the room on the disk that is charged at once.
	spoolStep = 1 << 20
)

// Spool holds a body that is too long for the memory. One goroutine writes it; ReadAt may be called
// concurrently. The zero value is empty. It must be closed.
type Spool struct {
	Disk *Charge // what it takes on the disk

	text []byte // all of it, while it is short
	file *os.File
	name string // to be removed; empty: there is none
	size int64
}

// ReadAt implements [io.ReaderAt]. It fails once the spool is closed.
func (s *Spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	return bytes.NewReader(s.text).ReadAt(p, off)
}

// Size is how many bytes it holds.
func (s *Spool) Size() int64 { return s.size }

// Text is what it holds, if that is in memory; nil: it is in a file.
func (s *Spool) Text() []byte { return s.text }

// Close removes what it holds. It is safe to call it twice, and on nil.
func (s *Spool) Close() {
	if s == nil {
		return
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	if s.name != "" {
		_ = os.Remove(s.name)
	}
	s.name = ""
	s.Disk.Release()
}

// open makes the file, in the directory for temporary files. Where the system allows it, it has no name from
// the beginning, so that it ends with the process however that ends.
func (s *Spool) open() error {
	file, err := os.CreateTemp("", "dragoman-*")
	if err != nil {
		return err
	}
	s.file = file
	if os.Remove(file.Name()) != nil {
		s.name = file.Name()
	}
	return nil
}

// errDisk is what a client is told whose body finds no room on the disk.
var errDisk = &translate.Error{Code: translate.CodeUnavailable, Message: "there is no room for the body; try again soon", Retry: budgetWait}

// write appends p.
func (s *Spool) write(in *Upload, p []byte) error {
	if s.file == nil {
		if err := s.open(); err != nil {
			return disk(err)
		}
	}
	for s.Disk.Held() < int(s.size)+len(p) {
		if err := s.Disk.Grow(in.Life, spoolStep); err != nil {
			return err
		}
	}
	n, err := s.file.Write(p)
	if s.size += int64(n); err != nil {
		return disk(err)
	}
	return nil
}

// disk is errDisk with its cause.
func disk(err error) error {
	e := *errDisk
	e.Cause = err
	return &e
}

// Spool is Body into s: what is longer than 1 MiB goes to a file, and no longer counts in memory.
// A body that is packed is read as by Body.
func (in *Upload) Spool(b *Left, s *Spool) error {
	var err error
	if in.Coding != "" {
		s.text, err = in.Body(b)
		s.size = int64(len(s.text))
		return err
	}
	return in.receive(b, func(src io.Reader, length int) error { return in.spool(src, length, s) })
}

// spool reads src to its end into s.
func (in *Upload) spool(src io.Reader, length int, s *Spool) error {
	limited := &bounded{in: in, src: src}
	text, err := in.fill(io.LimitReader(limited, spoolInline), min(length, spoolInline))
	if err != nil {
		return err
	}
	piece := make([]byte, spoolPiece)
	for {
		n, err := limited.Read(piece)
		if n > 0 && s.file == nil {
			if err := s.write(in, text); err != nil {
				return err
			}
			text = nil
			in.Held.Set(0)
		}
		if n > 0 {
			if err := s.write(in, piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if s.file != nil {
		return nil
	}
	s.text, s.size = text, int64(len(text))
	return in.settle(text)
}

// bounded is a body that may not be longer than its sender's may.
type bounded struct {
	in   *Upload
	src  io.Reader
	came int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if b.came += n; n > 0 {
		if wrong := b.in.admit(b.came); wrong != nil {
			return 0, wrong
		}
	}
	return n, err
}
