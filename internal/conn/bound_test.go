package conn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a listener whose Accept returns what is next in the list, and then waits
// until it is closed.
type scripted struct {
	mu   sync.Mutex
	next []any // error or net.Conn
	once sync.Once
	over chan struct{}
}

func script(next ...any) *scripted { return &scripted{next: next, over: make(chan struct{})} }

func (s *scripted) Accept() (net.Conn, error) {
	s.mu.Lock()
	if len(s.next) > 0 {
		defer s.mu.Unlock()
		one := s.next[0]
		s.next = s.next[1:]
		if err, ok := one.(error); ok {
			return nil, err
		}
		return one.(net.Conn), nil
	}
	s.mu.Unlock()
	<-s.over
	return nil, net.ErrClosed
}

func (s *scripted) Close() error   { s.once.Do(func() { close(s.over) }); return nil }
func (s *scripted) Addr() net.Addr { return &net.TCPAddr{} }

// accepting is how the system's accept fails with code.
func accepting(code syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", code)}
}

// peer is the server's end of a connection from an address, over a pipe.
type peer struct {
	net.Conn
	from   net.TCPAddr
	client net.Conn
	closed chan struct{}
	once   sync.Once
}

func from(address string) *peer {
	ours, theirs := net.Pipe()
	return &peer{Conn: ours, client: theirs, from: net.TCPAddr{IP: net.ParseIP(address), Port: 9}, closed: make(chan struct{})}
}

func (p *peer) RemoteAddr() net.Addr { return &p.from }
func (p *peer) Close() error         { p.once.Do(func() { close(p.closed) }); return p.Conn.Close() }

func (p *peer) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

func TestAcceptGoesOnThroughErrorsThatPass(t *testing.T) {
	t.Parallel()
	passing := []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN, syscall.EPROTO,
		syscall.EPERM, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENOPROTOOPT,
	}
	for _, code := range passing {
		t.Run(code.Error(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := from("192.0.2.1")
				defer func() { _ = c.client.Close() }()
				next := make([]any, 0, 12)
				for range 11 {
					next = append(next, accepting(code))
				}
				ln := Listen(script(append(next, c)...), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
				begun := time.Now()
				got, err := ln.Accept()
				if err != nil || Of(got).Conn != net.Conn(c) {
					t.Fatal(err)
				}
				// 5, 10, ... 640 ms, and then a second each.
				if took := time.Since(begun); took != 1275*time.Millisecond+3*time.Second {
					t.Errorf("it took %s", took)
				}
				if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), code.Error()) || !strings.Contains(log.String(), "failures=11") {
					t.Errorf("the log says %s", log.String())
				}
				ln.CloseAll()
				_ = ln.Close()
			})
		})
	}
}

func TestAcceptEndsWithAnErrorThatDoesNotPass(t *testing.T) {
	t.Parallel()
	for _, err := range []error{accepting(syscall.EBADF), accepting(syscall.EINVAL), net.ErrClosed, io.EOF, errors.New("no more")} {
		ln := Listen(script(err), Options{})
		if _, got := ln.Accept(); got != err {
			t.Errorf("%v became %v", err, got)
		}
		_ = ln.Close()
	}
}

func TestAListenerThatIsClosedDoesNotWaitForDescriptors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := make([]any, 20)
		for i := range next {
			next[i] = accepting(syscall.EMFILE)
		}
		ln := Listen(script(next...), Options{})
		failed := make(chan error)
		go func() {
			_, err := ln.Accept()
			failed <- err
		}()
		time.Sleep(1500 * time.Millisecond)
		begun := time.Now()
		_ = ln.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) || time.Since(begun) > 0 {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

func TestAnEpisodeThatComesAndGoesDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var next []any
		for range 1000 {
			next = append(next, accepting(syscall.EMFILE), from("192.0.2.1"))
		}
		ln := Listen(script(next...), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		begun := time.Now()
		for range 1000 {
			if _, err := ln.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		if most := 2 * (1 + int(time.Since(begun)/episodeEvery)); strings.Count(log.String(), "\n") > most {
			t.Errorf("more than %d lines: %s", most, log.String())
		}
		ln.CloseAll()
		_ = ln.Close()
	})
}

const noRoom = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"

func TestBeyondTheTotalAConnectionIsToldSoAndClosed(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Listen(raw, Options{Total: 2, PerAddress: 1, Refusal: []byte(noRoom)}) // this machine is exempt from the latter
	accepted := make(chan net.Conn, 100)
	var accepts sync.WaitGroup
	accepts.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	defer accepts.Wait()
	defer func() { _ = ln.Close(); ln.CloseAll() }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first, _ := <-accepted, <-accepted
	goroutines := runtime.NumGoroutine()
	for range 3 * mostParting {
		c := dial()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		if got, err := io.ReadAll(c); string(got) != noRoom {
			t.Fatalf("told %q, %v", got, err)
		}
	}
	if now := runtime.NumGoroutine(); now > goroutines+2 {
		t.Errorf("%d goroutines have become %d", goroutines, now)
	}
	ln.parting.mu.Lock()
	if n := len(ln.parting.list); n > mostParting {
		t.Errorf("%d that were refused are still open", n)
	}
	ln.parting.mu.Unlock()
	_ = first.Close()
	c := dial()
	second := <-accepted
	if _, err := io.WriteString(second, "x"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestBeyondTheTotalATLSConnectionIsClosedWithoutAWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := from("192.0.2.1"), from("192.0.2.2")
		inner := script(one, two)
		ln := Listen(tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{{}}}), Options{Total: 1, Refusal: []byte(noRoom)})
		if _, err := ln.Accept(); err != nil {
			t.Fatal(err)
		}
		var accepts sync.WaitGroup
		accepts.Go(func() { _, _ = ln.Accept() })
		if got, err := io.ReadAll(two.client); len(got) > 0 || err != nil {
			t.Errorf("told %q, %v", got, err)
		}
		ln.CloseAll()
		_ = ln.Close()
		accepts.Wait()
	})
}

