package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/translate"
)

// maxLine bounds a line of the input, and what is held back of a line of the
// wire, in bytes.
const maxLine = 4 << 20

// line is a question, or the end of them.
type line struct {
	text string
	end  error // io.EOF after the last line
}

// readLines hands out the lines of in until done is closed. It cannot be waited
// for: nothing ends a read from a terminal but the terminal, or the process.
func readLines(in io.Reader, done <-chan struct{}) <-chan line {
	lines := make(chan line)
	send := func(l line) bool {
		select {
		case lines <- l:
			return true
		case <-done:
			return false
		}
	}
	go func() {
		defer func() {
			if r := recover(); r != nil {
				send(line{end: fmt.Errorf("panic: %v", r)})
			}
		}()
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			if !send(line{text: s.Text()}) {
				return
			}
		}
		end := s.Err()
		if end == nil {
			end = io.EOF
		}
		send(line{end: end})
	}()
	return lines
}

// isTerminal reports whether v, an input or output, is one.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// screen is where a talk is shown: answers on out, everything else on err. It is
// safe for concurrent use, since frames are traced from other goroutines.
type screen struct {
	terminal bool // out is one: reasoning shows there, and control characters do not
	alone    bool // out and err are the same terminal
	pieces   bool // frames come in pieces, to be put together to lines
	colours  bool // err shows them
	key      []string

	mu     sync.Mutex
	out    io.Writer
	err    io.Writer
	within bool   // out stands within a line
	dim    bool   // what was written last is reasoning
	raw    bool   // frames are shown
	part   []byte // of a line of the wire
	long   bool   // the line is too long to be shown
	broken error  // out takes no more
}

func newScreen(out, err io.Writer, key string) *screen {
	v := &screen{out: out, err: err}
	if len(key) >= 4 { // a shorter one cannot be told from ordinary text
		v.key = []string{key, url.QueryEscape(key)}
	}
	return v
}

const (
	faint  = "\x1b[2m"
	normal = "\x1b[0m"
)

// event prints what ev says.
func (v *screen) event(ev *translate.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev.Kind {
	case translate.KindText, translate.KindToolArgs:
		v.mood(false)
		v.print(ev.Text)
	case translate.KindReasoning:
		if v.terminal {
			v.mood(true)
			v.print(ev.Text)
		}
	case translate.KindToolStart:
		v.mood(false)
		v.print([]byte("[tool call " + string(ev.Name) + "] "))
	}
}

// mood begins or ends the reasoning. v.mu is held.
func (v *screen) mood(dim bool) {
	if v.dim == dim {
		return
	}
	v.dim = dim
	if dim {
		v.write(faint)
		return
	}
	v.write(normal)
	v.fresh()
}

// print writes a piece of an answer. v.mu is held.
func (v *screen) print(text []byte) {
	if v.terminal {
		text = printable(text)
	}
	if len(text) > 0 {
		v.write(string(text))
		v.within = text[len(text)-1] != '\n'
	}
}

func (v *screen) write(text string) {
	if _, err := io.WriteString(v.out, text); err != nil && v.broken == nil {
		v.broken = fmt.Errorf("print the answer: %w", err)
	}
}

// gone returns why out takes no more, nil while it does.
func (v *screen) gone() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.broken
}

// fresh ends the line that out stands in. v.mu is held.
func (v *screen) fresh() {
	if v.within {
		v.write("\n")
	}
	v.within = false
}

// endAnswer ends the line of an answer, and the line of the wire that no line
// feed ended.
func (v *screen) endAnswer() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.flush()
	v.mood(false)
	v.fresh()
}

// frame shows data, which goes over the wire in direction dir.
func (v *screen) frame(dir byte, data []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.raw {
		return
	}
	if dir == '>' || !v.pieces {
		v.flush()
		for l := range bytes.Lines(data) {
			v.wire(dir, l)
		}
		return
	}
	for l := range bytes.Lines(data) {
		v.part = append(v.part, l...)
		if len(v.part) > maxLine {
			v.part, v.long = v.part[:0], true
		}
		if l[len(l)-1] == '\n' {
			v.flush()
		}
	}
}

// flush shows what came in of a line. One that is too long is not shown at all,
// since its beginning could end within the key. v.mu is held.
func (v *screen) flush() {
	if v.long {
		v.part = append(v.part[:0], "(a line of more than 4 MiB)"...)
	}
	v.wire('<', v.part)
	v.part, v.long = v.part[:0], false
}

// wire prints one line of the wire, unless it is empty. v.mu is held.
func (v *screen) wire(dir byte, text []byte) {
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 {
		return
	}
	if v.alone {
		v.mood(false)
		v.fresh()
	}
	fmt.Fprintln(v.err, v.paint(faint, string(rune(dir))+" "+v.clean(string(text))))
}

// clean is text without the key, and without what a terminal would obey.
func (v *screen) clean(text string) string {
	for _, key := range v.key {
		text = strings.ReplaceAll(text, key, "***")
	}
	return string(printable([]byte(text)))
}

// printable removes all control characters but line feed and tab.
func printable(text []byte) []byte {
	out := text[:0:0]
	for i, c := range text {
		switch {
		case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
		case c == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0: // U+0080 to U+009F
		case c < 0xa0 && c >= 0x80 && i > 0 && text[i-1] == 0xc2:
		default:
			out = append(out, c)
		}
	}
	return out
}

// fail prints why a question was not answered.
func (v *screen) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.flush()
	v.fresh()
	var e *translate.Error
	if errors.As(err, &e) && e.Code == translate.CodeCanceled {
		fmt.Fprintln(v.err, v.paint(faint, string(e.Code)+": stopped"))
		return
	}
	text := err.Error()
	if e != nil && e.Fault == translate.FaultDenied {
		text += " (the key is that of --key, or of DRAGOMAN_KEY)"
	}
	fmt.Fprintln(v.err, v.paint(red, v.clean(text)))
}

// remark says what an answer's text does not.
func (v *screen) remark(a *translate.Answer, empty bool) {
	switch {
	case a.Finish == translate.FinishSilent:
		v.note("it decided not to reply")
	case a.Finish == translate.FinishLength:
		v.note("the answer ended at its limit of tokens")
	case a.Finish == translate.FinishFilter:
		v.note("the answer was ended by a content filter")
	case empty:
		v.note("the answer is empty")
	}
}

// note prints a remark.
func (v *screen) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintln(v.err, v.paint(faint, "("+text+")"))
}

func (v *screen) prompt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = io.WriteString(v.err, v.paint(cyan, "> "))
}

// leave ends the line of the last prompt.
func (v *screen) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = io.WriteString(v.err, "\n")
}
