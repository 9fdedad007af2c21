package upstream

import (
	"context"
	"io"

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
	if req.Tap == nil {
		return m.model.Open(ctx, req.Model, req)
	}
	req.Tap.Sent(translate.Readable(req))
	s, err := m.model.Open(ctx, req.Model, req)
	if err != nil {
		req.Tap.Came([]byte(err.Error()))
		return nil, err
	}
	return &shownStream{s, req.Tap}, nil
}

// shownStream shows the text of an answer that is on no wire.
type shownStream struct {
	translate.Stream
	tap translate.Tap
}

// Next implements translate.Stream.
func (s *shownStream) Next() (translate.Event, error) {
	ev, err := s.Stream.Next()
	switch {
	case err == nil:
		s.tap.Came(ev.Text)
	case err != io.EOF:
		s.tap.Came([]byte("\n" + err.Error()))
	}
	return ev, err
}

// Close implements Upstream.
func (m *mock) Close() error { return nil }