func TestOneAddressHasItsBoundAndOthersHaveTheirs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var list []*peer
		var next []any
		for _, address := range []string{
			"192.0.2.1", "192.0.2.1", "192.0.2.1", // the third is one too many
			"::ffff:192.0.2.1", // and this is the same
			"192.0.2.2",
			"2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3", // one network
			"2001:db8:0:2::1",
			"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1",
			"10.0.0.1", "10.0.0.1", "10.0.0.1", // trusted
		} {
			p := from(address)
			list, next = append(list, p), append(next, p)
		}
		again, third := from("192.0.2.1"), from("192.0.2.1")
		next = append(next, again, third)
		trusted := netip.MustParsePrefix("10.0.0.0/8")
		ln := Listen(script(next...), Options{PerAddress: 2, Exempt: trusted.Contains})
		refused := map[int]bool{2: true, 3: true, 7: true}
		open := make([]net.Conn, len(list))
		for i, p := range list {
			if refused[i] {
				continue
			}
			c, err := ln.Accept()
			if err != nil || Of(c).Conn != net.Conn(p) {
				t.Fatalf("the connection %d: %v", i, err)
			}
			open[i] = c
		}
		for i, p := range list {
			if p.isClosed() != refused[i] {
				t.Errorf("the connection %d from %s: closed is %v", i, p.from.IP, p.isClosed())
			}
		}
		// One that has ended makes room, once.
		_ = open[0].Close()
		_ = open[0].Close()
		if c, err := ln.Accept(); err != nil || Of(c).Conn != net.Conn(again) {
			t.Errorf("no room after an end: %v", err)
		}
		var accepts sync.WaitGroup
		accepts.Go(func() { _, _ = ln.Accept() })
		synctest.Wait()
		if !third.isClosed() {
			t.Error("an end made room for two")
		}
		ln.CloseAll()
		if len(ln.from) > 0 {
			t.Errorf("%v are still counted", ln.from)
		}
		_ = ln.Close()
		accepts.Wait()
	})
}

func TestWhoHasWaitedLongestForARequestGivesWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		wait  time.Duration
		speak []int // which of the three begin a request, and do not end it
		gone  int   // which of them gives way; -1: the new one is refused
	}{
		{"the first of three that are silent", 6 * time.Second, nil, 0},
		{"the first that is silent", 6 * time.Second, []int{0}, 1},
		{"nobody who has not waited", 4 * time.Second, nil, -1},
		{"nobody who is in a request", time.Hour, []int{0, 1, 2}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peers := []*peer{from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.3"), from("192.0.2.4")}
				source := script()
				ln := Listen(source, Options{Total: 3})
				var reads sync.WaitGroup
				for _, p := range peers[:3] {
					source.next = append(source.next, p)
					accepted, err := ln.Accept()
					if err != nil {
						t.Fatal(err)
					}
					reads.Go(func() {
						var b [8]byte
						if _, err := accepted.Read(b[:1]); err != nil {
							return
						}
						_, _ = accepted.Read(b[:])
					})
					time.Sleep(time.Millisecond)
				}
				for _, i := range c.speak {
					_, _ = io.WriteString(peers[i].client, "P")
				}
				time.Sleep(c.wait)
				source.next = append(source.next, peers[3])
				reads.Go(func() { _, _ = ln.Accept() })
				synctest.Wait()
				for i, p := range peers {
					want := i == c.gone || c.gone < 0 && i == 3
					if p.isClosed() != want {
						t.Errorf("the connection %d: closed is %v", i, p.isClosed())
					}
				}
				if ln.Open() != 3 {
					t.Errorf("%d are open", ln.Open())
				}
				_ = ln.Close()
				ln.CloseAll()
				reads.Wait()
			})
		})
	}
}

func TestARequestThatBeginsInTheSameMomentIsNotCutOff(t *testing.T) {
	t.Parallel()
	server, _, ln := pair(t)
	server.awaits()
	before := server.waits.Load()
	if !server.begun() {
		t.Fatal("nobody made it give way")
	}
	if server.waits.CompareAndSwap(before, gaveWay) {
		t.Error("it gives way in a request")
	}
	server.awaits()
	ln.o.Total = 1
	server.waits.Store(gaveWay)
	if n, err := server.Read(make([]byte, 9)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("it was read after it gave way: %d, %v", n, err)
	}
}

func TestTheRoomForClientsLeavesDescriptorsForOthers(t *testing.T) {
	t.Parallel()
	for descriptors, want := range map[int]int{0: mostConnections, 1: 1, 200: 160, 1024: 820, 1 << 40: mostConnections} {
		if got := Room(descriptors); got != want {
			t.Errorf("%d of %d, want %d", got, descriptors, want)
		}
	}
	was, is := RaiseDescriptors()
	if runtime.GOOS == "linux" && (was <= 0 || is < was || Descriptors() != is) {
		t.Error(fmt.Sprint(was, " ", is, " ", Descriptors()))
	}
}
