package keyset

import (
	"bytes"
	"crypto/elliptic"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/forwardproxy"
)

func TestASetIsFetchedThroughAProxyAndTheLogNamesTheSettingOfOneThatRefuses(t *testing.T) {
	t.Parallel()
	one := newEC(t, "1", elliptic.P256())
	e := serve(t, set(t, one))
	for _, scheme := range []string{"http", "socks5", "socks5h"} {
		p := forwardproxy.Start(t, forwardproxy.Options{User: "u", Password: "hunter22"})
		fetch := func(user *url.Userinfo) (*Set, *bytes.Buffer) {
			o := quick
			o.Proxy, o.Setting = &url.URL{Scheme: scheme, Host: p.Addr, User: user}, "HTTPS_PROXY"
			var log bytes.Buffer
			return Open(e.URL, slog.New(slog.NewTextHandler(&log, nil)), o), &log
		}
		s, _ := fetch(url.UserPassword("u", "hunter22"))
		s.must(t, "1", "ES256", one.Key)
		s.Close()
		if seen := p.Seen(); len(seen) == 0 || !strings.Contains(seen[0], strings.TrimPrefix(e.URL, "http://")) {
			t.Errorf("%s: the proxy saw %q", scheme, seen)
		}
		for _, user := range []*url.Userinfo{nil, url.UserPassword("u", "wrong-word")} {
			s, log := fetch(user)
			s.mustNot(t, "1", "ES256", ErrNone)
			s.Close()
			if text := log.String(); !strings.Contains(text, "the proxy (HTTPS_PROXY) needs a user and a password") || strings.Contains(text, "wrong-word") {
				t.Errorf("%s: the log says %q", scheme, text)
			}
		}
	}
}
