package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// defaultConnect is config.Timeouts.Connect where nobody filled it in.
const defaultConnect = 3 * time.Second

// Bounds of the idle connections of a channel. A server that closes them sooner than
// idleFor is noticed when they are about to be used.
const (
	maxIdle = 1024
	idleFor = 90 * time.Second
)

// address is where a channel is and how connections to it are made.
type address struct {
	url     *url.URL // scheme http or https
	suffix  string   // of its path, behind what is configured
	varies  bool     // the suffix is another one for each question
	dialed  string   // host:port
	tls     *tls.Config
	connect time.Duration
	via     *outlet // nil: no proxy
	given   bool    // the proxy is given whole requests, instead of being asked for a tunnel
	// handshake has the headers of a socket's handshake.
	handshake http.Header
	reach     func(ctx context.Context, address string) (net.Conn, error) // a TCP connection
}

// newAddress reads conf.URL, of any of the four schemes, and puts path behind its
// path. Errors do not repeat the URL, which may hold credentials.
func newAddress(conf *config.Channel, path string, o Options) (address, error) {
	u, err := url.Parse(conf.URL)
	if err != nil || u.Host == "" {
		return address{}, errors.New("url is not an absolute address")
	}
	if u.User != nil {
		return address{}, errors.New("url must not contain credentials: use keys")
	}
	a := address{url: u, suffix: path, connect: conf.Timeouts.Connect, reach: o.Dial, via: newOutlet(conf.Way(), o), handshake: http.Header{"User-Agent": {"dragoman"}}}
	for name, value := range conf.Headers {
		a.handshake.Set(name, value)
	}
	if a.reach == nil {
		a.reach = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if a.connect <= 0 {
		a.connect = defaultConnect
	}
	port := "80"
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "http"
	case "https", "wss":
		u.Scheme, port = "https", "443"
		a.tls = o.tlsConfig(u.Hostname())
	default:
		return address{}, errors.New("url has an unknown scheme")
	}
	if p := u.Port(); p != "" {
		port = p
	}
	a.dialed = net.JoinHostPort(u.Hostname(), port)
	u.Path = strings.TrimRight(u.Path, "/") + path
	u.RawPath, u.Fragment = "", ""
	if len(conf.Query) > 0 {
		q := url.Values{}
		for name, value := range conf.Query {
			q.Set(name, value)
		}
		u.RawQuery = q.Encode()
	}
	return a, nil
}

// dial makes a connection, by whatever IP version works first. It returns the
// socket too: closing that ends everything at once, while closing a TLS
// connection first says good-bye.
func (a *address) dial(ctx context.Context) (conn, socket net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.connect)
	defer cancel()
	socket, err = a.reach(ctx, a.first())
	if err != nil {
		if a.via != nil {
			err = a.via.failed(err)
		}
		return nil, nil, err
	}
	conn = socket
	if a.via != nil {
		conn, err = a.via.connect(ctx, socket, a.tunnelled())
	}
	if err == nil && a.tls != nil {
		secured := tls.Client(conn, a.tls)
		conn, err = secured, misdirected(secured.HandshakeContext(ctx), a.tls)
	}
	if err != nil {
		_ = socket.Close()
		return nil, nil, err
	}
	return conn, socket, nil
}

// first is where the TCP connection goes.
func (a *address) first() string {
	if a.via != nil {
		return a.via.dialed
	}
	return a.dialed
}

// tunnelled is where the proxy is asked to connect to; empty: nowhere.
func (a *address) tunnelled() string {
	if a.given {
		return ""
	}
	return a.dialed
}
