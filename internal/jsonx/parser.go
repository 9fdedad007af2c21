package jsonx

import (
	"bytes"
	"errors"

	"github.com/valyala/fastjson"
)

// maxValues is how many values a text may have, about: each takes 100 bytes and more.
const maxValues = 1 << 20

var errValues = errors.New("more than a million values")

// Arena is the memory that parsing needs. Whoever reads one answer after the
// other gives the same one to each. The zero value is ready to use.
type Arena struct {
	parser   fastjson.Parser
	template Template
	longest  int
}

// Large reports whether a has read a text so long, above 32 KiB, that it is not
// worth keeping: it holds several times the longest one.
func (a *Arena) Large() bool { return a.longest > 32<<10 }

// Parser is a JSON parser. The zero value is ready to use and makes an arena of its
// own at the first text. One goroutine uses it.
type Parser struct {
	arena  *Arena
	halves halves
}

// UseArena makes p use a, which no one else may use until p is given something else.
// nil takes a back.
func (p *Parser) UseArena(a *Arena) {
	p.arena = a
	if a != nil {
		a.template.Forget()
	}
}

// ParseBytes parses text, which it copies. The value and everything in it live
// until the arena is used for another text. A character that one text begins and
// the next one ends, in two \u escapes, comes out in two parts, which put together
// are its UTF-8. A text of more than a million values is refused.
func (p *Parser) ParseBytes(text []byte) (*fastjson.Value, error) {
	if p.arena == nil {
		p.arena = new(Arena)
	}
	if len(text) > maxValues && many(text) {
		return nil, errValues
	}
	p.arena.longest = max(p.arena.longest, len(text))
	return p.arena.parser.ParseBytes(p.halves.join(text))
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
	if p.arena != nil {
		p.arena.template.Learn(text, key, value)
	}
}

// Match is ParseBytes for a text that is like the one learnt: see [Template.Match].
func (p *Parser) Match(text, scratch []byte) (value, grown []byte, ok bool) {
	if p.arena == nil {
		return nil, scratch, false
	}
	return p.arena.template.Match(text, scratch)
}
