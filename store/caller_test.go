package store

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestACallerWithoutAKeyIsShownByItsNetwork(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"alice": "alice", "": "", "anonymous": "anonymous", "bob@192.0.2.1": "bob@192.0.2.1",
		"anonymous@192.0.2.1": "anonymous@192.0.2.0/24", "anonymous@2001:db8:1:2::/64": "anonymous@2001:db8:1::/48",
		"anonymous@2001:db8::/64": "anonymous@2001:db8::/48", "anonymous@unknown": "anonymous@unknown", "anonymous@": "anonymous@unknown",
		"anonymous@a-host-name": "anonymous@unknown",
	} {
		if got := ShownCaller(name); got != want || ShownCaller(got) != got {
			t.Errorf("%s is shown as %s, and that as %s, want %s", name, got, ShownCaller(got), want)
		}
	}
}

// TestAShownNameChoosesAllOfItsNetworkAndNobodyElse compares both ways of finding out, for addresses
// whose zeros are written in every way.
func TestAShownNameChoosesAllOfItsNetworkAndNobodyElse(t *testing.T) {
	t.Parallel()
	names := []string{"alice", "anonymous", "anonymous@unknown"}
	for _, address := range []string{"192.0.2.1", "192.0.2.255", "192.0.20.1", "192.0.0.0", "10.0.0.1", "0.0.0.0"} {
		names = append(names, "anonymous@"+address)
	}
	some := []uint16{0, 1, 0x10, 0xffff}
	for _, a := range some {
		for _, b := range some {
			for _, c := range some {
				for _, d := range some {
					addr := netip.MustParseAddr(fmt.Sprintf("%x:%x:%x:%x::", a, b, c, d))
					names = append(names, "anonymous@"+netip.PrefixFrom(addr, 64).String())
				}
			}
		}
	}
	for _, asked := range names {
		f := EntryFilter{Caller: ShownCaller(asked)}
		for _, name := range names {
			if got, want := f.chooses(name), IsCaller(f.Caller, name); got != want {
				t.Errorf("%s chooses %s: %v, want %v", f.Caller, name, got, want)
			}
		}
		exact := EntryFilter{Caller: asked}
		if name, prefix := exact.Callers(); name != asked || prefix != "" {
			t.Errorf("%s chooses %s and what begins with %q", asked, name, prefix)
		}
	}
}
