package responses

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Create is the message of a client on a socket that asks for a response
// (docs/rules/responses.md 8).
type Create struct {
	Lane string // the stream that the question belongs to; empty: the one without a name
	Warm bool   // nothing is to be generated: the client will go on from the question
	Body []byte // that of POST /v1/responses for the same answer as a stream; nobody else has it
}

// What a message of a socket has besides the members of a body, and what its body says instead.
const (
	createType  = "response.create"
	steerType   = "response.steer"
	typeMember  = "type"
	laneMember  = "stream_id"
	warmMember  = "generate"
	streamAsked = `"stream":true`
)

// maxLane is how long the name of a stream may be.
const maxLane = 256

// DecodeCreate reads a message of a client. It judges what the socket needs to know; the body is
// that of [Dialect]. After an error Lane is set where it could be read. The error is an *Error
// with CodeValidation.
func DecodeCreate(msg []byte) (c Create, err error) {
	o, ok := jsonx.Members(msg)
	if err := translate.Bounded(&o, msg); err != nil {
		return c, err
	}
	if !ok {
		return c, translate.NotJSON(msg)
	}
	if c.Lane, err = laneOf(msg, &o); err != nil {
		return c, err
	}
	var kind string
	var generate *bool
	if err := translate.Fill(msg, o.Members, []translate.Field{{Name: typeMember, To: &kind}, {Name: warmMember, To: &generate}}); err != nil {
		return c, err
	}
	switch kind {
	case createType:
	case "":
		return c, translate.InvalidAt(typeMember, "type is required: "+createType)
	case steerType:
		return c, translate.InvalidAt(typeMember, "response.steer is not served here: wait for the end of the response, and ask on with previous_response_id")
	default:
		return c, translate.InvalidAt(typeMember, "unknown type of event '"+translate.Printable(kind)+"': use "+createType)
	}
	c.Warm = generate != nil && !*generate
	c.Body = bodyOf(msg, &o)
	return c, nil
}

// laneOf reads the name of a stream.
func laneOf(msg []byte, o *jsonx.Outline) (lane string, err error) {
	m := o.Find(laneMember)
	if m == nil || string(msg[m.Start:m.End]) == "null" {
		return "", nil
	}
	if translate.Fill(msg, o.Members, []translate.Field{{Name: laneMember, To: &lane}}) != nil || lane == "" || len(lane) > maxLane {
		return "", badLane()
	}
	for i := range len(lane) {
		switch c := lane[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return "", badLane()
		}
	}
	return lane, nil
}

// bodyOf is the body of the question that a message asks.
func bodyOf(msg []byte, o *jsonx.Outline) []byte {
	body := append(make([]byte, 0, len(msg)+len(streamAsked)), '{')
	for i := range o.Members {
		m := &o.Members[i]
		switch string(m.Key) {
		case typeMember, laneMember, warmMember, "stream":
			continue
		}
		body = append(appendMember(body, m.Key, msg[m.Start:m.End]), ',')
	}
	return append(append(body, streamAsked...), '}')
}

// vendorCode is the vendor's code of a failure that has none in the catalogue.
type vendorCode string

// Error implements error.
func (c vendorCode) Error() string { return string(c) }

func badLane() *translate.Error {
	err := translate.InvalidAt(laneMember, "stream_id must have 1 to 256 characters, which are letters, digits, underscores, hyphens and periods")
	err.Cause = vendorCode("invalid_stream_id")
	return err
}

// NoMoreLanes is the failure of a question on a stream that is one too many for its socket, which has
// most already.
func NoMoreLanes(most int) *translate.Error {
	err := translate.InvalidAt(laneMember, "this connection has had "+strconv.Itoa(most)+" values of stream_id, and may have no more: use one of them, or another connection")
	err.Cause = vendorCode("websocket_stream_limit_reached")
	return err
}

