package main

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// errNoFile: a quick start has nothing to read again.
var errNoFile = errors.New("there is no configuration file")

// reloader reads the configuration file again while the gateway serves. It is safe
// for concurrent use.
type reloader struct {
	file   string // empty: a quick start
	listen string // that goes before the file's; empty: none does
	g      *proxy.Gateway
	server *front.Server
	log    *slog.Logger
	first  *config.Config // that the process was started with

	mu   sync.Mutex
	conf *config.Config // the present one
}

// reload puts what the file says now in the place of the present configuration. An
// error, which names every problem with its line, leaves all as it was. restart are
// the keys that differ from those of the start and count only after the next one.
func (r *reloader) reload() (restart []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		if err != nil {
			r.log.Error("the configuration is refused, the one before stays", "why", err)
		}
	}()
	if r.file == "" {
		return nil, errNoFile
	}
	conf, err := loadFile(r.file)
	if err != nil {
		return nil, err
	}
	if r.listen != "" {
		conf.Listen = r.listen
	}
	if err := r.g.Apply(conf); err != nil {
		return nil, err
	}
	r.server.Apply(conf)
	restart = needRestart(r.first, conf)
	r.conf = conf
	r.log.Info("the configuration was read again", "channels", len(conf.Channels), "keys", len(conf.Callers.Keys), "presets", len(conf.Presets))
	warn(r.log, conf)
	for _, key := range restart {
		r.log.Warn("configuration", "what", "counts only after a restart", "key", key)
	}
	return restart, nil
}

// current is the configuration that counts now.
func (r *reloader) current() *config.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conf
}

// needRestart names what differs between a and b and is looked at once only.
func needRestart(a, b *config.Config) (keys []string) {
	for _, one := range []struct {
		key  string
		same bool
	}{
		{"listen", a.Listen == b.Listen},
		{"prefix", a.Prefix == b.Prefix},
		{"tls", a.TLS == b.TLS},
		{"admin", a.Admin == b.Admin},
		{"store", a.Store == b.Store},
		{"shared", a.Shared == b.Shared},
		{"ledger", a.Ledger == b.Ledger},
		{"cache", a.Cache == b.Cache},
		{"connections", a.Connections == b.Connections},
		{"iagent.dedupe", a.IAgent.Dedupe == b.IAgent.Dedupe},
	} {
		if !one.same {
			keys = append(keys, one.key)
		}
	}
	return keys
}
