// Package backend has what the back ends of the store share: how messages are written
// down, which of them are within a window, and what no back end keeps.
package backend

import (
	"errors"
	"strconv"

	"github.com/dragoman-gateway/dragoman/store"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("store: closed")

var errNumber = errors.New("store: a conversation's number is below 1")

// CheckTurn refuses a turn that no back end can keep.
func CheckTurn(c *store.Conversation, t store.Turn) error {
	if c.Created == 0 && c.Num < 0 {
		return errNumber
	}
	return CheckMessages(t.Messages)
}

// CheckMessages refuses parts of a kind that has no word.
func CheckMessages(messages []store.Message) error {
	for _, m := range messages {
		for _, p := range m.Parts {
			if _, err := word(p.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// GroupOf returns the group that c, which has its number, is created in.
func GroupOf(c *store.Conversation) string {
	if !c.Numbered {
		return c.Group
	}
	return c.Group + strconv.FormatInt(c.Num, 10)
}

// PlainOf returns how many of messages are plain, and the text by which a list shows the
// newest of them.
func PlainOf(messages []store.Message) (n int, last string) {
	for i := len(messages) - 1; i >= 0; i-- {
		if !messages[i].Plain() {
			continue
		}
		if n++; n == 1 {
			last = LastLine(&messages[i])
		}
	}
	return n, last
}

// EntryLimit returns how many rows f asks for.
func EntryLimit(f store.EntryFilter) int {
	if f.Limit <= 0 {
		return 1000
	}
	return f.Limit
}
