package sse

// AppendData appends one event that consists of one data line. data must not
// contain a line break.
func AppendData(dst, data []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, '\n', '\n')
}

// AppendEvent appends one event with a name and one data line; neither may
// contain a line break.
func AppendEvent(dst []byte, name string, data []byte) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, '\n')
	return AppendData(dst, data)
}

// AppendComment appends a comment, which every reader ignores: what keeps a
// silent stream from looking dead (docs/rules/rest.md 3.2). text must not contain a
// line break.
func AppendComment(dst []byte, text string) []byte {
	dst = append(dst, ": "...)
	dst = append(dst, text...)
	return append(dst, '\n', '\n')
}
