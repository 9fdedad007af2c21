package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// bar is what keeps questions from a candidate. The zero value is nothing.
type bar struct {
	state string // see ModelState.State
	why   string // in words
	wait  time.Duration
	fault translate.Fault // of which kind it is; 0: of none
}

// said is b as clients are told of it: without times, which differ for each of many.
func (b bar) said() string {
	switch b.state {
	case "open":
		return "out of use"
	case "trial":
		return "out of use, and being tried again"
	case "throttled":
		return consequences[translate.FaultBusy].words
	}
	return b.why
}

// barred says what keeps questions from c now. It only reads.
func (c *candidate) barred(now time.Time) bar {
	force := c.ch.force()
	if force == ForceOpen {
		return bar{state: "open", why: "taken out of use by the operator"}
	}
	if b := c.ch.aside.barred(now); b.state != "" && force != ForceClose {
		return b
	}
	return c.cell.barred(now, force)
}
