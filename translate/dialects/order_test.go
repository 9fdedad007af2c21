package dialects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// shuffler writes JSON with the members of its objects in another order, and, if strange,
// with members among them that no dialect has.
type shuffler struct {
	*rand.Rand
	strange bool
}

// free are the members whose value is an object that a client or a model chose: its order stays.
var free = map[string]bool{"input": true, "args": true, "arguments": true, "parameters": true, "input_schema": true, "functionResponse": true, "metadata": true}

// unheard are members of no dialect, with words in them that are members of some.
var unheard = []string{
	`"x_one":1`, `"x_null":null`, `"x_text":"\"type\":\"error\""`, `"x_list":[{"type":"text","text":"not said"}]`,
	`"x_object":{"type":"message_stop","choices":[],"error":{"message":"none"},"done":true,"end":true}`, `"type_":"end"`, `"":{}`,
}

func (s *shuffler) value(raw []byte) []byte {
	switch raw[0] {
	case '[':
		var list []json.RawMessage
		_ = json.Unmarshal(raw, &list)
		out := []byte{'['}
		for i, one := range list {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, s.value(one)...)
		}
		return append(out, ']')
	case '{':
		return s.object(raw)
	}
	return raw
}

func (s *shuffler) object(raw []byte) []byte {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(raw, &all)
	var members []string
	for name, value := range all {
		if !free[name] || value[0] != '{' {
			value = s.value(value)
		}
		quoted, _ := json.Marshal(name)
		members = append(members, string(quoted)+":"+string(value))
	}
	if s.strange && s.IntN(2) == 0 {
		members = append(members, unheard[s.IntN(len(unheard))])
	}
	s.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return []byte("{" + strings.Join(members, ",") + "}")
}

// text shuffles each line of text that has an object.
func (s *shuffler) text(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		before, object, ok := strings.Cut(line, "{")
		object = strings.TrimRight("{"+object, "\n")
		if !ok || before != "" && before != "data: " || !json.Valid([]byte(object)) {
			out.WriteString(line)
			continue
		}
		out.WriteString(before + string(s.object([]byte(object))) + "\n")
	}
	return out.String()
}

// meaning is what dec makes of a section of a vendor's answers.
func meaning(t *testing.T, dec translate.Decoder, name, text string) string {
	t.Helper()
	var out strings.Builder
	note := func(evs []translate.Event, err error) {
		for i := range evs {
			ev := &evs[i]
			fmt.Fprintf(&out, "%v %v %d %s %s %q %v %+v\n", ev.Kind, ev.Finish, ev.Index, ev.ID, ev.Name, ev.Text, ev.Reason, ev.Usage)
		}
		if e := (*translate.Error)(nil); errors.As(err, &e) {
			fmt.Fprintf(&out, "%s %v %q %+v\n", e.Code, e.Fault, e.Message, e.Upstream)
		} else if err != nil {
			t.Errorf("%T %v", err, err)
		}
	}
	if status, whole := map[string]int{"whole 200": 200, "refusal 400": 400}[name]; whole {
		note(dec.DecodeWhole(nil, status, []byte(strings.TrimSpace(text))))
		return out.String()
	}
	all := lines(text)
	if strings.Contains(text, "data: ") {
		all = framesOf(t, text)
	}
	for _, f := range all {
		note(dec.Decode(nil, bytes.Clone(f.Data)))
	}
	fmt.Fprintln(&out, "done", dec.Done())
	return out.String()
}

// orders is how often each text is shuffled.
const orders = 16

func TestTheOrderOfMembersInAnAnswerAndStrangeOnesMeanNothing(t *testing.T) {
	t.Parallel()
	for _, v := range vendors(t) {
		t.Run(v.Name(), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			for name, text := range v.said {
				if strings.HasPrefix(name, "ask ") {
					continue
				}
				for _, pass := range []bool{false, true} {
					ask, question := v.first([]string{"ask tools", "ask stream", "ask whole"})
					x := v.asks(t, ask, question, &v)
					x.sent.PassThrough = pass && x.sent.Raw != nil
					want := meaning(t, v.NewDecoder(x.sent), name, text)
					for i := range orders {
						s := shuffler{Rand: r, strange: i%2 > 0}
						other := s.text(text)
						if diff := cmp.Diff(want, meaning(t, v.NewDecoder(x.sent), name, other)); diff != "" {
							t.Fatalf("%s, passed through %t:\n%s(-want +got):\n%s", name, pass, other, diff)
						}
					}
				}
			}
		})
	}
}

// sorted is text with the members of the objects on each line in order.
func sorted(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		var all any
		if json.Unmarshal([]byte(line), &all) == nil {
			ordered, _ := json.Marshal(all)
			line = string(ordered) + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func TestTheOrderOfMembersInAQuestionMeansNothing(t *testing.T) {
	t.Parallel()
	all := vendors(t)
	for _, v := range all {
		t.Run(v.Name(), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 4))
			for name, text := range v.said {
				if !strings.HasPrefix(name, "ask ") {
					continue
				}
				for _, up := range all {
					asked := func(text string) string {
						x := v.asks(t, name, text, &up)
						x.sent.PassThrough = false
						return sorted(x.question())
					}
					want := asked(text)
					for range orders {
						s := shuffler{Rand: r}
						other := s.text(text)
						if diff := cmp.Diff(want, asked(other)); diff != "" {
							t.Fatalf("%s to %s:\n%s(-want +got):\n%s", name, up.Name(), other, diff)
						}
					}
				}
			}
		})
	}
}