// TooOld is the failure of a socket that has been open for as long as it may.
func TooOld(age time.Duration) *translate.Error {
	long := age.String()
	if age >= time.Minute {
		long = strconv.Itoa(int(age.Minutes())) + " minutes"
	}
	err := translate.Invalid("the connection has been open for as long as it may (" + long + "): ask on with a new one")
	err.Cause = vendorCode("websocket_connection_limit_reached")
	return err
}

// codeOf is the vendor's code of err; empty: the catalogue has it.
func codeOf(err *translate.Error) (code vendorCode) {
	errors.As(err.Cause, &code)
	return code
}

// SocketEncoder writes one answer as messages of a socket. Their content is that of the events of a
// stream; each ends with a line break, and has none within. One goroutine uses it.
type SocketEncoder struct{ encoder }

// NewSocketEncoder returns an encoder for the answer to req on a stream, whose name is empty where it
// has none.
func NewSocketEncoder(req *translate.Request, h translate.Envelope, lane string) *SocketEncoder {
	e := &SocketEncoder{encoder: *codec{}.NewEncoder(req, h).(*encoder)}
	e.socket, e.lane = true, lane
	return e
}

// Start appends the first messages, once.
func (e *SocketEncoder) Start(dst []byte) []byte { return e.start(dst, nil, nil) }

// Begun reports whether the client has been told the id of the response.
func (e *SocketEncoder) Begun() bool { return e.started }

// ID is the id that the client has been told.
func (e *SocketEncoder) ID() string { return e.envelope.ID }

// Pass appends the message for raw, an event of an answer that passes through, framing included. last
// says that it ends the response.
func (e *SocketEncoder) Pass(dst, raw []byte) (out []byte, last bool) {
	start := len(dst)
	for line := range bytes.Lines(raw) {
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
		if !ok {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = append(dst, bytes.TrimSpace(data)...)
	}
	said := dst[start:]
	kind, ok := "", false
	jsonx.Each(said, func(key, value []byte) bool {
		ok = true
		if string(key) == typeMember {
			kind = string(value)
		}
		return kind == ""
	})
	if !ok {
		return dst[:start], false // a mark of an end, which sockets have none of
	}
	if e.lane != "" {
		dst = append(e.appendLane(dst[:len(dst)-1]), '}')
	}
	switch kind {
	case `"response.completed"`, `"response.incomplete"`, `"response.failed"`:
		last = true
	}
	return append(dst, '\n'), last
}

// appendLane appends the member that names the stream.
func (e *encoder) appendLane(dst []byte) []byte {
	return append(append(append(dst, `,"`+laneMember+`":"`...), e.lane...), '"')
}

// AppendEnd appends the last message of an answer that passed through without one: the channel ended it in
// another way.
func (e *SocketEncoder) AppendEnd(dst []byte, a *translate.Answer) []byte {
	dst = e.start(dst, nil, nil)
	dst = e.begin(dst, "response."+statusOf(a.Finish))
	dst = e.AppendWhole(append(dst, `,"response":`...), a)
	return e.end(dst)
}

// AppendFailure appends the one message that ends a response which failed: that of the response, or
// where the client has not been told of any, of the error alone. headers are what the answer to a
// request would have, as members of an object with commas between.
func (e *SocketEncoder) AppendFailure(dst []byte, err *translate.Error, headers []byte) []byte {
	if e.started {
		return e.failed(dst, err)
	}
	f := failureOf(err)
	dst = e.failure(e.begin(dst, "error"), &f)
	dst = append(dst, `,"status":`...)
	dst = jsonx.AppendInt(dst, int64(Status(err)))
	if len(headers) > 0 {
		dst = append(append(append(dst, `,"headers":{`...), headers...), '}')
	}
	return e.end(dst)
}

// PreviousOf returns the id of the response that a question goes on from, as its body says; empty: of none,
// or the body does not say it in a form that can be read.
func PreviousOf(body []byte) (id string) {
	if !jsonx.IsObject(body) || translate.Object("", body, []translate.Field{{Name: "previous_response_id", To: &id}}) != nil {
		return ""
	}
	return id
}
