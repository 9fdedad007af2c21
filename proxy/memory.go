package proxy

import (
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
)

// memories are what stateful channels remember of conversations.
type memories struct {
	conversation.Hasher
	*conversation.Memories[holder]
}

func newMemories() *memories {
	return &memories{conversation.NewHasher(), conversation.NewMemories[holder]()}
}

// holder is who remembers a conversation: a channel, and an agent behind it where it has
// several with a memory each.
type holder struct {
	ch    *channel.Channel
	agent string
}

// holderOf is whose memory c has.
func holderOf(c *channel.Candidate) holder { return holder{c.Channel, c.Agent()} }

// alive reports whether the connection is there that a memory may depend on.
func (h holder) alive(remote string) bool {
	return h.ch.Dialer == nil || h.ch.Dialer.Idle(remote)
}

// rememberedBy returns the channel that remembers what goes before the question; nil: none
// does.
func (p *prompt) rememberedBy() *channel.Channel {
	return p.memories.Holder(p.position(), holder.alive).ch
}
