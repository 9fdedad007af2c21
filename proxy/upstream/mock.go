package upstream

import (
	"context"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// mock is a channel of kind mock: a scripted model inside the process, for the
// quick start and for tests.
type mock struct{ model mockmodel.Model }

func newMock(*config.Channel, string, Options) (Upstream, error) { return &mock{}, nil }

// Open implements Upstream.
func (m *mock) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	return m.model.Open(ctx, req.Model, req)
}

// Close implements Upstream.
func (m *mock) Close() error { return nil }
