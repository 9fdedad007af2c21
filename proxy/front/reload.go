package front

import "github.com/dragoman-gateway/dragoman/config"

// Apply puts conf, which must have been checked, in the place of the present
// configuration, for requests that come from now on. The prefix of the paths, the
// certificate and how long repeated iagent messages are known stay as they were when
// the server was made. It is safe for concurrent use. The gateway has an Apply of its
// own.
func (s *Server) Apply(conf *config.Config) {
	live := settingsOf(conf)
	s.live.Store(live)
	s.bodies.Bound(int(conf.Bodies), s.largestBody(live))
	s.uploads.Bound(int(conf.Uploads), int(conf.OpenAI.MaxUpload))
}

// largestBody is the longest body that any front takes, and no less than what lets a
// message of a socket in, and what is made of it, where a part of a share is spared.
func (s *Server) largestBody(conf *settings) int {
	most := 2 * formLimit
	for _, f := range s.fronts {
		most = max(most, f.limit(conf))
	}
	return most
}
