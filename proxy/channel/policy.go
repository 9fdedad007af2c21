package channel

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// Policy is what follows from a failed attempt.
type Policy struct {
	Elsewhere  bool      // another channel may be tried
	Sent       bool      // the question may have reached the back end
	Quarantine bool      // what was refused, a model or a key, is set aside: see Lease.Judge
	Breaker    verdictOf // what it means to the breaker
	words      string    // for the message of CHANNEL_UNAVAILABLE
}

// verdictOf is what a fault says about its channel.
type verdictOf uint8

const (
	neutral       verdictOf = iota // nothing
	CountsAgainst                  // a failure
	succeeds                       // it works: the question was at fault
)

// FaultPolicy is the one table of what a fault before the commit point means. What a
// refusal is told for is translate's to say, which has bodies of all kinds in
// translate/testdata/refusals.txt.
var FaultPolicy = map[translate.Fault]Policy{
	translate.FaultDial:       {Elsewhere: true, Breaker: CountsAgainst, words: "not reachable"},
	translate.FaultBroken:     {Elsewhere: true, Sent: true, Breaker: CountsAgainst, words: "answered with an error"},
	translate.FaultSlow:       {Elsewhere: true, Sent: true, Breaker: CountsAgainst, words: "did not answer in time"},
	translate.FaultBusy:       {Elsewhere: true, words: "throttled"},
	translate.FaultDenied:     {Elsewhere: true, Quarantine: true, words: "its credential was refused"},
	translate.FaultPurse:      {Elsewhere: true, Quarantine: true, words: "its account is used up"},
	translate.FaultCost:       {Elsewhere: true, words: "the question would cost more than is left of its account"},
	translate.FaultPlace:      {Elsewhere: true, Quarantine: true, words: "it is not served here"},
	translate.FaultNoModel:    {Elsewhere: true, Quarantine: true, words: "it has not got the model"},
	translate.FaultAstray:     {Elsewhere: true, Breaker: CountsAgainst, words: "what answered is no model"},
	translate.FaultSize:       {Elsewhere: true, words: "the question is too large for it"},
	translate.FaultUnclear:    {Elsewhere: true, Sent: true, words: "answered with an error"},
	translate.FaultNoEndpoint: {Elsewhere: true, words: "it has not got the endpoint"},
	translate.FaultRejected:   {Breaker: succeeds},
	translate.FaultCut:        {Breaker: CountsAgainst},
	translate.FaultGone:       {},
	translate.FaultLocal:      {Elsewhere: true, words: "no connection to be had here"},
}
