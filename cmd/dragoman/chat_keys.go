package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// readKeys hands out the lines that are typed on a terminal, one for each begin, until done is
// closed: keys that come before are for the next one. As readLines, it cannot be waited for.
func readKeys(in *os.File, e *lineEditor, begin, done <-chan struct{}) <-chan line {
	lines := make(chan line)
	send := func(l line) {
		select {
		case lines <- l:
		case <-done:
		}
	}
	go func() {
		defer func() {
			if r := recover(); r != nil {
				send(line{end: fmt.Errorf("panic: %v", r)})
			}
		}()
		keys := bufio.NewReader(in)
		for {
			select {
			case <-begin:
			case <-done:
				return
			}
			l := readTyped(keys, e)
			send(l)
			if l.end != nil {
				return
			}
		}
	}()
	return lines
}

// readTyped reads one line.
func readTyped(keys *bufio.Reader, e *lineEditor) line {
	for {
		k, err := readKey(keys)
		if err != nil {
			return line{end: err}
		}
		switch e.key(k) {
		case lineLast:
			return line{end: io.EOF}
		case lineWhole:
			return line{text: e.take()}
		}
	}
}

// readKey reads a rune, or the sequence that a terminal sends for a key.
func readKey(keys *bufio.Reader) (string, error) {
	r, _, err := keys.ReadRune()
	if err != nil || r != 0x1b || keys.Buffered() == 0 {
		return string(r), err
	}
	seq := []rune{r}
	for len(seq) < 16 && keys.Buffered() > 0 {
		if r, _, err = keys.ReadRune(); err != nil {
			break
		}
		seq = append(seq, r)
		if len(seq) > 2 && r >= 0x40 && r <= 0x7e || len(seq) == 2 && r != '[' && r != 'O' {
			break
		}
	}
	return string(seq), err
}
