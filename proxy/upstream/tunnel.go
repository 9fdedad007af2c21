package upstream

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
)

// errWordless is what proxies do that are of another kind.
var errWordless = errors.New("it closed the connection without a word; is the scheme of the setting right (http, https, socks5, socks5h)?")

// outlet is the proxy through which a channel is reached.
type outlet struct {
	scheme   string // http, https, socks5 or socks5h
	dialed   string // host:port
	user     string
	password string
	login    bool        // there is a user
	tls      *tls.Config // to the proxy itself, nil: none
	shown    string      // for the log: without the password, with the setting
}

// newOutlet returns the proxy of w, nil where there is none.
func newOutlet(w config.Way, o Options) *outlet {
	u := w.URL()
	if u == nil {
		return nil
	}
	p := &outlet{scheme: u.Scheme, dialed: u.Host, shown: w.String()}
	if u.User != nil {
		p.login, p.user = true, u.User.Username()
		p.password, _ = u.User.Password()
	}
	if u.Scheme == "https" {
		p.tls = o.tlsConfig(u.Hostname())
	}
	return p
}

// speaksHTTP reports whether requests may be given to the proxy itself.
func (p *outlet) speaksHTTP() bool { return p.scheme == "http" || p.scheme == "https" }

// failed is the error of a proxy that could not be used.
func (p *outlet) failed(err error) error {
	if err == io.EOF || err == errEarly {
		err = errWordless
	}
	return fmt.Errorf("%w %s: %w", errProxy, p.shown, err)
}

// credential is the header that shows user and password to an HTTP proxy.
func (p *outlet) credential() string {
	if !p.login {
		return ""
	}
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)) + "\r\n"
}

// connect returns a connection to target, host:port, over socket, which is one to the
// proxy; without a target it is one to the proxy. It closes nothing.
func (p *outlet) connect(ctx context.Context, socket net.Conn, target string) (net.Conn, error) {
	conn := socket
	if p.tls != nil {
		secured := tls.Client(socket, p.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, p.failed(misdirected(err, p.tls))
		}
		conn = secured
	}
	if target == "" {
		return conn, nil
	}
	stop := context.AfterFunc(ctx, func() {
		defer func() { _ = recover() }()
		_ = socket.Close()
	})
	err := p.tunnel(ctx, conn, target)
	if !stop() && ctx.Err() != nil {
		err = errors.Join(errors.New("it did not answer in time"), context.Cause(ctx))
	}
	if err != nil {
		return nil, p.failed(err)
	}
	return conn, nil
}

func (p *outlet) tunnel(ctx context.Context, conn net.Conn, target string) error {
	if p.speaksHTTP() {
		return p.askHTTP(conn, target)
	}
	return p.askSOCKS(ctx, conn, target)
}

// askHTTP asks for a tunnel with CONNECT (RFC 9110, 9.3.6).
func (p *outlet) askHTTP(conn net.Conn, target string) error {
	if _, err := io.WriteString(conn, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\nUser-Agent: dragoman\r\n"+p.credential()+"\r\n"); err != nil {
		return err
	}
	got := make([]byte, 0, 1<<10)
	for {
		if n := headEnd(got, 0); n > 0 {
			h, err := parseHead(got[:n])
			if err != nil {
				return notHTTP(got, err)
			}
			if h.status >= 200 && h.status <= 299 {
				if n < len(got) {
					return errors.New("it sent bytes that nobody asked for")
				}
				return nil
			}
			if h.status >= 200 {
				return p.refusal(got[:n], h.status)
			}
			got = got[:copy(got, got[n:])] // an interim answer
			continue
		}
		if len(got) > maxHead {
			return errHead
		}
		got = append(got, make([]byte, minRead)...)
		n, err := conn.Read(got[len(got)-minRead:])
		got = got[:len(got)-minRead+n]
		if err != nil && n == 0 {
			if err == io.EOF && len(got) > 0 {
				return notHTTP(got, errHead)
			}
			if err == io.EOF {
				err = errEarly
			}
			return err
		}
	}
}

// refusal says what an HTTP proxy means that does not do what it was asked for.
func (p *outlet) refusal(answer []byte, status int) error {
	said := strconv.Itoa(status) + " " + http.StatusText(status)
	switch {
	case status != http.StatusProxyAuthRequired:
		return fmt.Errorf("it refuses the connection with status %s: it must allow CONNECT to this host and port", said)
	case !basic(answer):
		return fmt.Errorf("it wants a way to sign in that is not spoken here (%s without Basic)", said)
	case p.login:
		return fmt.Errorf("it refuses the user or the password (%s): mend them in the setting", said)
	}
	return fmt.Errorf("it needs a user and a password (%s): put them into the setting, as %s://USER:PASSWORD@%s", said, p.scheme, p.dialed)
}

