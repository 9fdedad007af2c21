package proxy

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is kept of a conversation that lives only in memory.
const (
	unstoredMessages = 256
	unstoredBytes    = 1 << 20
	// unstoredLeast is what one may have, in bytes, while all of them together have
	// more than unstoredAll.
	unstoredLeast = 16 << 10
	unstoredAll   = restingBytes
)

// unstored is a conversation that lives only in memory, and of which the oldest messages
// fall off: those behind its head first. Its zero value is an empty one. The holder of
// the turn uses it.
type unstored struct {
	messages []store.Message
	head     int // messages before those that fell off
	gone     int // messages that did
	weight   int
	version  int64 // another one after each change
}

// add does what turn says. most is how many bytes are kept; a window that is not
// negative says how many messages the turn's question saw, beside the head. quiet says
// that no model is told any of it.
func (c *unstored) add(turn *store.Turn, window, most int, quiet bool) {
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
func (c *unstored) edit(e Edit, most int) {
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
func (c *unstored) shrink(window, most int) {
	c.version++
	if c.gone == 0 {
		c.head = leading(c.messages)
	}
	c.head = min(c.head, len(c.messages))
	limit := unstoredMessages
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
	for ; head > 0 && (head > unstoredMessages || c.weight > most); head-- {
		c.weight -= c.messages[head-1].Weight()
	}
	if n += c.head - head; n > 0 {
		c.messages = slices.Delete(c.messages, head, head+n)
		c.head, c.gone = head, c.gone+n
	}
}

// addLoose adds a turn to t, which is not stored.
func (r *threads) addLoose(t *Thread, c *change, window int) {
	t.kept.add(&c.turn, window, r.mostLoose(), c.quiet())
	r.noteLoose(t)
}

// mostLoose is how many bytes a conversation that is not stored may have now.
func (r *threads) mostLoose() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loose > unstoredAll {
		return unstoredLeast
	}
	return unstoredBytes
}

func (r *threads) noteLoose(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := sent(t.kept.messages)
	t.lengths.of(said, leading(said), 0, 0)
	r.charge(t)
}

// leading is how many system messages msgs begins with.
func leading(msgs []store.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
}
