package upstream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file says what to set where an answer shows that something else than the back
// end was reached, or that it was spoken to otherwise than it wants.

// misdirected adds to an error of TLS, made with conf, what to set.
func misdirected(err error, conf *tls.Config) error {
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		if bytes.HasPrefix(record.RecordHeader[:], []byte("HTTP/")) {
			return fmt.Errorf("%w: the server answers without TLS; set its address to begin with http:// (or ws://)", err)
		}
		return fmt.Errorf("%w: the server does not speak TLS on this port; set its address to begin with http:// (or ws://), or mend the port", err)
	case errors.As(err, &op) && op.Op == "remote error" && strings.HasSuffix(op.Err.Error(), noProtocol):
		switch {
		case !slices.Contains(conf.NextProtos, "h2"):
			return fmt.Errorf("%w: %s", err, wantsHTTP2)
		case !slices.Contains(conf.NextProtos, "http/1.1"):
			return fmt.Errorf("%w: %s", err, wantsHTTP1)
		}
	}
	return err
}

// noProtocol is how crypto/tls, which does not show the number, tells the alert of a server
// that speaks nothing of what it was offered (RFC 7301, 3.2).
const noProtocol = "no application protocol"

const wantsHTTP2 = "the server does not speak HTTP/1.1; set transport: http2 (sockets need a server that speaks HTTP/1.1)"

const wantsHTTP1 = "the server does not speak HTTP/2; set transport: http1 (or auto)"

// notHTTP adds to err, of an answer that is none of HTTP/1, what to set.
func notHTTP(p []byte, err error) error {
	switch {
	case len(p) >= 9 && p[0] == 0 && (p[3] == 4 || p[3] == 7) && p[5]|p[6]|p[7]|p[8] == 0:
		return fmt.Errorf("%w: %s", err, wantsHTTP2)
	case len(p) >= 3 && p[0] == 0x15 && p[1] == 3:
		return fmt.Errorf("%w: the server answers with a TLS alert; set its address to begin with https:// (or wss://)", err)
	case len(p) >= 2 && p[0] == socksVersion:
		return fmt.Errorf("%w: the server speaks SOCKS; that is for proxy: socks5://", err)
	case len(p) > 0 && !bytes.HasPrefix(p, []byte("HTTP/")):
		return fmt.Errorf("%w: it begins with %q", err, p[:min(len(p), 16)])
	}
	return err
}

// misplaced is why an answer that is no answer to a question comes from the wrong place;
// nil: nothing shows that.
func (a *address) misplaced(status int, location string, body []byte) error {
	switch {
	case status >= 300 && status <= 399 && location != "":
		return a.redirected(status, location)
	case status == http.StatusProxyAuthRequired && a.given:
		return a.via.failed(a.via.refusal(nil, status))
	case status == http.StatusProxyAuthRequired:
		return errors.New("a proxy in between wants a user and a password (407); set proxy")
	case a.tls == nil && saysTLS(body):
		return fmt.Errorf("status %d: the server wants TLS; set url to begin with https:// (or wss://)", status)
	}
	return nil
}

// saysTLS reports whether body is what servers answer to a request without TLS on a port
// that is for TLS: Go, nginx, Apache, Tomcat.
func saysTLS(body []byte) bool {
	low := strings.ToLower(string(body[:min(len(body), 2<<10)]))
	for _, words := range []string{"http request to an https server", "plain http request was sent to https port", "speaking plain http to an ssl-enabled server port", "combination of host and port requires tls"} {
		if strings.Contains(low, words) {
			return true
		}
	}
	return false
}

// redirected says where a redirect points to and, if that tells, what url should be. It
// leaves out what may be secret.
func (a *address) redirected(status int, location string) error {
	to, err := a.url.Parse(location)
	if err != nil || to.Host == "" {
		return fmt.Errorf("it redirects with status %d to an address that is none: mend url", status)
	}
	to = &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}
	base := *to
	if path, ok := strings.CutSuffix(to.Path, a.suffix); ok && !a.varies {
		base.Path = path
		return fmt.Errorf("it redirects with status %d to %s: set url: %s", status, to, base.String())
	}
	return fmt.Errorf("it redirects with status %d to %s: mend url, since redirects are not followed", status, to)
}
