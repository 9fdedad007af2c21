package translate

// CountDecoder reads the answer of a back end that counts a question and does not answer it:
// one event of kind KindFinish.
type CountDecoder struct {
	Decoder // of the dialect, for refusals
	// Read returns the count in a body, or [NoCount] where there is none.
	Read func(body []byte) int64
	done bool
}

// Decode implements [Decoder]: nothing comes in pieces.
func (d *CountDecoder) Decode([]Event, []byte) ([]Event, error) {
	return nil, Broken("the answer is no count", nil)
}

// DecodeWhole implements [Decoder].
func (d *CountDecoder) DecodeWhole(evs []Event, status int, body []byte) ([]Event, error) {
	if status < 200 || status > 299 {
		return d.Decoder.DecodeWhole(evs, status, body)
	}
	n := d.Read(body)
	if n < 0 || n > MaxTokens {
		return evs, Broken("the answer is no count", nil)
	}
	d.done = true
	return append(evs, Event{Kind: KindFinish, Finish: FinishStop, Usage: Usage{Input: n}}), nil
}

// Done implements [Decoder].
func (d *CountDecoder) Done() bool { return d.done }
