package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

func TestLinesAreWrittenSoonOrWhenTheyAreMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out logtest.Log
		b := newLogBuffer(&out)
		for range 3 {
			_, _ = b.Write([]byte("a\n"))
			_, _ = b.Write([]byte("b\n"))
			if len(out.String()) != 0 {
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
		if len(out.String()) != logBytes {
			t.Errorf("%d bytes of many", len(out.String()))
		}
		_, _ = b.Write([]byte("end"))
		b.flush()
		if !strings.HasSuffix(out.String(), "cend") {
			t.Error("a flush wrote nothing")
		}
		time.Sleep(time.Second)
	})
}
