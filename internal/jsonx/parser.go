package jsonx

import (
	"bytes"
	"errors"

	"github.com/valyala/fastjson"
)

// maxValues is how many values a text may have, about: each takes 100 bytes and more.
const maxValues = 1 << 20

var errValues = errors.New("more than a million values")

// Memory is what parsing needs to remember. Whoever reads one answer after the
// other lends the same one to each. The zero value is ready to use.
type Memory struct {
	parser   fastjson.Parser
	template Template
	longest  int
}

// Large reports whether m has read a text so long, above 32 KiB, that it is not
// worth keeping: it holds several times the longest one.
func (m *Memory) Large() bool { return m.longest > 32<<10 }

// Parser is a JSON parser. The zero value is ready to use and makes a memory of its
// own at the first text. One goroutine uses it.
type Parser struct {
	memory *Memory
	halves halves
}

// Borrow makes p use m, which no one else may use until p borrows something else.
// nil takes back what was lent.
func (p *Parser) Borrow(m *Memory) {
	p.memory = m
	if m != nil {
		m.template.Forget()
	}
}

// ParseBytes parses text, which it copies. The value and everything in it live
// until the memory is used for another text. A character that one text begins and
// the next one ends, in two \u escapes, comes out in two parts, which put together
// are its UTF-8. A text of more than a million values is refused.
func (p *Parser) ParseBytes(text []byte) (*fastjson.Value, error) {
	if p.memory == nil {
		p.memory = new(Memory)
	}
	if len(text) > maxValues && many(text) {
		return nil, errValues
	}
	p.memory.longest = max(p.memory.longest, len(text))
	return p.memory.parser.ParseBytes(p.halves.join(text))
}

// many reports whether text has more than maxValues values. Those of most texts are so few
// that their commas need not be told from those in strings.
func many(text []byte) bool {
	if bytes.Count(text, []byte{','})+bytes.Count(text, []byte{':'}) < maxValues {
		return false
	}
	s := scanner{b: text, most: len(text)}
	s.value()
	return s.values > maxValues
}

// Learn makes text, which was parsed from it, the pattern of those that Match knows:
// see [Template.Learn].
func (p *Parser) Learn(text []byte, key string, value []byte) {
	if p.memory != nil {
		p.memory.template.Learn(text, key, value)
	}
}

// Match is ParseBytes for a text that is like the one learnt: see [Template.Match].
func (p *Parser) Match(text, scratch []byte) (value, grown []byte, ok bool) {
	if p.memory == nil {
		return nil, scratch, false
	}
	return p.memory.template.Match(text, scratch)
}
