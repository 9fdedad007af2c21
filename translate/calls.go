package translate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// madeID is what ids of calls begin with whose client gave none.
const madeID = "call_unnamed_"

// IsMade reports whether an id of a call is one that [Unnamed] has made: it is no name that a
// channel is told, or by which anything of the call could be found.
func IsMade(id string) bool { return strings.HasPrefix(id, madeID) }

// ProofMembers returns the members of a call, in OpenAI's form, in which servers put what they
// want back with it: Google's signatures of thoughts, and the same as LiteLLM passes them on.
func ProofMembers() [3]string {
	return [...]string{"extra_content", "provider_specific_fields", "thought_signature"}
}

// IsProof reports whether text is members of a call as an event of KindToolProof has them. Others
// than the gateway's own decoders may have written it.
func IsProof(text string) bool {
	known, some := ProofMembers(), false
	return jsonx.Each([]byte("{"+text+"}"), func(key, _ []byte) bool {
		some = true
		return slices.Contains(known[:], string(key))
	}) && some
}

// Unnamed gives ids to calls, and to results, of dialects in which they need none. The zero value
// knows no call.
type Unnamed struct {
	made int
	open []Called // that have no result so far
}

// Called is a call of a tool, by its id and the tool's name.
type Called struct{ ID, Name string }

// Begin notes a call of a tool, and returns its id: a new one where id is empty.
func (u *Unnamed) Begin(id, name string) string {
	if id == "" {
		id = u.next()
	}
	u.open = append(u.open, Called{id, name})
	return id
}

// End returns the id of the call that a result belongs to: that with the id, or where it is empty the
// oldest of the tool, or of any tool if name is empty, that has no result so far. Where there is
// none it is the id, or a new one.
func (u *Unnamed) End(id, name string) string {
	for i, c := range u.open {
		if c.ID == id || id == "" && (name == "" || c.Name == name) {
			u.open = slices.Delete(u.open, i, i+1)
			return c.ID
		}
	}
	if id == "" {
		id = u.next()
	}
	return id
}

// Forget has no call of before wait for a result.
func (u *Unnamed) Forget() { u.open = u.open[:0] }

func (u *Unnamed) next() string {
	id := madeID + strconv.Itoa(u.made)
	u.made++
	return id
}

// AppendArgs appends the arguments of a call as an object: none as {}, and text that is no JSON object
// as {"_raw":"…"}, so that a message stays valid and the text can still be read.
func AppendArgs[T string | []byte](dst []byte, args T) []byte {
	text := strings.TrimSpace(string(args))
	if text == "" {
		return append(dst, `{}`...)
	}
	if text[0] == '{' && json.Valid([]byte(text)) {
		return append(dst, text...)
	}
	dst = append(dst, `{"_raw":`...)
	return append(jsonx.AppendString(dst, args), '}')
}
