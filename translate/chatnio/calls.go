package chatnio

import (
	"encoding/json"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Conversation is a stored conversation as the REST calls show it (docs/rules/chatnio.md 6 and 8.8).
type Conversation struct {
	UserID    int64
	ID        int64 // its number
	Name      string
	Messages  []translate.Message // oldest first; not shown in lists
	Model     string
	EnableWeb bool
	Shared    bool
	Context   int
}

// AppendList appends the answer to GET /conversation/list. No conversations are
// an empty list, never null, which a client of the real server chokes on.
func AppendList(dst []byte, list []Conversation) []byte {
	dst = append(dst, `{"data":[`...)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendConversation(dst, &list[i], false)
	}
	return append(dst, `],"message":"","status":true}`...)
}

// AppendConversation appends the answer to GET /conversation/load.
func AppendConversation(dst []byte, c *Conversation) []byte {
	dst = appendConversation(append(dst, `{"data":`...), c, true)
	return append(dst, `,"message":"","status":true}`...)
}

func appendConversation(dst []byte, c *Conversation, messages bool) []byte {
	dst = jsonx.AppendInt(append(dst, `{"auth":false,"user_id":`...), c.UserID)
	dst = jsonx.AppendInt(append(dst, `,"id":`...), c.ID)
	dst = jsonx.AppendHTMLString(append(dst, `,"name":`...), c.Name)
	dst = append(dst, `,"message":`...)
	if messages {
		dst = AppendMessages(dst, c.Messages)
	} else {
		dst = append(dst, `null`...)
	}
	dst = jsonx.AppendHTMLString(append(dst, `,"model":`...), c.Model)
	dst = jsonx.AppendBool(append(dst, `,"enable_web":`...), c.EnableWeb)
	dst = jsonx.AppendBool(append(dst, `,"shared":`...), c.Shared)
	dst = jsonx.AppendInt(append(dst, `,"context":`...), int64(c.Context))
	return append(dst, '}')
}

// AppendMessages appends msgs as a list of role and content. Contents are plain
// text; a message without any keeps its place, since edit and remove count by it.
func AppendMessages(dst []byte, msgs []translate.Message) []byte {
	var drops translate.Request
	dst = append(dst, '[')
	for i := range msgs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTurn(dst, msgs[i].Role, drops.Plain(&msgs[i], true), true)
	}
	return append(dst, ']')
}

// AppendOK appends the envelope of a call that did what it should and has
// nothing to show: delete, clean, rename.
func AppendOK(dst []byte) []byte { return append(dst, `{"message":"","status":true}`...) }

// AppendData appends the envelope of a call that shows data, a JSON value.
func AppendData(dst, data []byte) []byte {
	dst = append(append(dst, `{"data":`...), data...)
	return append(dst, `,"message":"","status":true}`...)
}

// AppendFail appends the envelope of a call that failed, sent with HTTP 200. The
// text stands under both keys, since clients read either (docs/rules/chatnio.md 8.9).
func AppendFail(dst []byte, message string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"error":`...), message)
	dst = jsonx.AppendHTMLString(append(dst, `,"message":`...), message)
	return append(dst, `,"status":false}`...)
}

// AppendDenied appends the body for an unknown sk- key, sent with HTTP 401
// (docs/rules/chatnio.md 3.1).
func AppendDenied(dst []byte) []byte {
	return append(dst, `{"code":401,"message":"Access denied. Please provide correct api key."}`...)
}

// View is a shared conversation.
type View struct {
	User     string
	Name     string
	Messages []translate.Message
	Model    string
	At       int64 // when it was shared, Unix milliseconds
}

// AppendView appends the answer to GET /conversation/view.
func AppendView(dst []byte, v *View) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"data":{"username":`...), v.User)
	dst = jsonx.AppendHTMLString(append(dst, `,"name":`...), v.Name)
	dst = AppendMessages(append(dst, `,"messages":`...), v.Messages)
	dst = jsonx.AppendHTMLString(append(dst, `,"model":`...), v.Model)
	dst = appendTime(append(dst, `,"time":`...), v.At)
	return append(dst, `},"message":"","status":true}`...)
}

// Share is one entry in the list of what a user has shared.
type Share struct {
	Name string
	ID   int64 // number of the conversation
	At   int64 // Unix milliseconds
	Hash string
}

// AppendShares appends the answer to GET /conversation/share/list.
func AppendShares(dst []byte, shares []Share) []byte {
	dst = append(dst, `{"data":[`...)
	for i := range shares {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendHTMLString(append(dst, `{"name":`...), shares[i].Name)
		dst = jsonx.AppendInt(append(dst, `,"conversation_id":`...), shares[i].ID)
		dst = appendTime(append(dst, `,"time":`...), shares[i].At)
		dst = jsonx.AppendHTMLString(append(dst, `,"hash":`...), shares[i].Hash)
		dst = append(dst, '}')
	}
	return append(dst, `],"message":"","status":true}`...)
}

func appendTime(dst []byte, ms int64) []byte {
	dst = append(dst, '"')
	dst = time.UnixMilli(ms).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, '"')
}

// DecodeRename reads the body of POST /conversation/rename. The id may come as a
// string. The error is an *Error with CodeValidation.
func DecodeRename(body []byte) (id int64, name string, err error) {
	var w struct {
		ID   translate.Raw `json:"id"`
		Name *string       `json:"name"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return 0, "", invalid("invalid form", err)
	}
	id, ok := integral(scalar(w.ID))
	if !ok || w.Name == nil {
		return 0, "", translate.Invalid("invalid form")
	}
	return id, *w.Name, nil
}

// DecodeShare reads the body of POST /conversation/share: the conversation's
// number and the indexes of the messages to share; -1, or none, means all. The
// error is an *Error with CodeValidation.
func DecodeShare(body []byte) (id int64, refs []int, err error) {
	var w struct {
		ID   translate.Raw `json:"id"`
		Refs []int         `json:"refs"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return 0, nil, invalid("invalid form", err)
	}
	id, ok := integral(scalar(w.ID))
	if !ok {
		return 0, nil, translate.Invalid("invalid form")
	}
	return id, w.Refs, nil
}
