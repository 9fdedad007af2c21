package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// pseudoTerminal returns both ends of one of 80 columns and 24 lines.
func pseudoTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	control := func(f *os.File, request uintptr, of unsafe.Pointer) {
		if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(of)); failed != 0 {
			t.Skipf("there are no pseudo-terminals here: %v", failed)
		}
	}
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	var unlock, number int32
	control(ours, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	control(ours, syscall.TIOCGPTN, unsafe.Pointer(&number))
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	size := [4]uint16{24, 80}
	control(theirs, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	return ours, theirs
}

func TestTopPaintsATerminalAndRestoresIt(t *testing.T) {
	t.Parallel()
	r := runServe(t, "m")
	ours, theirs := pseudoTerminal(t)
	out := newShownTerminal()
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			if err != nil {
				return
			}
			_, _ = out.Write(buf[:n])
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var said logtest.Log
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"top", "--url", r.operator, "--token", "operator-token"}, environment{out: theirs, err: &said})
	}()
	at := out.until(t, 0, "1 of 1 channels are ready")
	if wrong := r.put("m", false); wrong != "" {
		t.Fatal(wrong)
	}
	out.until(t, at, "openai    alice        m")
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("%d %s", code, &said)
	}
	out.until(t, at, "\x1b[?25h\x1b[?1049l")
	_ = theirs.Close()
	_ = ours.Close()
	<-read
	for _, screen := range strings.Split(out.String(), "\x1b[H")[1:] {
		screen, _, _ = strings.Cut(screen, "\x1b[J")
		if n := strings.Count(screen, "\r\n") + 1; n > 24 {
			t.Errorf("%d lines were painted on a terminal of 24", n)
		}
	}
}
