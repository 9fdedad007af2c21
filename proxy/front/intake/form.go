package intake

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of a form.
const (
	formHead   = 8 << 10 // bytes of the headers of one part
	formParts  = 1000
	formRead   = 32 << 10 // bytes that are looked at at once
	formBound  = 70       // bytes of a boundary (RFC 2046 5.1.1)
	formShort  = 4 << 10  // bytes of a field that is read
	formSlices = 2        // a delimiter is found in a buffer of so many reads
)

// Form is what is read of a body in multipart/form-data (RFC 7578): where its fields lie, not what
// its files hold.
type Form struct {
	Fields []FormField
	// Text is how many bytes its fields have that are no files.
	Text int
}

// FormField is one part that is no file.
type FormField struct {
	Name       string
	Value      string // of at most 4 KiB; else empty
	Start, End int64  // where it lies in the body
}

// Find returns the only field called name; nil: there is none. The error is that there are several, or
// one in another case, which some readers take for the same.
func (f *Form) Find(name string) (*FormField, *translate.Error) {
	var found *FormField
	for i := range f.Fields {
		if !strings.EqualFold(f.Fields[i].Name, name) {
			continue
		}
		if found != nil || f.Fields[i].Name != name {
			return nil, translate.InvalidAt(name, "the form has several fields "+name+", or one in another case")
		}
		found = &f.Fields[i]
	}
	return found, nil
}

// ScanForm reads a form of size bytes whose Content-Type is kind. It needs the same memory for a form of
// any size. The error is a *translate.Error with CodeValidation, or that of body.
func ScanForm(body io.ReaderAt, size int64, kind string) (*Form, error) {
	_, params, err := mime.ParseMediaType(kind)
	boundary := params["boundary"]
	if err != nil || boundary == "" || len(boundary) > formBound || strings.ContainsAny(boundary, "\r\n") {
		return nil, translate.Invalid("the Content-Type of a form must name its boundary")
	}
	s := &formScanner{src: io.NewSectionReader(body, 0, size), mark: []byte("\r\n--" + boundary), buf: make([]byte, 0, formSlices*formRead)}
	return s.scan()
}

var errForm = translate.Invalid("the body is no whole multipart/form-data")

// formScanner goes through a form. buf holds what lies at off of it.
type formScanner struct {
	src  io.Reader
	mark []byte // what ends a part: CR LF and the delimiter
	buf  []byte
	off  int64
	over bool // src is
}

// fill makes room and reads more; it reports false at the end.
func (s *formScanner) fill() (bool, error) {
	if s.over {
		return false, nil
	}
	if cap(s.buf)-len(s.buf) < formRead {
		grown := make([]byte, len(s.buf), len(s.buf)+formSlices*formRead)
		copy(grown, s.buf)
		s.buf = grown
	}
	n, err := s.src.Read(s.buf[len(s.buf) : len(s.buf)+formRead])
	s.buf = s.buf[:len(s.buf)+n]
	if errors.Is(err, io.EOF) {
		s.over, err = true, nil
	}
	return n > 0 || !s.over, err
}

// drop goes on behind the next n bytes.
func (s *formScanner) drop(n int) {
	s.off += int64(n)
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
}

// until finds what within most bytes; -1 where it is not there.
func (s *formScanner) until(what []byte, most int) (int, error) {
	for {
		if n := bytes.Index(s.buf, what); n >= 0 && n <= most {
			return n, nil
		}
		if len(s.buf) > most+len(what) {
			return -1, nil
		}
		if more, err := s.fill(); err != nil || !more {
			return -1, err
		}
	}
}

// scan goes through all parts.
func (s *formScanner) scan() (*Form, error) {
	f := &Form{}
	if n, err := s.until(s.mark[2:], 0); err != nil || n < 0 {
		return nil, wrongForm(err)
	}
	s.drop(len(s.mark) - 2)
	for range formParts {
		last, err := s.delimiter()
		if err != nil {
			return nil, err
		}
		if last {
			return f, nil
		}
		if err := s.part(f); err != nil {
			return nil, err
		}
	}
	return nil, translate.Invalid("the form has too many parts")
}

func wrongForm(err error) error {
	if err == nil {
		err = errForm
	}
	return err
}

// delimiter reads the rest of the line of a delimiter: last is that of the end.
func (s *formScanner) delimiter() (last bool, err error) {
	n, err := s.until([]byte("\n"), formHead)
	if err != nil {
		return false, err
	}
	if bytes.HasPrefix(s.buf, []byte("--")) {
		return true, nil
	}
	if n < 1 || s.buf[n-1] != '\r' || len(bytes.Trim(s.buf[:n-1], " \t")) > 0 {
		return false, errForm
	}
	s.drop(n + 1)
	return false, nil
}

// part reads one part, up to behind the delimiter that ends it.
func (s *formScanner) part(f *Form) error {
	n, err := s.until([]byte("\r\n\r\n"), formHead)
	if err != nil || n < 0 {
		return wrongForm(err)
	}
	name, file, err := disposition(s.buf[:n])
	if err != nil {
		return err
	}
	s.drop(n + 4)
	field := FormField{Name: name, Start: s.off}
	for {
		end := bytes.Index(s.buf, s.mark)
		if end < 0 {
			keep := min(len(s.buf), len(s.mark)-1)
			if file || len(s.buf) > formShort+len(s.mark) {
				s.drop(len(s.buf) - keep)
			}
			more, err := s.fill()
			if err != nil || !more {
				return wrongForm(err)
			}
			continue
		}
		field.End = s.off + int64(end)
		if !file {
			if field.Start == s.off && end <= formShort {
				field.Value = string(s.buf[:end])
			}
			f.Fields = append(f.Fields, field)
			f.Text += int(field.End - field.Start)
		}
		s.drop(end + len(s.mark))
		return nil
	}
}

// disposition reads the headers of a part.
func disposition(head []byte) (name string, file bool, err error) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		key, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || tokenLength(key) < len(key) || bytes.IndexByte(value, '\n') >= 0 {
			return "", false, errForm
		}
		switch text := string(bytes.TrimSpace(value)); {
		case bytes.EqualFold(key, []byte("Content-Disposition")):
			_, params, wrong := mime.ParseMediaType(text)
			if wrong != nil {
				return "", false, errForm
			}
			file = params["filename"] != "" // an empty one makes a field to many readers
			name = params["name"]
		case bytes.EqualFold(key, []byte("Content-Transfer-Encoding")) && !plainEncoding(text):
			return "", false, translate.Invalid("a part of the form has a Content-Transfer-Encoding")
		}
	}
	if name == "" {
		return "", false, translate.Invalid("a part of the form has no name")
	}
	return name, file, nil
}

// plainEncoding reports whether a Content-Transfer-Encoding changes nothing.
func plainEncoding(name string) bool {
	return strings.EqualFold(name, "binary") || strings.EqualFold(name, "8bit") || strings.EqualFold(name, "7bit")
}
