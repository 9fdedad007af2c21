// Package forwardproxy is a forward proxy for tests that writes down what it is asked for: CONNECT,
// whole requests and SOCKS5, all on one port of this machine.
package forwardproxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Options are how a proxy behaves. The zero value lets everybody everywhere.
type Options struct {
	// User and Password are wanted if User is not empty.
	User, Password string
	// Scheme is how an HTTP proxy wants them. Default Basic realm="proxy".
	Scheme string
	// TLS is spoken on the port if it is not nil.
	TLS *tls.Config
	// Hosts are where names of servers, host:port, are found that no resolver knows.
	Hosts map[string]string
	// Refuse, if it is not 0, is the status, or the code of SOCKS5, of every connection.
	Refuse int
	// Silent proxies take connections and say nothing.
	Silent bool
}

// Proxy is a proxy that runs. It is safe for concurrent use.
type Proxy struct {
	Addr string // host:port
	o    Options
	ln   net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex
	seen  []string
	open  map[net.Conn]bool
	ended bool
}

// Start begins a proxy that ends with the test.
func Start(t testing.TB, o Options) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.TLS != nil {
		ln = tls.NewListener(ln, o.TLS)
	}
	p := &Proxy{Addr: ln.Addr().String(), o: o, ln: ln, open: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.end)
	return p
}

// Seen is what the proxy was asked for, in order: "CONNECT host:port", "POST http://host/path",
// or "SOCKS name host:port" (ip in the place of name where that is what was sent).
func (p *Proxy) Seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

func (p *Proxy) saw(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, what)
}

// keep notes c, to be closed at the end.
func (p *Proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
	if p.ended {
		_ = c.Close()
	}
}

func (p *Proxy) end() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.ended = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	defer func() { _ = recover() }()
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.keep(c)
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer func() { _ = recover() }()
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	first, err := r.Peek(1)
	switch {
	case err != nil:
	case p.o.Silent:
		_, _ = io.Copy(io.Discard, r)
	case first[0] == 5:
		p.socks(c, r)
	default:
		p.http(c, r)
	}
}

// join carries bytes both ways until both ends have closed.
func (p *Proxy) join(c net.Conn, r io.Reader, to net.Conn) {
	p.wg.Go(func() {
		defer func() { _ = recover() }()
		_, _ = io.Copy(to, r)
		_ = to.Close()
	})
	_, _ = io.Copy(c, to)
	_ = c.Close()
	_ = to.Close()
}

func (p *Proxy) dial(target string) (net.Conn, error) {
	if at := p.o.Hosts[target]; at != "" {
		target = at
	}
	to, err := net.Dial("tcp", target)
	if err == nil {
		p.keep(to)
	}
	return to, err
}

func (p *Proxy) http(c net.Conn, r *bufio.Reader) {
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		p.saw(req.Method + " " + req.RequestURI)
		if !p.admits(req) {
			scheme := p.o.Scheme
			if scheme == "" {
				scheme = `Basic realm="proxy"`
			}
			fmt.Fprintf(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", scheme)
			return
		}
		if p.o.Refuse != 0 {
			fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>", p.o.Refuse, http.StatusText(p.o.Refuse))
			return
		}
		if req.Method == http.MethodConnect {
			to, err := p.dial(req.Host)
			if err != nil {
				_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
			p.join(c, r, to)
			return
		}
		if !p.forward(c, req) {
			return
		}
	}
}

// admits looks at the credential, which goes no further.
func (p *Proxy) admits(req *http.Request) bool {
	got := strings.TrimPrefix(req.Header.Get("Proxy-Authorization"), "Basic ")
	req.Header.Del("Proxy-Authorization")
	if p.o.User == "" {
		return true
	}
	return got == base64.StdEncoding.EncodeToString([]byte(p.o.User+":"+p.o.Password))
}

// forward sends a whole request on, and brings the answer back as it is.
func (p *Proxy) forward(c net.Conn, req *http.Request) bool {
	host := req.URL.Host
	if req.URL.Port() == "" {
		host = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	to, err := p.dial(host)
	if req.URL.Host == "" || err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		return false
	}
	defer func() { _ = to.Close() }()
	if req.Write(to) != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(to), req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.Write(c) == nil && !resp.Close
}

func (p *Proxy) socks(c net.Conn, r *bufio.Reader) {
	var b [256]byte
	read := func(n int) bool { _, err := io.ReadFull(r, b[:n]); return err == nil }
	if !read(2) {
		return
	}
	ways := int(b[1])
	if !read(ways) {
		return
	}
	if p.o.User != "" {
		if !bytes.Contains(b[:ways], []byte{2}) {
			_, _ = c.Write([]byte{5, 0xff})
			return
		}
		_, _ = c.Write([]byte{5, 2})
		if !p.signedIn(c, read, &b) {
			return
		}
	} else {
		_, _ = c.Write([]byte{5, 0})
	}
	if !read(4) {
		return
	}
	how, host := "ip", ""
	switch b[3] {
	case 1, 4:
		if size := map[byte]int{1: 4, 4: 16}[b[3]]; read(size) {
			host = net.IP(b[:size]).String()
		}
	case 3:
		how = "name"
		if !read(1) {
			return
		}
		if n := int(b[0]); read(n) {
			host = string(b[:n])
		}
	}
	p.socksTo(c, r, how, host)
}

func (p *Proxy) signedIn(c net.Conn, read func(int) bool, b *[256]byte) bool {
	text := func() string {
		if !read(1) {
			return ""
		}
		n := int(b[0])
		if !read(n) {
			return ""
		}
		return string(b[:n])
	}
	if !read(1) {
		return false
	}
	user := text()
	if password := text(); user != p.o.User || password != p.o.Password {
		_, _ = c.Write([]byte{1, 1})
		return false
	}
	_, _ = c.Write([]byte{1, 0})
	return true
}

func (p *Proxy) socksTo(c net.Conn, r *bufio.Reader, how, host string) {
	var port [2]byte
	if _, err := io.ReadFull(r, port[:]); err != nil {
		return
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port[:]))))
	p.saw("SOCKS " + how + " " + target)
	code := byte(p.o.Refuse)
	var to net.Conn
	if code == 0 {
		var err error
		if to, err = p.dial(target); err != nil {
			code = 5
		}
	}
	_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	if code == 0 {
		p.join(c, r, to)
	}
}
