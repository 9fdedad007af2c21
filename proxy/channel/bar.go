package channel

import (
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bar is what keeps questions from a candidate. The zero value is nothing.
type Bar struct {
	State string // see ModelState.State
	Why   string // in words
	Wait  time.Duration
	fault translate.Fault // of which kind it is; 0: of none
}

// Ready reports whether b is that of a ready candidate about which there is nothing to say.
func (b Bar) Ready() bool { return b.State == "ready" && b.Why == "" }

// said is b as clients are told of it: without times, which differ for each of many.
func (b Bar) said() string {
	switch b.State {
	case "open":
		return "out of use"
	case "trial":
		return "out of use, and being tried again"
	case "throttled":
		return FaultPolicy[translate.FaultBusy].words
	}
	return b.Why
}
