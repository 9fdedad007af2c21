package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinesAreWrittenSoonOrWhenTheyAreMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := newLogBuffer(&out)
		for range 3 {
			_, _ = b.Write([]byte("a\n"))
			_, _ = b.Write([]byte("b\n"))
			if out.Len() != 0 {
				t.Fatal("it was written at once")
			}
			time.Sleep(logDelay)
			synctest.Wait()
			if got := out.String(); got != "a\nb\n" {
				t.Fatalf("%q", got)
			}
			out.Reset()
		}
		_, _ = b.Write([]byte(strings.Repeat("c", logBytes)))
		if out.Len() != logBytes {
			t.Errorf("%d bytes of many", out.Len())
		}
		_, _ = b.Write([]byte("end"))
		b.flush()
		if !strings.HasSuffix(out.String(), "cend") {
			t.Error("a flush wrote nothing")
		}
		time.Sleep(time.Second)
	})
}
