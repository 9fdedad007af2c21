package translate

import (
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Dialect translates one wire protocol to the canonical form and back. It holds
// no state and does no I/O; what an answer needs to remember lives in its
// Decoder and Encoder, which are used by one goroutine.
type Dialect interface {
	// Name is the dialect's name in configuration, metrics and test data.
	Name() string
	// DecodeRequest fills req from a client's message. Only req.Raw aliases
	// body. It checks the shape of the message, not who may send it; the error
	// is an *Error with CodeValidation.
	DecodeRequest(req *Request, body []byte) error
	// AppendRequest appends the message that puts req to an upstream. What the
	// dialect cannot say is noted with req.Drop. With req.PassThrough it appends
	// req.Raw with the model replaced by req.Model.
	AppendRequest(dst []byte, req *Request) ([]byte, error)
	// NewDecoder returns a decoder for one upstream's answer to req.
	NewDecoder(req *Request) Decoder
	// NewEncoder returns an encoder for one client's answer to req.
	NewEncoder(req *Request, e Envelope) Encoder
}

// Envelope is what an answer says beside what the model said.
type Envelope struct {
	ID string // the answer's id: chatcmpl-…, msg_…, iagent msg_id
	// NewID makes ID when it is first needed, if that is empty: an answer that passes
	// through needs none. nil: the answer has the channel's id.
	NewID        func() string
	Created      int64  // Unix time in milliseconds
	Conversation string // that the client has named
	// Talk returns the id of the conversation that the answer is stored in, for dialects that tell
	// it first of all (rest: conversationId). An encoder calls it with the first event, or for the
	// whole answer; nil: the answer names none.
	Talk      func() string
	Number    int64  // chatnio: number of the conversation, -1 for an anonymous one
	RequestID string // for error objects that carry it
	// Since is how long ago the question came, for dialects that tell how long an answer
	// took; nil: it is not told.
	Since func() time.Duration
}

// SettleID fills ID where it is empty; channels is the id that the channel gave.
func (e *Envelope) SettleID(channels string) {
	switch {
	case e.ID != "":
	case e.NewID != nil:
		e.ID = e.NewID()
	default:
		e.ID = channels
	}
}

// Pather is a Dialect whose requests say in their path what their body does not say: which model
// is asked and whether the answer is to be a stream, or what kind of question the body is. The
// body of a question that passes through goes on without that, which reaches the back end by
// AppendPath.
type Pather interface {
	// AppendPath appends to dst where req goes, behind the base of the channel's URL: a path
	// with everything escaped that needs it, and a query of the dialect's own if it has one.
	AppendPath(dst []byte, req *Request) []byte
	// FromPath fills req with what the target of a client's request says: the path behind the
	// configured prefix, unescaped where its client has escaped it, and the query. It is called
	// before DecodeRequest and ScanRouting, which leave that as it is. The error is an *Error.
	FromPath(req *Request, path, query string) error
}

// Decoder turns what an upstream sends into events. Errors are *Error.
type Decoder interface {
	// Decode appends the events that frame carries: none, one or several. A
	// frame is the data of one server-sent event, or one WebSocket message. The
	// events may alias frame and the decoder's own memory until the next call.
	// KindFinish is appended exactly once, at the first end mark; see [Ender].
	Decode(evs []Event, frame []byte) ([]Event, error)
	// DecodeWhole does the same for an answer that came in one piece, or for a
	// refusal: a status outside 2xx gives an *Error.
	DecodeWhole(evs []Event, status int, body []byte) ([]Event, error)
	// Done reports whether the last frame of the answer has been seen: nothing
	// but the end of the connection can follow ([DONE], message_stop, end).
	Done() bool
}

// Ender is a Decoder whose answers go on behind what gives the reason of their end: text
// and calls may still come, and the last reason counts. KindFinish is appended at the
// last frame, or by End where that is missing.
type Ender interface {
	// Complete reports whether the answer would be whole if nothing more came: the reason
	// of its end was seen, its last frame was not.
	Complete() bool
	// End appends the end of a complete answer whose connection ended, or has been silent
	// for long enough. Done reports true after it.
	End(evs []Event) []Event
}

// ArenaUser is a Decoder that parses in memory which its user may give it before the
// first frame. Events may alias that memory. Giving nil takes it back; events are
// not to be used after that.
type ArenaUser interface{ UseArena(a *jsonx.Arena) }

// Follower is an Encoder that has to know what went by of an answer that passes through, to
// tell of its failure. Follow is called with each event whose Raw went to the client.
type Follower interface{ Follow(ev Event) }

// Encoder turns events into what a client expects, framing included. It appends
// to dst and returns it extended.
type Encoder interface {
	// Append appends what ev looks like on the wire, possibly nothing.
	Append(dst []byte, ev Event) []byte
	// AppendWhole appends the body of an answer in one piece.
	AppendWhole(dst []byte, a *Answer) []byte
	// AppendError reports err the way this dialect does. started tells whether
	// part of the answer has been sent; otherwise it is a whole body, to be sent
	// with err.Status() or what the dialect's front makes of it.
	AppendError(dst []byte, err *Error, started bool) []byte
	// AppendTail appends what follows the last event of an answer that ended
	// well ([DONE]).
	AppendTail(dst []byte) []byte
}

// Passage is a Decoder of answers that may be any bytes. Those that are server-sent events go
// through Decode as others do.
type Passage interface {
	Decoder
	// Pass looks at the next bytes of an answer that is not made of events.
	Pass(piece []byte)
	// Passed ends such an answer: isJSON says that its label says so. The events end with
	// KindFinish. The error says that what has come is none.
	Passed(evs []Event, isJSON bool) ([]Event, error)
}
