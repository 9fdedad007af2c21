package front

import (
	"net/netip"

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

// settings are the present ones.
func (s *Server) settings() *settings { return s.live.Load() }

// Apply puts conf, which must have been checked, in the place of the present
// configuration, for requests that come from now on. The prefix of the paths, the
// certificate and how long repeated iagent messages are known stay as they were when
// the server was made. It is safe for concurrent use. The gateway has an Apply of its
// own.
func (s *Server) Apply(conf *config.Config) {
	s.live.Store(settingsOf(conf))
	s.bodies.bound(int(conf.Bodies), largestBody(conf))
}

// largestBody is the longest body that any front takes, and no less than what lets a
// message of a socket in, and what is made of it, where a part of a share is spared.
func largestBody(conf *config.Config) int {
	return int(max(conf.Rest.MaxBody, conf.OpenAI.MaxBody, conf.Anthropic.MaxBody, 2*formLimit))
}