// basic reports whether answer lets one sign in with a user and a password, or does not
// say how.
func basic(answer []byte) bool {
	low := strings.ToLower(string(answer))
	return !strings.Contains(low, "\nproxy-authenticate:") || strings.Contains(low, "\nproxy-authenticate: basic") || strings.Contains(low, "\nproxy-authenticate:basic") || strings.Contains(low, ", basic ")
}

// Words of SOCKS5, RFC 1928 and 1929.
const (
	socksVersion  = 5
	socksOpen     = 0
	socksPassword = 2
	socksConnect  = 1
	socksIPv4     = 1
	socksName     = 3
	socksIPv6     = 4
	socksLogin    = 1 // the version of the sub-negotiation
)

// socksReplies are what a proxy says instead of "done".
var socksReplies = [...]string{
	1: "it failed", 2: "its rules forbid the connection", 3: "the network is unreachable from it", 4: "the host is unreachable from it",
	5: "the connection was refused there", 6: "the connection timed out there", 7: "it does not connect to servers", 8: "it does not know this kind of address",
}

func (p *outlet) askSOCKS(ctx context.Context, conn net.Conn, target string) error {
	address, err := p.socksAddress(ctx, target)
	if err != nil {
		return err
	}
	hello := []byte{socksVersion, 1, socksOpen}
	if p.login {
		hello = []byte{socksVersion, 2, socksOpen, socksPassword}
	}
	var b [255]byte
	if err := exchange(conn, hello, b[:2]); err != nil {
		return err
	}
	switch {
	case b[0] != socksVersion:
		return fmt.Errorf("it does not speak SOCKS5 (it answered %q)", b[:2])
	case b[1] == socksPassword && p.login:
		if err := p.socksSignIn(conn); err != nil {
			return err
		}
	case b[1] == socksOpen:
	case p.login:
		return errors.New("it takes no user and password")
	default:
		return fmt.Errorf("it needs a user and a password: put them into the setting, as %s://USER:PASSWORD@%s", p.scheme, p.dialed)
	}
	if err := exchange(conn, append([]byte{socksVersion, socksConnect, 0}, address...), b[:4]); err != nil {
		return err
	}
	if code := int(b[1]); b[0] != socksVersion || code != 0 {
		if code > 0 && code < len(socksReplies) {
			return errors.New(socksReplies[code])
		}
		return fmt.Errorf("it answered with the code %d", code)
	}
	return skipAddress(conn, b[3])
}

// exchange writes ask and reads all of answer.
func exchange(conn net.Conn, ask, answer []byte) error {
	if _, err := conn.Write(ask); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, answer)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errEarly
	}
	return err
}

func (p *outlet) socksSignIn(conn net.Conn) error {
	ask := append([]byte{socksLogin, byte(len(p.user))}, p.user...)
	ask = append(append(ask, byte(len(p.password))), p.password...)
	var b [2]byte
	if err := exchange(conn, ask, b[:]); err != nil {
		return err
	}
	if b[1] != 0 {
		return errors.New("it refuses the user or the password: mend them in the setting")
	}
	return nil
}

// skipAddress reads the address that ends a reply.
func skipAddress(conn net.Conn, kind byte) error {
	var size int
	switch kind {
	case socksIPv4:
		size = 4
	case socksIPv6:
		size = 16
	case socksName:
		var n [1]byte
		if _, err := io.ReadFull(conn, n[:]); err != nil {
			return err
		}
		size = int(n[0])
	default:
		return errors.New("it answered nonsense")
	}
	_, err := io.CopyN(io.Discard, conn, int64(size)+2)
	return err
}

// socksAddress is target as SOCKS5 writes it: by its name if the proxy looks that up.
func (p *outlet) socksAddress(ctx context.Context, target string) ([]byte, error) {
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && p.scheme == "socks5h" {
		if len(host) > 255 {
			return nil, errors.New("the name of the server is too long")
		}
		return append(append([]byte{socksName, byte(len(host))}, host...), byte(port>>8), byte(port)), nil
	}
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("%w (socks5h lets the proxy look names up)", err)
		}
		ip = found[0]
		for _, one := range found {
			if one = one.Unmap(); one.Is4() {
				ip = one
				break
			}
		}
	}
	ip = ip.Unmap().WithZone("")
	kind := byte(socksIPv4)
	if ip.Is6() {
		kind = socksIPv6
	}
	return append(append([]byte{kind}, ip.AsSlice()...), byte(port>>8), byte(port)), nil
}
