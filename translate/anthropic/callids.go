package anthropic

import "strconv"

// callIDs gives the calls of a conversation ids that the vendor takes: of letters that it allows, and no two
// alike. Other servers give all calls of an answer the same, or those of each answer the same ones again. The
// zero value knows no call.
type callIDs struct {
	used map[string]bool
	told map[string]*sameID // by the conversation's own
}

// sameID are the ids that were told for calls whose own is the same.
type sameID struct {
	ids      []string
	last     int // the number behind the newest of them; 0: none has one
	answered int // how many of them have had a result
}

// call is the id that a call is told with.
func (c *callIDs) call(own string) string {
	if c.used == nil {
		c.used, c.told = map[string]bool{}, map[string]*sameID{}
	}
	same := c.told[own]
	if same == nil {
		same = new(sameID)
		c.told[own] = same
	}
	id := callID(own)
	for c.used[id] {
		same.last = max(same.last, len(same.ids)) + 1
		id = callID(own) + "_" + strconv.Itoa(same.last)
	}
	c.used[id] = true
	same.ids = append(same.ids, id)
	return id
}

// result is the id that a result is told with: that of the oldest call with its id that has had none, else of
// the newest.
func (c *callIDs) result(own string) string {
	same := c.told[own]
	if same == nil {
		return callID(own)
	}
	if same.answered < len(same.ids) {
		same.answered++
	}
	return same.ids[same.answered-1]
}
