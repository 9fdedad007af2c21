package sse

import "bytes"

// oddField takes in the line from:to, whose beginning is none of the grammar's fields, if it is clear
// what its sender meant: a field behind white space or a byte order mark, in other letters or before
// white space; an error as a field of its own, as llama.cpp has it; a JSON object without a field,
// which is how servers tell of what went wrong amid a stream. Everything else is ignored, as the
// grammar wants it.
func (s *Scanner) oddField(from, to int) {
	for from < to {
		if c := s.buf[from]; c == ' ' || c == '\t' || c == 0 {
			from++
		} else if bytes.HasPrefix(s.buf[from:to], bom) {
			from += len(bom)
		} else {
			break
		}
	}
	line := s.buf[from:to]
	if len(line) > 0 && line[0] == '{' {
		s.odd = true
		s.addData(span{from - s.start, to - s.start})
		return
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return
	}
	name := bytes.TrimRight(line[:colon], " \t")
	start, ok := value(line, colon)
	if !ok {
		return
	}
	said := span{from + start - s.start, to - s.start}
	switch {
	case bytes.EqualFold(name, []byte("data")):
		s.odd = true
		s.addData(said)
	case bytes.EqualFold(name, []byte("event")):
		s.odd = true
		s.name = said
	case bytes.EqualFold(name, []byte("error")) && said.from < said.to:
		s.odd = true
		s.name = span{from - s.start, from + len(name) - s.start}
		s.addData(said)
	}
}

// bom is a byte order mark.
var bom = []byte("\xef\xbb\xbf") // only read

// oddBegun reports whether line, which has not ended, is the beginning of one that oddField knows.
func oddBegun(line []byte) bool {
	line = bytes.TrimLeft(line, " \t\x00\xef\xbb\xbf")
	return len(line) > 0 && line[0] == '{' || len(line) > 5 && (bytes.EqualFold(line[:5], []byte("data:")) || bytes.EqualFold(line[:6], []byte("error:")))
}

// Plain returns f as the grammar has it, for those who know nothing else.
func (f *Frame) Plain() []byte {
	var p []byte
	if len(f.Name) > 0 {
		p = append(append(append(p, "event: "...), f.Name...), '\n')
	}
	for line := range bytes.SplitSeq(f.Data, []byte{'\n'}) {
		p = append(append(append(p, "data: "...), line...), '\n')
	}
	return append(p, '\n')
}
