package rest

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Item is a conversation in a list.
type Item struct {
	ID          string
	User        string
	Group       string // empty: a private chat, and no groupId
	Count       int    // single messages
	LastMessage string // its first 100 characters, see [Excerpt]
	Updated     int64  // Unix milliseconds
}

// AppendList appends the answer to GET /api/conversations: one page, and how
// many there are in all (docs/rules/rest.md 2.4).
func AppendList(dst []byte, items []Item, total int) []byte {
	dst = append(dst, `{"success":true,"data":{"conversations":[`...)
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendItem(dst, &items[i])
	}
	dst = jsonx.AppendInt(append(dst, `],"total":`...), int64(total))
	return append(dst, `}}`...)
}

func appendItem(dst []byte, it *Item) []byte {
	dst = jsonx.AppendString(append(dst, `{"id":`...), it.ID)
	dst = jsonx.AppendString(append(dst, `,"userId":`...), it.User)
	if it.Group != "" {
		dst = jsonx.AppendString(append(dst, `,"groupId":`...), it.Group)
	}
	dst = jsonx.AppendInt(append(dst, `,"messageCount":`...), int64(it.Count))
	dst = jsonx.AppendString(append(dst, `,"lastMessage":`...), it.LastMessage)
	dst = jsonx.AppendInt(append(dst, `,"updatedAt":`...), it.Updated)
	return append(dst, '}')
}

// Excerpt returns the first 100 characters of text.
func Excerpt(text string) string {
	n := 0
	for i := range text {
		if n++; n > 100 {
			return text[:i]
		}
	}
	return text
}

// Entry is one message of a conversation.
type Entry struct {
	Role    translate.Role // RoleUser or RoleAssistant
	Content string
	At      int64 // Unix milliseconds
}

// AppendConversation appends the answer to GET /api/conversations/:id. Entries
// are oldest first; those of other roles than the two are left out.
func AppendConversation(dst []byte, id string, entries []Entry) []byte {
	dst = jsonx.AppendString(append(dst, `{"success":true,"data":{"id":`...), id)
	dst = append(dst, `,"messages":[`...)
	first := true
	for i := range entries {
		e := &entries[i]
		if e.Role != translate.RoleUser && e.Role != translate.RoleAssistant {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = jsonx.AppendString(append(dst, `{"role":`...), e.Role.String())
		dst = jsonx.AppendString(append(dst, `,"content":`...), e.Content)
		dst = jsonx.AppendInt(append(dst, `,"timestamp":`...), e.At)
		dst = append(dst, '}')
	}
	return append(dst, `]}}`...)
}

// AppendOK appends the answer to DELETE /api/conversations/:id.
func AppendOK(dst []byte) []byte { return append(dst, `{"success":true}`...) }

// AppendCleared appends the answer to POST /api/conversations/:id/clear.
func AppendCleared(dst []byte) []byte {
	return append(dst, `{"success":true,"message":"Context cleared"}`...)
}
