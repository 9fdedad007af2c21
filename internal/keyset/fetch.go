package keyset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Bounds of one fetch.
const (
	maxBody      = 256 << 10
	maxHead      = 32 << 10
	maxRedirects = 3
)

// client fetches over connections that it does not keep: they would be idle for a
// quarter of an hour.
type client struct {
	http    http.Client
	setting string // of the proxy; empty: there is none
}

func newClient(most time.Duration, proxy *url.URL, setting string) *client {
	t := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHead, TLSHandshakeTimeout: most}
	c := &client{http: http.Client{Timeout: most, CheckRedirect: redirect, Transport: t}}
	if proxy != nil {
		t.Proxy, c.setting = http.ProxyURL(proxy), setting
	}
	return c
}

// errRedirect is a redirect that is not followed.
var errRedirect = errors.New("it redirects too often, or to where keys must not come from")

// redirect lets the endpoint send the request elsewhere, but never from https to
// http, and with http only to this machine.
func redirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	if len(via) > maxRedirects || !safe(req.URL) || from.Scheme == "https" && req.URL.Scheme != "https" {
		return errRedirect
	}
	return nil
}

// safe reports whether keys from u can be trusted: over https, or from this machine.
func safe(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		addr, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback()
	}
	return false
}

// get returns the body at the address. Its errors name no address.
func (c *client) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is none")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.said(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusProxyAuthRequired && c.setting != "" {
		return nil, c.wantsPassword()
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, c.said(err)
	}
	if len(text) > maxBody {
		return nil, fmt.Errorf("it answered with more than %d bytes", maxBody)
	}
	return text, nil
}

// wantsPassword is said of a proxy that does.
func (c *client) wantsPassword() error {
	return fmt.Errorf("the proxy (%s) needs a user and a password, or refuses those that it has", c.setting)
}

// said is what a log may say of err.
func (c *client) said(err error) error {
	var wait net.Error
	switch words := err.Error(); {
	case c.setting != "" && (strings.Contains(words, http.StatusText(http.StatusProxyAuthRequired)) || strings.Contains(words, "username/password") || strings.Contains(words, "no acceptable authentication")):
		return c.wantsPassword()
	case c.setting != "" && (strings.Contains(words, "proxyconnect") || strings.Contains(words, "socks connect")):
		return fmt.Errorf("the proxy (%s) cannot be reached, or refuses", c.setting)
	case errors.Is(err, errRedirect):
		return errRedirect
	case errors.As(err, &wait) && wait.Timeout():
		return errors.New("it did not answer in time")
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New("its name could not be looked up")
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return errors.New("it could not be reached")
	}
	return errors.New("the connection failed, or is not to be trusted")
}
