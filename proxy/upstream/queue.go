package upstream

import (
	"io"

	"github.com/dragoman-gateway/dragoman/translate"
)

// queue hands out the events of one frame after the other.
type queue struct {
	evs      []translate.Event // of the frame decoded last
	at       int               // the next one of them
	err      error             // what follows evs
	finished bool              // KindFinish has been among them
	promised bool              // Ready has said that Next will not wait
}

// source is where a queue gets its events from. more replaces evs with those of
// the next frame, possibly none, and waits for it; its error is what follows
// them.
type source interface{ more() error }

func (q *queue) next(from source) (translate.Event, error) {
	promised := q.promised
	q.promised = false
	for {
		if q.at < len(q.evs) {
			q.at++
			return q.evs[q.at-1], nil
		}
		if q.err != nil {
			return translate.Event{}, q.err
		}
		q.evs, q.at = q.evs[:0], 0
		if q.err = from.more(); q.err == nil && len(q.evs) == 0 && promised {
			// The frame that Ready saw holds nothing; whoever flushes before it
			// waits must have the chance.
			return translate.Event{Kind: translate.KindOpaque}, nil
		}
	}
}

// waiting reports whether there is something that was decoded already.
func (q *queue) waiting() bool { return q.at < len(q.evs) || q.err != nil }

// took makes evs the events of the queue.
func (q *queue) took(evs []translate.Event) {
	q.evs = evs
	for i := range evs {
		q.finished = q.finished || evs[i].Kind == translate.KindFinish
	}
}

// end empties the queue for good.
func (q *queue) end() {
	q.evs, q.at = nil, 0
	if q.err == nil {
		q.err = io.EOF
	}
}
