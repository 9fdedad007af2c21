// Package wiretest holds what the tests of wire formats share: the form of their
// transcripts.
package wiretest

import "strings"

// Section is one part of a transcript file.
type Section struct {
	Name string
	Data string // without the last newline
}

// Parse splits a transcript, a text in the txtar format: a comment, and sections
// that each begin with a line "-- name --".
func Parse(file string) (comment string, sections []Section) {
	for line := range strings.Lines(file) {
		head := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(head, "-- ") && strings.HasSuffix(head, " --") && len(head) > len("--  --") {
			sections = append(sections, Section{Name: head[3 : len(head)-3]})
			continue
		}
		if n := len(sections); n > 0 {
			sections[n-1].Data += line
		} else {
			comment += line
		}
	}
	for i := range sections {
		sections[i].Data = strings.TrimSuffix(sections[i].Data, "\n")
	}
	return comment, sections
}

// Format is the inverse of [Parse].
func Format(comment string, sections []Section) string {
	var b strings.Builder
	b.WriteString(comment)
	for _, s := range sections {
		b.WriteString("-- " + s.Name + " --\n")
		if s.Data != "" {
			b.WriteString(s.Data + "\n")
		}
	}
	return b.String()
}
