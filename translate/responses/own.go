package responses

import (
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// ownMembers collects the members of a question that the canonical form cannot say, or not
// in full: a channel of this dialect is told them as they came.
type ownMembers struct {
	names []string // of those that are known, and say more than the canonical form
}

// whole are the members that say the same to a channel of this dialect as to us, and that nothing here
// changes: it is told them byte for byte, however much of them the canonical form can say.
var whole = []string{"tools", "tool_choice", "parallel_tool_calls", "text", "include"}

// keepWhole notes those of the whole members that are there.
func (m *ownMembers) keepWhole(body []byte, o *jsonx.Outline) {
	for _, name := range whole {
		if at := o.Find(name); at != nil && string(body[at.Start:at.End]) != "null" {
			m.keep(name)
		}
	}
}

// keep notes that a member says more than the canonical form.
func (m *ownMembers) keep(name string) {
	if !slices.Contains(m.names, name) {
		m.names = append(m.names, name)
	}
}

// take returns the members to keep, as an object; nil: there are none.
func (m *ownMembers) take(body []byte, members []jsonx.Member) (object []byte) {
	start := byte('{')
	for i := range members {
		one := &members[i]
		if slices.Contains(known, string(one.Key)) && !slices.Contains(m.names, string(one.Key)) {
			continue
		}
		object = appendMember(append(object, start), one.Key, body[one.Start:one.End])
		start = ','
	}
	if object == nil {
		return nil
	}
	return append(object, '}')
}

// told is what a question of this dialect says to a channel of it as it came.
type told struct {
	text []byte
	o    jsonx.Outline
}

func toldOf(req *translate.Request) (t told) {
	if req.Dialect == name && req.Own != nil {
		t.text = req.Own
		t.o, _ = jsonx.Members(req.Own)
	}
	return t
}

// has reports whether a member is among what is told as it came.
func (t *told) has(name string) bool { return t.o.Find(name) != nil }

// append appends all of it, each with a comma before it.
func (t *told) append(dst []byte) []byte {
	for i := range t.o.Members {
		m := &t.o.Members[i]
		if string(m.Key) == "include" {
			continue // which has an element of ours
		}
		dst = appendMember(append(dst, ','), m.Key, t.text[m.Start:m.End])
	}
	return dst
}

// undrop takes out of what is noted as dropped what is told as it came. The names begin with
// those of the members.
func (t *told) undrop(req *translate.Request) {
	if t.o.Members == nil {
		return
	}
	req.Dropped = slices.DeleteFunc(slices.Clone(req.Dropped), func(what string) bool {
		top, _, _ := strings.Cut(what, ".")
		return t.has(top)
	})
}

// include is what the client wants to have included.
func (t *told) include() []byte {
	if m := t.o.Find("include"); m != nil {
		return t.text[m.Start:m.End]
	}
	return nil
}
