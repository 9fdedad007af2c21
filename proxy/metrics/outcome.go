package metrics

// Outcome is a way in which an exchange can end.
type Outcome uint8

// The outcomes, of which the names are the values of a label.
const (
	OK          Outcome = iota
	Limited             // by a limit or a budget of the caller
	RateLimited         // by channels that are throttled or full
	Unavailable         // no channel could be reached
	ModelError
	Canceled // the client left
	Refused  // the question was at fault
	Internal
	outcomes
)

var outcomeNames = [outcomes]string{"ok", "limited", "rate_limited", "channel_unavailable", "model_error", "canceled", "refused", "internal_error"}

// String returns the name of o, as metrics have it.
func (o Outcome) String() string { return outcomeNames[o] }
