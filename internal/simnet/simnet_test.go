package simnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a connection on a network of its own: the dialing end and the other.
func pair(t *testing.T) (n *Net, near, far net.Conn) {
	t.Helper()
	n = New(7)
	ln, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	if near, err = n.Dial(context.Background(), "a:1"); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return n, near, far
}

func TestWhatIsWrittenArrivesInOrderAndThenTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, near, far := pair(t)
		for _, s := range []string{"one ", "two ", "three"} {
			_, _ = io.WriteString(near, s)
		}
		_ = near.Close()
		got, err := io.ReadAll(far)
		if string(got) != "one two three" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, ErrReset) {
			t.Errorf("writing to who has left: %v", err)
		}
		_ = far.Close()
		if n.Open() != 0 {
			t.Errorf("%d ends are open", n.Open())
		}
	})
}

func TestDeadlinesEndReadsAndWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, near, _ := pair(t)
		began := time.Now()
		_ = near.SetReadDeadline(began.Add(3 * time.Second))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		_ = near.SetWriteDeadline(began.Add(5 * time.Second))
		// Nobody reads: the window fills.
		sent, err := near.Write(make([]byte, 2*window))
		if !errors.Is(err, os.ErrDeadlineExceeded) || sent != window || time.Since(began) != 5*time.Second {
			t.Errorf("%d bytes, %v after %v", sent, err, time.Since(began))
		}
	})
}

func TestACutIsAResetAtBothEndsAndTheWayIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, near, far := pair(t)
		_, _ = io.WriteString(far, "lost")
		if got := n.Cut("a:1"); got != 1 {
			t.Errorf("%d connections were cut", got)
		}
		for _, c := range []net.Conn{near, far} {
			if _, err := c.Read(make([]byte, 9)); !errors.Is(err, ErrReset) {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, ErrReset) {
				t.Errorf("write: %v", err)
			}
		}
	})
}

func TestAStallAndAFreezeHoldBackButLoseNothing(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*Net){
		"stall":  func(n *Net) { n.Stall("a:1", time.Minute) },
		"freeze": func(n *Net) { n.Freeze(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, near, far := pair(t)
				began := time.Now()
				_, _ = io.WriteString(far, "before ")
				hold(n)
				_, _ = io.WriteString(far, "after")
				_ = far.Close()
				got, err := io.ReadAll(near)
				if string(got) != "before after" || err != nil || time.Since(began) < time.Minute {
					t.Errorf("read %q, %v after %v", got, err, time.Since(began))
				}
			})
		})
	}
}

func TestNobodyIsReachedWhereNobodyListens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		if _, err := n.Dial(context.Background(), "a:1"); !errors.Is(err, ErrRefused) {
			t.Errorf("dial: %v", err)
		}
		ln, _ := n.Listen("a:1")
		if _, err := n.Listen("a:1"); err == nil || !strings.Contains(err.Error(), "taken") {
			t.Errorf("a second listener: %v", err)
		}
		_ = ln.Close()
		if _, err := n.Dial(context.Background(), "a:1"); !errors.Is(err, ErrRefused) {
			t.Errorf("dial after close: %v", err)
		}
		n.Freeze(time.Hour)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "a:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial of a frozen network: %v", err)
		}
	})
}
