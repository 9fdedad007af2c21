package embedded

import (
	"strconv"

	"github.com/dragoman-gateway/dragoman/store"
)

// checkTurn refuses what no back end can keep.
func checkTurn(c *store.Conversation, t store.Turn) error {
	if c.Created == 0 && c.Num < 0 {
		return errNumber
	}
	return checkMessages(t.Messages)
}

func checkMessages(messages []store.Message) error {
	for _, m := range messages {
		for _, p := range m.Parts {
			if _, err := word(p.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupOf is the group that c, which has its number, is created in.
func groupOf(c *store.Conversation) string {
	if !c.Numbered {
		return c.Group
	}
	return c.Group + strconv.FormatInt(c.Num, 10)
}

// plainOf is how many of messages are plain, and what a list says of the newest of them.
func plainOf(messages []store.Message) (n int, last string) {
	for i := len(messages) - 1; i >= 0; i-- {
		if !messages[i].Plain() {
			continue
		}
		if n++; n == 1 {
			last = head(&messages[i])
		}
	}
	return n, last
}
