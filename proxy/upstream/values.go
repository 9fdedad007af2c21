package upstream

import (
	"bytes"
	"encoding/json"
	"io"
)

// severalValues are the JSON values of a body that is not one but several: the frames of a stream as
// lines, in a list, or one behind the other, as some servers send them. Each is on a line of its own,
// and what is none is the last line. It is nil where there is nothing behind the first value.
func severalValues(body []byte) []byte {
	lines, n := make([]byte, 0, len(body)), 0
	take := func(v json.RawMessage) {
		var one bytes.Buffer
		if json.Compact(&one, v) == nil {
			lines, n = append(append(lines, one.Bytes()...), '\n'), n+1
		}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var v json.RawMessage
		at := dec.InputOffset()
		if err := dec.Decode(&v); err != nil {
			if err != io.EOF {
				lines, n = append(lines, bytes.ReplaceAll(bytes.TrimSpace(body[at:]), []byte{'\n'}, []byte{' '})...), n+min(n, 1)
			}
			break
		}
		var list []json.RawMessage
		if v[0] != '[' || json.Unmarshal(v, &list) != nil {
			take(v)
			continue
		}
		for _, e := range list {
			take(e)
		}
	}
	if n < 2 {
		return nil
	}
	return lines
}
