package upstream

import (
	"bytes"
	"testing"
)

// Of a message in fragments each is looked at once, however many times more has come.
func TestFragmentsAreLookedAtOnce(t *testing.T) {
	t.Parallel()
	f := frameConn{mode: modeFrames, buf: append([]byte{opText, 0}, bytes.Repeat([]byte{opContinue, 0}, 1_000)...)}
	if f.ready() {
		t.Fatal("a message without its end is ready")
	}
	if f.seen.frames != len(f.buf) {
		t.Errorf("%d of %d bytes would be looked at again", len(f.buf)-f.seen.frames, len(f.buf))
	}
	f.buf = append(f.buf, opContinue, 0)
	if f.ready() || f.seen.frames != len(f.buf) {
		t.Errorf("after one more: %+v", f.seen)
	}
	if f.buf = append(f.buf, opContinue|finalBit, 0); !f.ready() {
		t.Error("a whole message is not ready")
	}
	for range 1_003 { // the library takes a frame at a time
		if n, err := f.Read(make([]byte, 2)); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if f.seen != (unended{}) || f.at != len(f.buf) {
		t.Errorf("%+v is left of a message that was handed out", f.seen)
	}
}
