package jsonx

import "iter"

// Elements returns the values of array, without the white space around them: each lies
// in array, which is JSON that was scanned before. There are none where it is no array.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		s := scanner{b: array}
		if s.next() != '[' {
			return
		}
		for s.i++; s.next() != ']'; s.i++ {
			start := s.i
			if !s.skip() || !yield(array[start:s.i]) || s.next() != ',' {
				return
			}
		}
	}
}

// Pairs returns the names of object, unescaped, and their values, as Elements does those
// of an array.
func Pairs(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		s := scanner{b: object}
		if s.next() != '{' {
			return
		}
		for s.i++; s.next() == '"'; s.i++ {
			start := s.i
			escaped, ok := s.str()
			key := s.said(start, s.i, escaped)
			if !ok || s.next() != ':' {
				return
			}
			s.i++
			s.space()
			start = s.i
			if !s.skip() || !yield(key, object[start:s.i]) || s.next() != ',' {
				return
			}
		}
	}
}

// Len returns how many of the values of array are objects.
func Len(array []byte) (n int) {
	for v := range Elements(array) {
		if v[0] == '{' {
			n++
		}
	}
	return n
}

// ItemsIn returns how many objects stand in arrays of value, at any depth.
func ItemsIn(value []byte) int {
	s := scanner{b: value, most: len(value)}
	s.value()
	return s.items
}

// skip goes over the value that is next, which is valid.
func (s *scanner) skip() bool {
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
		case '{', '[':
			depth++
			s.i++
			continue
		case '}', ']':
			depth--
			s.i++
		case ',', ':', ' ', '\t', '\r', '\n':
			s.i++
			continue
		default:
			for s.i++; s.i < len(s.b) && s.b[s.i] > ' ' && s.b[s.i] != ',' && s.b[s.i] != ']' && s.b[s.i] != '}'; {
				s.i++
			}
		}
		if depth <= 0 {
			return depth == 0
		}
	}
	return false
}
