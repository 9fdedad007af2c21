package translate

// Vendors refuse a history in which a call has no result, or a result no call. Clients that
// keep no history cannot give results, and a model may call what nobody has offered.

// Settled returns msgs with every call that has no result right behind it, and every result
// that has no call right before it, in the form of [Request.Plain]: a line of text. It
// returns msgs itself where there are none, else a copy; the number of messages stays.
func Settled(msgs []Message) []Message {
	out := msgs
	for i := range msgs {
		m := &msgs[i]
		loose := false
		for j := range m.Parts {
			if p := &m.Parts[j]; p.Kind == PartToolCall || p.Kind == PartToolResult {
				loose = loose || looseAt(msgs, i, p)
			}
		}
		if !loose {
			continue
		}
		if &out[0] == &msgs[0] {
			out = append(make([]Message, 0, cap(msgs)), msgs...)
		}
		out[i] = settled(msgs, i)
	}
	return out
}

// settled is the ith message with its loose parts as text.
func settled(msgs []Message, i int) Message {
	m := msgs[i]
	parts := make([]Part, 0, len(m.Parts))
	var none Request
	results := false
	for j := range m.Parts {
		p := &m.Parts[j]
		if looseAt(msgs, i, p) {
			parts = append(parts, Part{Kind: PartText, Text: none.plainPart(p, false)})
			continue
		}
		results = results || p.Kind == PartToolResult
		parts = append(parts, *p)
	}
	if m.Parts = parts; m.Role == RoleTool && !results {
		m.Role = RoleUser
	}
	return m
}

// looseAt reports whether p, of the ith message, is a call without its result or the
// other way round.
func looseAt(msgs []Message, i int, p *Part) bool {
	switch p.Kind {
	case PartToolCall:
		for i++; i < len(msgs) && hasAny(&msgs[i], PartToolResult); i++ {
			if has(&msgs[i], PartToolResult, p.ID) {
				return false
			}
		}
		return true
	case PartToolResult:
		for i--; i >= 0; i-- {
			if hasAny(&msgs[i], PartToolCall) {
				return !has(&msgs[i], PartToolCall, p.ID)
			}
			if !hasAny(&msgs[i], PartToolResult) {
				return true
			}
		}
		return true
	}
	return false
}

func has(m *Message, k PartKind, id string) bool {
	for i := range m.Parts {
		if m.Parts[i].Kind == k && m.Parts[i].ID == id {
			return true
		}
	}
	return false
}

func hasAny(m *Message, k PartKind) bool {
	for i := range m.Parts {
		if m.Parts[i].Kind == k {
			return true
		}
	}
	return false
}
