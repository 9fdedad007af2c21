package front

import (
	"bytes"
	"net/netip"
)

// address is where the request comes from, for telling anonymous callers apart:
// an IPv6 address by its /64. Behind a proxy that the configuration trusts it is
// what that says.
func (c *call) address() string {
	addr, ok := netip.AddrFromSlice(c.ctx.RemoteIP())
	if !ok {
		return "unknown"
	}
	addr = addr.Unmap()
	if c.s.trusts(addr) {
		addr = c.s.forwarded(addr, c.ctx.Request.Header.PeekAll("X-Forwarded-For"))
	} else if !c.s.mingles.Load() && c.passedOn() && !c.s.mingles.Swap(true) {
		c.s.log.Warn("requests come through a proxy that is not in trusted_proxies: everybody behind it has one address, and without a key is one caller", "peer", addr)
	}
	if addr.Is6() {
		p, _ := addr.Prefix(64)
		return p.String()
	}
	return addr.String()
}

// passedOn reports whether a proxy says that it has passed the request on.
func (c *call) passedOn() bool {
	h := &c.ctx.Request.Header
	return len(h.Peek("X-Forwarded-For")) > 0 || len(h.Peek("Forwarded")) > 0 || len(h.Peek("X-Real-Ip")) > 0
}

// mingled reports whether the address of the request may be that of several clients: a
// proxy has passed it on that we do not trust.
func (c *call) mingled() bool {
	peer, ok := netip.AddrFromSlice(c.ctx.RemoteIP())
	return c.passedOn() && !(ok && c.s.trusts(peer.Unmap()))
}

// trusts reports whether addr is a proxy of ours.
func (s *Server) trusts(addr netip.Addr) bool {
	for _, p := range s.settings().trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// forwarded follows the header from its end, where the nearest proxy wrote, to the
// first address that is no proxy of ours: what stands before it, anybody may have
// written. A proxy that names no address stands for its clients itself.
func (s *Server) forwarded(peer netip.Addr, lines [][]byte) netip.Addr {
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var last []byte
			if at := bytes.LastIndexByte(rest, ','); at >= 0 {
				rest, last = rest[:at], rest[at+1:]
			} else {
				last, more = rest, false
			}
			addr, ok := hop(string(bytes.TrimSpace(last)))
			if !ok {
				return peer
			}
			if peer = addr; !s.trusts(peer) {
				return peer
			}
		}
	}
	return peer
}

// hop reads one address of X-Forwarded-For; some proxies add the port.
func hop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = with.Addr()
	}
	return addr.WithZone("").Unmap(), true
}

// strangerAt is who is charged with what comes from an address whose client has not
// shown yet who it is.
func strangerAt(address string) string { return "address " + address }
