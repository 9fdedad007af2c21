package config

import (
	"errors"
	"slices"
	"strings"
	"unicode"
)

// outbound checks how the back end of ch is spoken to.
func (k *checker) outbound(path string, ch *Channel) {
	at := child(path, "transport")
	k.choice(at, ch.Transport, "http1", "auto", "http2")
	if ch.Transport == "http2" && KindOf(ch.Kind).Socket() {
		k.add(at, "a channel of kind %s is a WebSocket, which goes over http1", ch.Kind)
	}
	if k.from.set(child(path, "auth")) {
		k.choice(child(path, "auth"), ch.Auth, "bearer", "x-api-key", "api-key", "x-goog-api-key", "none")
	}
	k.proxy(child(path, "proxy"), ch.Proxy)
	k.headers(child(path, "headers"), ch.Headers)
	for name, value := range ch.Query {
		at := child(child(path, "query"), name)
		switch {
		case name == KindOf(ch.Kind).KeyQuery && name != "":
			k.add(at, "is the credential; use keys")
		case strings.ContainsFunc(name, unicode.IsControl):
			k.add(child(path, "query"), "a name holds a control character")
		}
		k.header(at, value)
	}
}

// proxy checks a value that is there.
func (k *checker) proxy(path, value string) {
	if _, err := ParseProxy(value); err != nil {
		k.add(path, "%s", err)
	}
}

// proxies checks what holds for all, and what the environment says where the file says
// nothing.
func (k *checker) proxies() {
	k.proxy("proxy", k.Proxy)
	ways := make([]Way, 0, len(k.Channels)+1)
	for i := range k.Channels {
		if k.Channels[i].Proxy == "" && !k.failed(child(index("channels", i), "proxy")) {
			ways = append(ways, k.Channels[i].way)
		}
	}
	if k.Callers.JWT != nil {
		ways = append(ways, k.Callers.JWT.way)
	}
	for _, w := range ways {
		if _, err := ParseProxy(w.proxy); err != nil && k.Proxy == "" && !k.failed("proxy") {
			k.add("proxy", "the variable %s holds no proxy, and nothing here goes before it: %s", w.from, err)
			return
		}
	}
}

// What headers may not name, in lower case, and why.
const (
	ofCredentials = "holds a credential; use keys and auth"
	ofFraming     = "is set by the gateway itself, or says how messages are framed"
	ofConnection  = "belongs to one connection, not to the request"
	ofQuestion    = "is another one for each question"
)

var notHeaders = map[string]string{
	"authorization": ofCredentials, "x-api-key": ofCredentials, "api-key": ofCredentials, "x-goog-api-key": ofCredentials, "cookie": ofCredentials, "cookie2": ofCredentials, "set-cookie": ofCredentials,
	"proxy-authorization": "holds a credential; use proxy: http://USER:PASSWORD@HOST:PORT",
	"host":                "is the host of url",
	"content-length":      ofFraming, "content-type": ofFraming, "content-encoding": ofFraming, "content-range": ofFraming, "content-md5": ofFraming, "content-digest": ofFraming,
	"accept": ofFraming, "accept-encoding": ofFraming, "accept-charset": ofFraming, "expect": ofFraming, "range": ofFraming, "if-match": ofFraming, "if-none-match": ofFraming,
	"if-modified-since": ofFraming, "if-unmodified-since": ofFraming, "if-range": ofFraming, "max-forwards": ofFraming, "date": ofFraming,
	"connection": ofConnection, "keep-alive": ofConnection, "proxy-connection": ofConnection, "proxy-authenticate": ofConnection, "te": ofConnection,
	"trailer": ofConnection, "trailers": ofConnection, "transfer-encoding": ofConnection, "upgrade": ofConnection, "http2-settings": ofConnection, "alt-used": ofConnection,
	"idempotency-key": ofQuestion, "x-idempotency-key": ofQuestion,
}

// headers checks names and values. It shows no value.
func (k *checker) headers(path string, headers map[string]string) {
	seen := map[string]string{}
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		at, low := child(path, name), strings.ToLower(name)
		first, twice := seen[low]
		switch why := notHeaders[low]; {
		case !headerName(name):
			k.add(at, "is no name of a header")
			continue
		case why != "":
			k.add(at, "%s", why)
		case strings.HasPrefix(low, "sec-websocket-"):
			k.add(at, "%s", ofFraming)
		case strings.HasPrefix(low, "proxy-"):
			k.add(at, "%s", ofConnection)
		case twice:
			k.add(at, "is the same header as %s", first)
		}
		seen[low] = name
		if err := headerValue(headers[name]); err != nil {
			k.add(at, "%s", err)
		}
	}
}

func headerValue(value string) error {
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("holds a control character, perhaps a line end")
	case strings.TrimSpace(value) != value:
		return errors.New("begins or ends with a space")
	case len(value) > 8<<10:
		return errors.New("is longer than 8 KiB")
	}
	return nil
}

// headerName reports whether s may be the name of a header (RFC 9110, 5.6.2).
func headerName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 256
}
