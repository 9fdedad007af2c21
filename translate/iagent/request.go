package iagent

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendAsk appends the message that puts the newest message of req to an agent.
// msgID is the id that the answer will refer to, now the time in Unix
// milliseconds, agent whom to ask when req names no model; both may be empty.
// The sender is the name of the remote memory, which is always a private chat;
// else req.User, in req.Group if there is one; else "dragoman". A message with
// nothing to say is an *Error with CodeValidation.
func AppendAsk(dst []byte, req *translate.Request, msgID string, now int64, agent string) ([]byte, error) {
	m := Message{
		ChatType: Private, ID: msgID, Timestamp: now, SenderType: ByUser,
		Sender: req.User, Receiver: req.Model, ContentType: Text,
	}
	if req.Group != "" {
		m.ChatType, m.Group = Group, req.Group
	}
	if req.Memory.ID != "" {
		m.ChatType, m.Group, m.Sender = Private, "", req.Memory.ID
	}
	if m.Sender == "" {
		m.Sender = "dragoman"
	}
	if m.Receiver == "" {
		m.Receiver = agent
	}
	m.say(req)
	if strings.TrimSpace(m.Content) == "" {
		return dst, req.Nothing()
	}
	req.DropUnsaid()
	if len(req.Messages) > 1 && !req.Memory.InSync {
		req.Drop("history")
	}
	return AppendMessage(dst, &m), nil
}

// say takes the content from req's newest message: its text, or the one medium
// that it consists of.
func (m *Message) say(req *translate.Request) {
	newest := req.Newest()
	if newest == nil {
		return
	}
	if len(newest.Parts) == 1 && newest.Parts[0].Kind == translate.PartMedia {
		for kind, name := range media {
			if name != "" && name == newest.Parts[0].MediaType {
				m.ContentType, m.Content = kind, newest.Parts[0].Text
				return
			}
		}
	}
	m.Content = req.Plain(newest, false)
}
