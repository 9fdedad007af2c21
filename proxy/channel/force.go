package channel

// Force is what an operator has decided about a channel, whatever its record says.
// It is not kept over a restart.
type Force int32

// The decisions. A breaker that is open lets nothing through.
const (
	ForceNothing Force = iota // the record decides
	ForceOpen                 // no question goes to the channel
	ForceClose                // questions go to it in spite of its breaker and of a key that was set aside
	ForceDrain                // as ForceOpen, for one that is to be free of questions soon
)

// String names f as the API for operators does: auto, open, close or drain.
func (f Force) String() string { return [...]string{"auto", "open", "close", "drain"}[f] }
