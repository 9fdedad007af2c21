package conn

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// socketOf records what reaches the socket.
type socketOf struct {
	net.Conn
	writes    []string
	deadlines int
	fails     int // how many bytes the next write takes; 0: all
}

func (s *socketOf) Write(p []byte) (int, error) {
	if s.fails > 0 {
		return s.fails, io.ErrShortWrite
	}
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func (s *socketOf) SetWriteDeadline(time.Time) error { s.deadlines++; return nil }

func write(t *testing.T, c *Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("%q: %d written, %v", text, n, err)
	}
}

func TestWhatIsHeldBackGoesOutWithTheNextWriteInOrder(t *testing.T) {
	t.Parallel()
	socket := &socketOf{}
	c := &Conn{Conn: socket}
	write(t, c, "a")
	c.Cork()
	for _, text := range []string{"b", "c", "d"} {
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		write(t, c, text)
	}
	c.Uncork()
	write(t, c, "e")
	write(t, c, "f")
	if want := []string{"a", "bcde", "f"}; !slices.Equal(socket.writes, want) {
		t.Errorf("the socket got %q, want %q", socket.writes, want)
	}
	if socket.deadlines != 0 {
		t.Error("a write that was held back set a deadline, which may be over when it goes out")
	}
	if _ = c.SetWriteDeadline(time.Unix(1, 0)); socket.deadlines != 1 {
		t.Error("a write that goes out has no deadline")
	}
}

func TestAWriteThatFailsSaysHowMuchOfItWasWritten(t *testing.T) {
	t.Parallel()
	for taken, want := range map[int]int{1: 0, 3: 0, 4: 1} {
		socket := &socketOf{}
		c := &Conn{Conn: socket}
		c.Cork()
		write(t, c, "abc")
		c.Uncork()
		socket.fails = taken
		if n, err := c.Write([]byte("de")); n != want || !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("of a socket that took %d: %d, %v", taken, n, err)
		}
	}
}

func TestWhatIsHeldBackCanGoOutAlone(t *testing.T) {
	t.Parallel()
	socket := &socketOf{}
	c := &Conn{Conn: socket}
	if err := c.Flush(time.Now()); err != nil || len(socket.writes) != 0 {
		t.Errorf("nothing was written as %q, %v", socket.writes, err)
	}
	c.Cork()
	write(t, c, "a")
	write(t, c, "b")
	c.Uncork()
	if err := c.Flush(time.Now()); err != nil || !slices.Equal(socket.writes, []string{"ab"}) || socket.deadlines != 1 {
		t.Errorf("the socket got %q, %v", socket.writes, err)
	}
	if write(t, c, "c"); !slices.Equal(socket.writes, []string{"ab", "c"}) {
		t.Errorf("the socket got %q", socket.writes)
	}
}

func TestALargeBufferIsNotKept(t *testing.T) {
	t.Parallel()
	c := &Conn{Conn: &socketOf{}}
	c.Cork()
	write(t, c, string(make([]byte, keptHeld+1)))
	c.Uncork()
	if write(t, c, "a"); c.held != nil {
		t.Errorf("%d bytes are kept", cap(c.held))
	}
}

func TestADeadlineThatIsFarEnoughOffStays(t *testing.T) {
	t.Parallel()
	socket := &socketOf{}
	c := &Conn{Conn: socket}
	for range 3 {
		c.BoundWrite(time.Hour)
	}
	if socket.deadlines != 1 {
		t.Errorf("three writes set %d deadlines, want one", socket.deadlines)
	}
	for _, other := range []time.Time{{}, time.Now().Add(44 * time.Minute), time.Now().Add(2 * time.Hour)} {
		_ = c.SetWriteDeadline(other)
		before := socket.deadlines
		if c.BoundWrite(time.Hour); socket.deadlines != before+1 {
			t.Errorf("the deadline %v stays for a write that has an hour", other)
		}
	}
}
