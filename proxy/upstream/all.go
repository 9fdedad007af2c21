package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// all reads the rest of the body, up to limit bytes of content. Where the server goes on to hold the
// connection without having said how long the body is, a JSON value that is whole is the body.
func (c *call) all(limit int) ([]byte, error) {
	if n := c.head.length; n > 0 && n <= int64(limit) && !c.head.chunked {
		c.scan.Room(max(int(n)-len(c.scan.Bytes()), 0) + minRead)
	}
	for {
		soon := c.mayBeAll()
		if soon {
			_ = c.conn.SetReadDeadline(time.Now().Add(endSilence))
		}
		err := c.fill()
		if soon {
			_ = c.conn.SetReadDeadline(time.Time{})
		}
		if len(c.scan.Bytes()) > limit {
			return c.scan.Bytes()[:limit], errTooLarge
		}
		if soon && errors.Is(err, os.ErrDeadlineExceeded) {
			if c.brief || json.Valid(c.scan.Bytes()) {
				c.head.keep, err = false, io.EOF
			} else {
				err = c.fill()
			}
		}
		if err == io.EOF {
			return c.scan.Bytes(), nil
		}
		if err != nil {
			return c.scan.Bytes(), err
		}
	}
}

// mayBeAll reports whether the body may have no more than what has come of it: that ends as a JSON object
// or list does, or is of a refusal, whose words are not worth a wait.
func (c *call) mayBeAll() bool {
	if c.conn == nil || c.bad != nil || c.body.over || c.packed != nil || c.up.lines || c.body.framing == framedByLength {
		return false
	}
	text := bytes.TrimRight(c.scan.Bytes(), " \t\r\n")
	return len(text) > 0 && (c.brief || text[len(text)-1] == '}' || text[len(text)-1] == ']')
}
