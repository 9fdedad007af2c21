package front

import (
	"net"
	"net/netip"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
)

// settings are what requests look at of a configuration, and what may change while
// the server runs. They are immutable.
type settings struct {
	*config.Config
	trusted []netip.Prefix // proxies whose X-Forwarded-For is believed
	web     web
}

func settingsOf(conf *config.Config) *settings {
	return &settings{Config: conf, trusted: networks(conf.TrustedProxies), web: webOf(conf)}
}

// networks reads the networks of the configuration, which has been checked.
func networks(names []string) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(names))
	for _, name := range names {
		p, err := netip.ParsePrefix(name)
		if err != nil {
			addr, err := netip.ParseAddr(name)
			if err != nil {
				continue
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		list = append(list, p)
	}
	return list
}

// web is what the configuration says of pages and names, as requests need it.
type web struct {
	origins map[string]bool // pages that may do what those of our own may
	any     bool            // all of them may
	hosts   map[string]bool // names of this server; empty: any name is one
}

func webOf(conf *config.Config) web {
	w := web{origins: make(map[string]bool), hosts: make(map[string]bool)}
	for _, origin := range conf.Origins {
		w.any = w.any || origin == "*"
		w.origins[config.Origin(origin)] = true
	}
	for _, host := range conf.Hosts {
		w.hosts[strings.ToLower(strings.TrimSuffix(host, "."))] = true
	}
	return w
}

// names reports whether host, which may have a port, may be this server. Without any
// there is no page that asks.
func (w *web) names(host []byte) bool {
	if len(host) == 0 {
		return true
	}
	name := string(host)
	if bare, _, err := net.SplitHostPort(name); err == nil {
		name = bare
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name != "" && (!strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || w.hosts[name])
}
