package channel

// Force is what an operator has decided about a channel, whatever its record says.
// It is not kept over a restart.
type Force int32

// The decisions. A breaker that is open lets nothing through.
const (
	ForceNothing Force = iota // the record decides
	ForceOpen                 // no question goes to the channel
	ForceClose                // questions go to it in spite of its breaker and of a key that was set aside
)

// String names f as the API for operators does: auto, open or close.
func (f Force) String() string { return [...]string{"auto", "open", "close"}[f] }

// ParseForce returns the decision called word; ok is false where there is none.
func ParseForce(word string) (f Force, ok bool) {
	for f = range ForceClose + 1 {
		if f.String() == word {
			return f, true
		}
	}
	return 0, false
}
