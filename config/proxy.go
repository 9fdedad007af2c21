package config

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Direct is the value of proxy that means none.
const Direct = "direct"

// errProxy never shows the value: there may be a password in it.
var errProxy = errors.New("want direct, or an address such as http://USER:PASSWORD@HOST:PORT; https://, socks5:// and socks5h:// work too")

// Way is how back ends are reached. The zero value is the direct one.
type Way struct {
	proxy string // an address that ParseProxy reads, Direct, or empty for the same
	from  string // what says so: a key of the file, or a variable; empty: nothing
}

// URL is the proxy, nil where there is none.
func (w Way) URL() *url.URL {
	u, _ := ParseProxy(w.proxy)
	return u
}

// From names the key or the variable that says so; it is empty where nothing does.
func (w Way) From() string { return w.from }

// String is the proxy without its password, and what says so, such as
// "http://user:***@10.0.0.1:3128 (HTTPS_PROXY)"; or "direct".
func (w Way) String() string {
	shown := Direct
	if u := w.URL(); u != nil {
		shown = shownProxy(u)
	}
	if w.from == "" {
		return shown
	}
	return shown + " (" + w.from + ")"
}

// shownProxy is the address of a proxy without its password.
func shownProxy(u *url.URL) string {
	login := ""
	if u.User != nil {
		login = url.User(u.User.Username()).String()
		if _, ok := u.User.Password(); ok {
			login += ":***"
		}
		login += "@"
	}
	return u.Scheme + "://" + login + u.Host
}

// ParseProxy reads the value of proxy: the address with its port, or nil for direct.
// The error does not repeat the value.
func ParseProxy(value string) (*url.URL, error) {
	if value == "" || value == Direct {
		return nil, nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, errProxy
	}
	u.Scheme = strings.ToLower(u.Scheme)
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return nil, errProxy
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, errProxy
	}
	if strings.HasPrefix(u.Scheme, "socks") && u.User != nil {
		if password, _ := u.User.Password(); len(u.User.Username()) > 255 || len(password) > 255 || u.User.Username() == "" {
			return nil, errors.New("want a user and a password of at most 255 bytes each for a SOCKS proxy")
		}
	}
	return &url.URL{Scheme: u.Scheme, User: u.User, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// environment holds the variables of the process that name proxies.
type environment struct {
	plain, secured variable
	passes         func(*url.URL) (*url.URL, error) // nil for what needs no proxy
}

type variable struct{ name, value string }

// environmentOf reads the variables that most programs heed; those in lower case go
// first.
func environmentOf(lookup func(string) (string, bool)) environment {
	first := func(names ...string) variable {
		for _, name := range names {
			if v, _ := lookup(name); v != "" {
				return variable{name, v}
			}
		}
		return variable{}
	}
	return environment{
		plain:   first("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
		secured: first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
		// It only decides for what a proxy is used: a stand-in will do.
		passes: (&httpproxy.Config{HTTPProxy: "http://p", HTTPSProxy: "http://p", NoProxy: first("no_proxy", "NO_PROXY").value}).ProxyFunc(),
	}
}

// way is how address is reached where only the environment says something.
func (e environment) way(address string) Way {
	u, err := url.Parse(address)
	if err != nil || e.passes == nil {
		return Way{}
	}
	v := e.plain
	u.Scheme = strings.ToLower(u.Scheme)
	switch u.Scheme {
	case "https", "wss":
		u.Scheme, v = "https", e.secured
	case "http", "ws":
		u.Scheme = "http"
	default:
		return Way{}
	}
	if v.value == "" {
		return Way{}
	}
	if through, err := e.passes(u); err != nil || through == nil {
		return Way{Direct, "NO_PROXY, or this machine"}
	}
	if !strings.Contains(v.value, "://") && v.value != Direct {
		v.value = "http://" + v.value
	}
	return Way{v.value, v.name}
}

// EnvironmentWay is how address is reached by the variables HTTPS_PROXY, HTTP_PROXY,
// ALL_PROXY and NO_PROXY that lookup knows, in lower case too; never through a proxy
// where it is of this machine. The error names the variable that holds no proxy.
func EnvironmentWay(address string, lookup func(string) (string, bool)) (Way, error) {
	w := environmentOf(lookup).way(address)
	if _, err := ParseProxy(w.proxy); err != nil {
		return Way{}, errors.New("the variable " + w.from + " holds no proxy: " + err.Error())
	}
	return w, nil
}

// ways finds out how everything outside is reached: what a channel says goes before
// what the file says, and that before the environment.
func (c *Config) ways(lookup func(string) (string, bool)) {
	env := environmentOf(lookup)
	of := func(own, from, address string) Way {
		switch {
		case own != "":
			return Way{own, from}
		case c.Proxy != "":
			return Way{c.Proxy, "proxy"}
		}
		return env.way(address)
	}
	for i := range c.Channels {
		if ch := &c.Channels[i]; ch.URL != "" {
			ch.way = of(ch.Proxy, "proxy of the channel", ch.URL)
		}
	}
	if j := c.Callers.JWT; j != nil && j.JWKS != "" {
		j.way = of("", "", j.JWKS)
	}
}

// Way is how the back end of c is reached.
func (c *Channel) Way() Way { return c.way }

// SetWay says how the back end of a channel is reached that no file names.
func (c *Channel) SetWay(w Way) { c.way = w }

// Way is how JWKS is reached.
func (j *JWT) Way() Way { return j.way }

// Secrets returns what of the requests of c, and of its proxy, must not be shown: all
// values of headers and query but those of names that are known to say nothing.
func (c *Channel) Secrets() []string {
	var all []string
	for _, m := range []map[string]string{c.Headers, c.Query} {
		for name, value := range m {
			if !slices.Contains(told, strings.ToLower(name)) {
				all = append(all, value)
			}
		}
	}
	return append(all, c.way.Secrets()...)
}

// Secrets are the password of the proxy, if it has one, and the user and password as
// they are sent.
func (w Way) Secrets() []string {
	u := w.URL()
	if u == nil || u.User == nil {
		return nil
	}
	password, ok := u.User.Password()
	if !ok || password == "" {
		return nil
	}
	escaped := strings.TrimPrefix(url.UserPassword("", password).String(), ":")
	return slices.Compact([]string{password, escaped})
}

// told are names of headers and parameters whose values are no secrets.
var told = []string{
	"user-agent", "referer", "http-referer", "x-title", "x-openrouter-title", "x-openrouter-categories", "anthropic-version", "anthropic-beta", "openai-beta", "api-version", "accept-language",
}
