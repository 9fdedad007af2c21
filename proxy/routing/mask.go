package routing

import (
	"net/url"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Mask is the plan's masker.
func (p *Plan) Mask() *translate.Masker {
	if p == nil || p.masker == nil {
		return nil
	}
	return p.masker()
}

// maskerOf knows what no client may see of conf, and of that what no log may.
func maskerOf(conf *config.Config) *translate.Masker {
	var keys, hosts []string
	for i := range conf.Channels {
		ch := &conf.Channels[i]
		keys = append(keys, ch.Keys...)
		if u, err := url.Parse(ch.URL); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
		keys = append(keys, ch.Secrets()...)
		if u := ch.Way().URL(); u != nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	if u, err := url.Parse(conf.Shared.URL); err == nil && u.Hostname() != "" {
		secret, _ := u.User.Password()
		keys, hosts = append(keys, secret), append(hosts, u.Hostname())
	}
	if j := conf.Callers.JWT; j != nil {
		keys = append(append(keys, j.Secret), j.Way().Secrets()...)
	}
	return translate.NewMasker(append(keys, conf.Admin.Token), hosts)
}
