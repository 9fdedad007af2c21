package store

import (
	"fmt"
	"net/netip"
	"strings"
)

// anonymousAt begins the names of callers without a key; the address of the client follows.
// No other caller has such a name.
const anonymousAt = "anonymous@"

// ShownCaller returns the name of a caller as operators, the log and spans are told it: that
// of a caller without a key has the network of the client in the place of its address, as in
// anonymous@192.0.2.0/24. What counts by a caller or belongs to one has the whole name.
func ShownCaller(name string) string {
	address, found := strings.CutPrefix(name, anonymousAt)
	if !found {
		return name
	}
	return anonymousAt + NetworkOf(address)
}

// IsCaller reports whether asked, which a person has typed or clicked, means the caller called
// name: it is the name, or the one that is shown for it.
func IsCaller(asked, name string) bool { return asked == name || asked == ShownCaller(name) }

// NetworkOf is where address is, as far as operators are told: an IPv4 address by its /24, an
// IPv6 one by its /48, and unknown where it is none.
func NetworkOf(address string) string {
	if p, err := netip.ParsePrefix(address); err == nil {
		address = p.Addr().String()
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	p, _ := addr.Prefix(bits)
	return p.String()
}

// Callers returns which callers f chooses, as [IsCaller] does: the one called name and, unless
// prefix is empty, all whose names begin with prefix. An empty name is no condition.
func (f *EntryFilter) Callers() (name, prefix string) {
	shown, found := strings.CutPrefix(f.Caller, anonymousAt)
	net, err := netip.ParsePrefix(shown)
	if !found || err != nil || net.Masked() != net {
		return f.Caller, ""
	}
	switch a := net.Addr(); {
	case a.Is4() && net.Bits() == 24:
		return f.Caller, anonymousAt + strings.TrimSuffix(a.String(), "0")
	case a.Is6() && net.Bits() == 48:
		// Such callers are told apart by their /64, where one of zeros is written shorter.
		b := a.As16()
		return anonymousAt + a.String() + "/64", fmt.Sprintf("%s%x:%x:%x:", anonymousAt, uint(b[0])<<8|uint(b[1]), uint(b[2])<<8|uint(b[3]), uint(b[4])<<8|uint(b[5]))
	}
	return f.Caller, ""
}

// chooses reports whether caller is one of those that f chooses.
func (f *EntryFilter) chooses(caller string) bool {
	name, prefix := f.Callers()
	return name == "" || caller == name || prefix != "" && strings.HasPrefix(caller, prefix)
}
