package upstream

import (
	"fmt"

	"github.com/dragoman-gateway/dragoman/config"
)

// opener makes an upstream of one kind.
type opener func(conf *config.Channel, key string, o Options) (Upstream, error)

// kind returns what makes the upstreams of kind name: one line for each.
func kind(name string) opener {
	switch name {
	}
	return nil
}

// New returns an upstream for conf with one of its keys, which may be empty. It
// neither dials nor starts anything. Errors name neither the key nor the
// address.
func New(conf *config.Channel, key string, o Options) (Upstream, error) {
	open := kind(conf.Kind)
	if open == nil {
		return nil, fmt.Errorf("channel %q: unknown kind %q", conf.ID, conf.Kind)
	}
	up, err := open(conf, key, o)
	if err != nil {
		return nil, fmt.Errorf("channel %q: %w", conf.ID, err)
	}
	return up, nil
}
