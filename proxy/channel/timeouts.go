package channel

import (
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// Timeouts bound an answer; they are all set but headers and first, where 0 means
// auto.
type Timeouts struct {
	Headers, First, Gap, Total time.Duration
}

// NewTimeouts are those of one channel: its own, else those of all, else the standard ones.
func NewTimeouts(own, all *config.Timeouts) Timeouts {
	pick := func(a, b, standard time.Duration) time.Duration {
		if a != 0 {
			return a
		}
		if b != 0 {
			return b
		}
		return standard
	}
	return Timeouts{
		Headers: pick(time.Duration(own.Headers), time.Duration(all.Headers), 0),
		First:   pick(time.Duration(own.First), time.Duration(all.First), 0),
		Gap:     pick(own.Gap, all.Gap, 30*time.Second),
		Total:   pick(own.Total, all.Total, 10*time.Minute),
	}
}
