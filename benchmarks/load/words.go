package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// wanted is how many numbered pieces the answers of a model have; 0 when it
// repeats the question instead.
func wanted(model string) (int, error) {
	words := strings.FieldsFunc(model, func(r rune) bool { return r == '-' || r == '+' })
	for i, w := range words {
		if w == "echo" {
			return 0, nil
		}
		n := map[string]int{"long": 100, "burst": 10}[w]
		if n == 0 {
			continue
		}
		if i+1 < len(words) {
			if given, err := strconv.Atoi(words[i+1]); err == nil {
				n = given
			}
		}
		return n, nil
	}
	return 0, fmt.Errorf("the model %q does not number its pieces: use long-N, burst-N or echo", model)
}

// text is an answer of n pieces.
func text(n int) string {
	b := &strings.Builder{}
	for i := range n {
		fmt.Fprintf(b, "w%d ", i)
	}
	return b.String()
}

// count follows the numbers of the pieces of one answer.
type count struct{ next, want int }

var piece = []byte(`:"w`)

// take checks the pieces in one event, and returns how many there are.
func (c *count) take(event []byte) (n int, err error) {
	i := bytes.Index(event, piece)
	if i < 0 {
		return 0, nil
	}
	rest := event[i+2:]
	for len(rest) > 1 && rest[0] == 'w' {
		v, j := 0, 1
		for j < len(rest) && rest[j] >= '0' && rest[j] <= '9' {
			v = 10*v + int(rest[j]-'0')
			j++
		}
		if j == 1 || j == len(rest) || rest[j] != ' ' || v != c.next || v >= c.want {
			return n, fmt.Errorf("piece %d of %d expected, got %.300q", c.next, c.want, event)
		}
		c.next++
		n++
		rest = rest[j+1:]
	}
	return n, nil
}

// end checks that nothing is missing, and begins the next answer.
func (c *count) end() error {
	got := c.next
	c.next = 0
	if got != c.want {
		return fmt.Errorf("the answer ended after %d of %d pieces", got, c.want)
	}
	return nil
}
