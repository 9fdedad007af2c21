package upstream

import (
	"bytes"
	"strings"
	"testing"
)

func TestAWholeTextFrameIsTakenFromTheBufferAndNothingElseIs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	huge := strings.Repeat("y", 70_000)
	for name, c := range map[string]struct {
		frame string
		want  string
		ok    bool
	}{
		"short":             {"\x81\x02hi", "hi", true},
		"empty":             {"\x81\x00", "", true},
		"longer":            {"\x81\x7e\x01\x2c" + long, long, true},
		"longest":           {"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + huge, huge, true},
		"incomplete":        {"\x81\x03hi", "", false},
		"the first of some": {"\x01\x02hi", "", false},
		"a later one":       {"\x80\x02hi", "", false},
		"binary":            {"\x82\x02hi", "", false},
		"masked":            {"\x81\x82\x00\x00\x00\x00hi", "", false},
		"a reserved bit":    {"\xc1\x02hi", "", false},
		"a good-bye":        {"\x88\x02\x03\xe8", "", false},
		"too long":          {"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff", "", false},
		"nothing":           {"", "", false},
	} {
		f := &frameConn{mode: modeFrames, buf: []byte(c.frame + "\x81\x01z")}
		if c.frame == "" || name == "incomplete" {
			f.buf = []byte(c.frame)
		}
		before := f.at
		got, ok := f.text()
		if ok != c.ok || string(got) != c.want {
			t.Errorf("%s: %.20q, %v", name, got, ok)
		}
		if ok && f.at != len(c.frame) || !ok && f.at != before {
			t.Errorf("%s: the buffer is at %d", name, f.at)
		}
	}
}

func TestRoomForReadsLosesNothing(t *testing.T) {
	t.Parallel()
	f := &frameConn{buf: []byte("read and left"), at: 9}
	f.grow(4 << 10)
	if !bytes.Equal(f.buf[f.at:], []byte("left")) || cap(f.buf)-len(f.buf) < 4000 {
		t.Errorf("%q, room for %d", f.buf[f.at:], cap(f.buf)-len(f.buf))
	}
	f = &frameConn{buf: bytes.Repeat([]byte("x"), 9000)}
	if f.grow(4 << 10); len(f.buf) != 9000 {
		t.Errorf("%d bytes are left", len(f.buf))
	}
}
