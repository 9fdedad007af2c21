package redis

import (
	"errors"
	"strings"
)

// asked is what kind of reply a request wants.
type asked uint8

const (
	askedPlain asked = iota
	askedHello
	askedPing
	askedListen
)

var errWritten = errors.New("the library wrote what is no request")

// written follows the requests that the library writes: `*N`, and N times `$L` with so
// many bytes.
type written struct {
	line  []byte // the head under way
	skip  int    // bytes of an argument that are still to come, with its end
	left  int    // arguments that are still to come
	count int    // of all arguments
	words [2][]byte
}

// follow goes on in b, and calls ended with each request that ends there.
func (w *written) follow(b []byte, ended func(a asked, protocol int)) error {
	for len(b) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(b))
			w.keep(b[:n])
			w.skip -= n
			b = b[n:]
			if w.skip == 0 {
				if w.left--; w.left == 0 {
					if err := w.end(ended); err != nil {
						return err
					}
				}
			}
			continue
		}
		c := b[0]
		b = b[1:]
		if c != '\n' {
			if w.line = append(w.line, c); len(w.line) > mostNumber+2 {
				return errWritten
			}
			continue
		}
		if err := w.head(); err != nil {
			return err
		}
	}
	return nil
}

// head takes a line: how many arguments come, or how long the next one is.
func (w *written) head() error {
	line := w.line
	w.line = w.line[:0]
	want := byte('$')
	if w.left == 0 {
		want = '*'
	}
	if len(line) < 3 || line[0] != want || line[len(line)-1] != '\r' {
		return errWritten
	}
	n, ok := number(line[1 : len(line)-1])
	if !ok || n < 0 || n > 1<<30 {
		return errWritten
	}
	if want == '$' {
		w.skip = int(n) + len("\r\n")
		return nil
	}
	if n == 0 {
		return errWritten
	}
	w.left, w.count = int(n), int(n)
	w.words[0], w.words[1] = w.words[0][:0], w.words[1][:0]
	return nil
}

// keep keeps the beginning of the first two words.
func (w *written) keep(b []byte) {
	if i := w.count - w.left; i < len(w.words) {
		const most = 16
		w.words[i] = append(w.words[i], b[:min(len(b), most-min(len(w.words[i]), most))]...)
	}
}

func (w *written) end(ended func(a asked, protocol int)) error {
	first, second := strings.ToUpper(strings.TrimSuffix(string(w.words[0]), "\r\n")), strings.TrimSuffix(string(w.words[1]), "\r\n")
	switch first {
	case "HELLO":
		if second == "3" {
			ended(askedHello, 3)
		} else {
			ended(askedHello, 2)
		}
	case "PING":
		ended(askedPing, 0)
	case "SUBSCRIBE":
		if w.count != 2 {
			return errWritten // there would be several replies
		}
		ended(askedListen, 0)
	case "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "MULTI", "SYNC", "PSYNC":
		return errWritten // their replies are not one for each
	default:
		ended(askedPlain, 0)
	}
	return nil
}
