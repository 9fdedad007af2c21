package front

import (
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
)

// storeWait bounds one call's use of the store.
const storeWait = 30 * time.Second

// join takes p's place in the conversation of id, or apart from all in one of its own that
// is not stored. A client that leaves while p waits for a limit is noticed.
func (c *call) join(p *proxy.Pending, id conversation.Identity, apart bool) error {
	if apart {
		p.Enter(c.s.g.Conversations().Unstored(new(conversation.Thread)))
		return nil
	}
	if !p.Waiting() {
		return p.Join(c.s.life, id)
	}
	ctx, watched := c.watch()
	defer watched.Unwatch()
	return p.Join(ctx, id)
}

// identityKey names a conversation by who is talking: what it is for, and the ids,
// none of which can be taken for a part of another.
func identityKey(kind string, ids ...string) string {
	var room [128]byte
	key := append(room[:0], kind...)
	for _, id := range ids {
		key = strconv.AppendInt(append(key, 0), int64(len(id)), 10)
		key = append(append(key, ':'), id...)
	}
	return string(key)
}

// privateKey is the identity of a private chat with the default agent. The rest
// and the iagent front share it (docs/rules/conversations.md 11).
func privateKey(user string) string { return identityKey("private", user) }

// clipTitle makes a title of a message (docs/rules/chatnio.md 6).
func clipTitle(message string) string {
	n := 0
	for i := range message {
		if n == 50 {
			return message[:i] + "..."
		}
		n++
	}
	return message
}
