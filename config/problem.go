package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with, or worth saying about, a file. It
// never holds the value of a secret or of a variable.
type Problem struct {
	Line    int    // from 1; 0: the file says nothing at that path
	Path    string // for example channels[0].url; empty: the whole file
	Message string
}

// In returns the problem as one line, "file:line: path: message". A line or
// path that is not known is left out.
func (p Problem) In(file string) string {
	s := file
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Path != "" {
		s += ": " + p.Path
	}
	return s + ": " + p.Message
}

// Problems is everything that is wrong with one file: the error of [Load] and
// [Config.Validate].
type Problems struct {
	File string
	All  []Problem // by line, then by path
}

// Error returns all problems, one a line.
func (p *Problems) Error() string {
	lines := make([]string, len(p.All))
	for i, one := range p.All {
		lines[i] = one.In(p.File)
	}
	return strings.Join(lines, "\n")
}

// problems returns all as an error, nil when there are none.
func problems(file string, all []Problem) error {
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return &Problems{File: file, All: slices.Compact(all)}
}

// source is what is known of where a Config came from. The zero value belongs
// to one that was made in code.
type source struct {
	file   string
	lines  map[string]int  // of every path that the file sets
	hidden map[string]bool // paths whose value came, in part, from a variable
}

// set says whether the file says something at path.
func (s *source) set(path string) bool {
	_, ok := s.lines[path]
	return ok
}

// line returns the line of path, or of the nearest path above it that is set.
func (s *source) line(path string) int {
	for path != "" {
		if n, ok := s.lines[path]; ok {
			return n
		}
		path = parent(path)
	}
	return 0
}

// quote returns value for a message, unless it came from a variable.
func (s *source) quote(path, value string) string {
	if s.hidden[path] {
		return "the value of the variable"
	}
	if len(value) > 80 {
		value = value[:80] + "…"
	}
	return strconv.Quote(value)
}

// parent cuts the last step off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// under says whether path is top or below it.
func under(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// index returns the path of item i of the list at path.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// child returns the path of a key below path. Keys that would make a path
// ambiguous are quoted.
func child(path, key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return !(r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) < 0
	if !plain {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// oneOf returns words as "a, b or c".
func oneOf(words ...string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return fmt.Sprintf("%s or %s", strings.Join(words[:last], ", "), words[last])
}
