package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// clocks bound an answer; they are all set but headers and first, where 0 means
// auto.
type clocks struct {
	headers, first, gap, total time.Duration
}

func clocksOf(own, all *config.Timeouts) clocks {
	pick := func(a, b, standard time.Duration) time.Duration {
		if a != 0 {
			return a
		}
		if b != 0 {
			return b
		}
		return standard
	}
	return clocks{
		headers: pick(time.Duration(own.Headers), time.Duration(all.Headers), 0),
		first:   pick(time.Duration(own.First), time.Duration(all.First), 0),
		gap:     pick(own.Gap, all.Gap, 30*time.Second),
		total:   pick(own.Total, all.Total, 10*time.Minute),
	}
}
