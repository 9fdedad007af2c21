package conversation

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
)

// Bounds of what is kept of a conversation that lives only in memory.
const (
	bufferMessages = 256
	bufferBytes    = 1 << 20
	// bufferLeast is what one may have, in bytes, while all of them together have
	// more than bufferAll.
	bufferLeast = 16 << 10
	bufferAll   = heldBytes
)

// buffer is a conversation that lives only in memory, and of which the oldest messages
// fall off: those behind its head first. Its zero value is an empty one. The holder of
// the turn uses it.
type buffer struct {
	messages []store.Message
	head     int // messages before those that fell off
	gone     int // messages that did
	weight   int
	version  int64 // another one after each change
}

// add does what turn says. most is how many bytes are kept; a window that is not
// negative says how many messages the turn's question saw, beside the head. quiet says
// that no model is told any of it.
func (c *buffer) add(turn *store.Turn, window, most int, quiet bool) {
	remark(c.messages, turn.Marks)
	c.messages = append(c.messages, turn.Messages...)
	if c.shrink(window, most); quiet {
		c.version--
	}
}

// remark gives msgs the marks, as a store does.
func remark(msgs []store.Message, marks []store.Remark) {
	for _, m := range marks {
		if i := len(msgs) - 1 - m.Back; i >= 0 {
			msgs[i].Mark = m.Mark
		}
	}
}

// sent are those of msgs that models are told.
func sent(msgs []store.Message) []store.Message {
	marked := func(m store.Message) bool { return m.Mark != store.MarkNone }
	if !slices.ContainsFunc(msgs, marked) {
		return msgs
	}
	return slices.DeleteFunc(slices.Clone(msgs), marked)
}

// edit makes the change, if what it means has not fallen off.
func (c *buffer) edit(e Edit, most int) {
	shift := func(index int) (int, bool) {
		switch {
		case index < c.head:
			return index, true
		case index < c.head+c.gone:
			return 0, false
		}
		return index - c.gone, true
	}
	switch {
	case e.Set != nil:
		i, here := shift(e.Set.Index)
		if !here {
			return
		}
		e.Set = &SetText{Index: i, Text: e.Set.Text}
	case e.Remove != nil:
		i, here := shift(*e.Remove)
		switch {
		case !here:
			c.gone-- // those behind it move up
			return
		case i >= 0 && i < c.head:
			c.head--
		}
		e.Remove = &i
	default:
		c.head += len(e.Insert)
	}
	c.messages = e.Apply(c.messages)
	c.shrink(-1, most)
}

// shrink lets the oldest messages fall off until the rest is within the bounds.
func (c *buffer) shrink(window, most int) {
	c.version++
	if c.gone == 0 {
		c.head = leading(c.messages)
	}
	c.head = min(c.head, len(c.messages))
	limit := bufferMessages
	if window >= 0 {
		marked := len(c.messages) - len(sent(c.messages))
		limit = min(limit, c.head+window+spare+marked)
	}
	c.weight = weigh(c.messages)
	n := 0 // that fall off behind the head
	for behind := len(c.messages) - c.head; n < behind && (len(c.messages)-n > limit || c.weight > most); n++ {
		c.weight -= c.messages[c.head+n].Weight()
	}
	head := c.head
	for ; head > 0 && (head > bufferMessages || c.weight > most); head-- {
		c.weight -= c.messages[head-1].Weight()
	}
	if n += c.head - head; n > 0 {
		c.messages = slices.Delete(c.messages, head, head+n)
		c.head, c.gone = head, c.gone+n
	}
}
