package iagent

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// Reply returns the message that answers m, without content: a new id, now in
// Unix milliseconds, from the agent that was asked, or agent when the message
// named none, to whoever asked, in the same chat (docs/rules/iagent.md 4.4).
// m may be what is left of an illegal frame.
func Reply(m *Message, id string, now int64, agent string) Message {
	r := Message{
		ChatType: Private, ID: id, Ref: m.ID, Timestamp: now, SenderType: ByAgent,
		Sender: m.Receiver, Receiver: m.Sender, ContentType: Text,
	}
	if m.ChatType == Group && m.Group != "" {
		r.ChatType, r.Group = Group, m.Group
	}
	if r.Sender == "" {
		r.Sender = agent
	}
	return r
}

// AppendIllegal appends reply, made by [Reply], as the answer to a frame that
// DecodeMessage refused with err: resp_code 40 and the cause.
func AppendIllegal(dst []byte, reply Message, err *translate.Error) []byte {
	reply.Code, reply.ContentType, reply.Content = CodeIllegal, Text, err.Message
	return AppendMessage(dst, &reply)
}

// AppendFailure appends reply, made by [Reply], as the answer to a question that
// failed: resp_code 50 and "CODE: text" (docs/rules/iagent.md 4.9).
func AppendFailure(dst []byte, reply Message, err *translate.Error) []byte {
	reply.Code, reply.ContentType, reply.Content = CodeFailed, Text, err.Text()
	return AppendMessage(dst, &reply)
}

// AppendSilent appends reply, made by [Reply], as the answer that there is none:
// resp_code 10.
func AppendSilent(dst []byte, reply Message) []byte {
	reply.Code, reply.ContentType, reply.Content = CodeSilent, Text, ""
	return AppendMessage(dst, &reply)
}

// encoder writes the one frame that answers a message. It streams nothing: the
// front adds the events to an Answer.
type encoder struct{ reply Message }

// NewReply returns an encoder for the answer to m. envelope.ID becomes the frame's
// id; now is in Unix milliseconds, agent is for messages that named nobody.
func NewReply(m Message, envelope translate.Envelope, agent string, now int64) translate.Encoder {
	return &encoder{reply: Reply(&m, envelope.ID, now, agent)}
}

// Append appends nothing: the protocol has no pieces.
func (*encoder) Append(dst []byte, _ translate.Event) []byte { return dst }

// AppendTail appends nothing: the one frame is complete in itself.
func (*encoder) AppendTail(dst []byte) []byte { return dst }

// AppendWhole appends the answer's text with resp_code 0; with 10 if there is no
// text, or the model decided not to reply.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	return AppendAnswer(dst, e.reply, a)
}

// AppendAnswer appends reply, made by [Reply], as the answer a: its text with
// resp_code 0; 10 if there is no text, or the model decided not to reply.
func AppendAnswer(dst []byte, reply Message, a *translate.Answer) []byte {
	reply.Content = a.Text()
	if reply.Content == "" || a.Finish == translate.FinishSilent {
		return AppendSilent(dst, reply)
	}
	return AppendMessage(dst, &reply)
}

// AppendError appends the frame of a failure, see [AppendFailure]. Text that was
// collected before it is not sent: a cut answer never looks like a good one.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	return AppendFailure(dst, e.reply, err)
}
