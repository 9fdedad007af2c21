package main

import (
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
)

// book is the configuration of a gateway that was started with conf, and how another one
// takes its place.
func (c *serveCommand) book(conf *config.Config, from source, g *proxy.Gateway, server *front.Server, tells *telemetry) *revision.Book {
	return revision.New(revision.Options{
		File: from.file,
		Load: func(text []byte, name string) (*config.Config, error) {
			conf, err := loadText(text, name)
			if err == nil && c.Listen != "" {
				conf.Listen = c.Listen
			}
			return conf, err
		},
		Apply: func(conf *config.Config) error {
			if err := g.Apply(conf); err != nil {
				return err
			}
			server.Apply(conf)
			tells.apply(conf)
			return nil
		},
		Failures: func() (failed, all uint64) { return failures(g.Metrics()) },
		Log:      tells.log,
	}, conf, from.text)
}

// failures counts the questions that ended with an error which neither their clients nor
// their limits have caused, and all.
func failures(counted []metrics.Snapshot) (failed, all uint64) {
	for i := range counted {
		for _, x := range counted[i].Exchanges {
			all += x.N
			switch x.Outcome {
			case metrics.RateLimited, metrics.Unavailable, metrics.ModelError, metrics.Internal:
				failed += x.N
			}
		}
	}
	return failed, all
}
