package main

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// historyMost is how many questions the arrow keys go back.
const historyMost = 200

// lineEditor edits a line on a terminal that echoes nothing by itself, and remembers those before. It
// is for one goroutine.
type lineEditor struct {
	out    io.Writer
	prompt string
	wide   int // columns of the terminal

	line []rune
	at   int      // the caret, before line[at]
	past []string // the newest last
	back int      // how far the arrows went back; 0: at the line that is typed
	kept string   // that line
}

// Keys that terminals send.
const (
	keyEnd    = 0x04 // Ctrl-D
	keyStart  = 0x01 // Ctrl-A
	keyLast   = 0x05 // Ctrl-E
	keyWipe   = 0x15 // Ctrl-U
	keyDelete = 0x7f
)

// lineState is how a line stands after a key.
type lineState uint8

const (
	lineOpen  lineState = iota // more keys come
	lineWhole                  // take returns it
	lineLast                   // there are no more lines
)

// key takes one key, a rune or the sequence that a terminal sends for it.
func (e *lineEditor) key(k string) lineState {
	switch k {
	case "\r", "\n":
		e.write("\r\n")
		return lineWhole
	case string(rune(keyEnd)):
		if len(e.line) == 0 {
			return lineLast
		}
	case "\x1b[A", "\x1bOA":
		e.recall(e.back + 1)
	case "\x1b[B", "\x1bOB":
		e.recall(e.back - 1)
	case "\x1b[C", "\x1bOC":
		e.move(e.at + 1)
	case "\x1b[D", "\x1bOD":
		e.move(e.at - 1)
	case "\x1b[H", "\x1bOH", "\x1b[1~", string(rune(keyStart)):
		e.move(0)
	case "\x1b[F", "\x1bOF", "\x1b[4~", string(rune(keyLast)):
		e.move(len(e.line))
	case string(rune(keyDelete)), "\b":
		if e.at > 0 {
			e.cut(e.at-1, e.at)
		}
	case "\x1b[3~":
		if e.at < len(e.line) {
			e.cut(e.at, e.at+1)
		}
	case string(rune(keyWipe)):
		e.cut(0, e.at)
	default:
		e.insert(k)
	}
	return lineOpen
}

// take returns the line that is whole, and begins the next one.
func (e *lineEditor) take() string {
	text := string(e.line)
	if strings.TrimSpace(text) != "" && (len(e.past) == 0 || e.past[len(e.past)-1] != text) {
		e.past = append(e.past[max(0, len(e.past)+1-historyMost):], text)
	}
	e.line, e.at, e.back, e.kept = e.line[:0], 0, 0, ""
	return text
}

func (e *lineEditor) insert(k string) {
	r, size := utf8.DecodeRuneInString(k)
	if size != len(k) || r < ' ' || r >= 0x7f && r < 0xa0 {
		return // a key without a meaning here
	}
	e.line = slices.Insert(e.line, e.at, r)
	e.move(e.at + 1)
}

func (e *lineEditor) cut(from, to int) {
	e.line = slices.Delete(e.line, from, to)
	e.move(from)
}

// recall shows the line that was asked n lines before.
func (e *lineEditor) recall(n int) {
	if n < 0 || n > len(e.past) || n == e.back {
		return
	}
	if e.back == 0 {
		e.kept = string(e.line)
	}
	text := e.kept
	if n > 0 {
		text = e.past[len(e.past)-n]
	}
	e.line, e.back = []rune(text), n
	e.move(len(e.line))
}

// move puts the caret to a place and shows the line, or as much of it around the caret as the
// terminal has room for. What stands before the caret is written twice, since only the terminal
// knows how wide each character is.
func (e *lineEditor) move(to int) {
	e.at = min(max(to, 0), len(e.line))
	from, end := 0, len(e.line)
	for room := max(e.wide-4, 8); widthOf(e.line[from:e.at]) > room; from++ {
	}
	for room := max(e.wide-4, 8); end > e.at && widthOf(e.line[from:end]) > room; end-- {
	}
	e.write("\r\x1b[K" + e.prompt + string(e.line[from:end]) + "\r" + e.prompt + string(e.line[from:e.at]))
}

// widthOf is how many columns text takes at most.
func widthOf(text []rune) (n int) {
	for _, r := range text {
		n++
		if r >= 0x1100 { // from here on there are characters of two columns
			n++
		}
	}
	return n
}

func (e *lineEditor) write(text string) {
	_, _ = io.WriteString(e.out, text) // a terminal that is gone ends the input, too
}
