package responses

import (
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Key names a stored response: by its conversation, and by when its question was asked in it.
type Key struct {
	Conversation string // conv_…
	Asked        int64  // Unix time in milliseconds
}

// conversationPrefix is what ids of conversations begin with.
const conversationPrefix = "conv_"

// ID is the id of the response.
func (k Key) ID() string { return idPrefix + k.text() }

func (k Key) text() string {
	return strings.TrimPrefix(k.Conversation, conversationPrefix) + "_" + strconv.FormatInt(k.Asked, 36)
}

// ParseID returns the key that an id of a response tells; ok is false for an id of another
// form, which names no stored response.
func ParseID(id string) (k Key, ok bool) {
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok || translate.TooLong(id, translate.MaxID) {
		return k, false
	}
	return parseKey(text)
}

func parseKey(text string) (k Key, ok bool) {
	at := strings.LastIndexByte(text, '_')
	if at <= 0 {
		return k, false
	}
	asked, err := strconv.ParseInt(text[at+1:], 36, 64)
	if err != nil || asked <= 0 {
		return k, false
	}
	return Key{conversationPrefix + text[:at], asked}, true
}

// ParseItem returns the id of the response that an item is of, and its place in the output of that.
func ParseItem(id string) (response string, place int, ok bool) {
	_, text, found := strings.Cut(id, "_")
	at := strings.LastIndexByte(text, '_')
	if !found || at <= 0 {
		return "", 0, false
	}
	place, err := strconv.Atoi(text[at+1:])
	if err != nil || place < 0 {
		return "", 0, false
	}
	return idPrefix + text[:at], place, true
}

// Outputs are those parts of an answer that are items of its output, in their order.
func Outputs(parts []translate.Part) (all []translate.Part) {
	for i := range parts {
		switch parts[i].Kind {
		case translate.PartText, translate.PartReasoning, translate.PartToolCall:
			all = append(all, parts[i])
		}
	}
	return all
}

// State is what a question says of where it belongs.
type State struct {
	Keep         bool   // the answer is to be stored
	Previous     string // id of the response that it goes on from; empty: of none
	Conversation string // id of its conversation; empty: it names none
	Instructed   bool   // its first message is its instructions, with which nobody goes on
}

// Asked are the messages of req that a further response goes on with.
func (s *State) Asked(req *translate.Request) []translate.Message {
	if s.Instructed && len(req.Messages) > 0 {
		return req.Messages[1:]
	}
	return req.Messages
}

// StateOf reads the state of a question that was read already. The error is an *Error with
// CodeValidation.
func StateOf(body []byte, req *translate.Request) (s State, err error) {
	members := req.Outline
	if members == nil {
		o, _ := jsonx.Members(body)
		members = o.Members
	}
	var keep *bool
	var conversation, instructions translate.Raw
	fields := []translate.Field{{Name: "store", To: &keep}, {Name: "previous_response_id", To: &s.Previous}, {Name: "conversation", To: &conversation}, {Name: "instructions", To: &instructions}}
	if err := translate.Fill(body, members, fields); err != nil {
		return s, err
	}
	s.Instructed = !instructions.Null() && string(instructions) != `""`
	if !conversation.Null() && conversation[0] == '{' {
		err = translate.Object("conversation", conversation, []translate.Field{{Name: "id", To: &s.Conversation}})
	} else {
		s.Conversation, err = translate.Text("conversation", conversation)
	}
	if err != nil {
		return s, err
	}
	if s.Previous != "" && s.Conversation != "" {
		return s, translate.InvalidAt("conversation", "conversation cannot be used beside previous_response_id")
	}
	s.Keep = keep == nil || *keep
	if err := translate.Bound("previous_response_id", s.Previous, translate.MaxID); err != nil {
		return s, err
	}
	return s, translate.Bound("conversation", s.Conversation, translate.MaxID)
}

// Stored is a response that is read again.
type Stored struct {
	Key
	Previous Key // of the response before it in its conversation; zero: there is none
	Created  int64
	Model    string
	Answer   []translate.Part
}

// AppendStored appends the response object of s. What nobody keeps of it, such as its usage,
// is null.
func AppendStored(dst []byte, s *Stored) []byte {
	e := answering{envelope: translate.Envelope{ID: s.ID(), Created: s.Created}, model: s.Model}
	if s.Previous != (Key{}) {
		e.raw = append(jsonx.AppendString([]byte(`{"previous_response_id":`), s.Previous.ID()), '}')
		o, _ := jsonx.Members(e.raw)
		e.members = o.Members
	}
	return e.appendResponse(dst, statusOf(translate.FinishStop), e.pieces(s.Answer), &ending{finish: translate.FinishStop}, nil)
}

// AppendDeleted appends the answer to the deletion of a response.
func AppendDeleted(dst []byte, id string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, id)
	return append(dst, `,"object":"response","deleted":true}`...)
}

// Item is an item of a list, as it is written.
type Item struct {
	ID   string
	JSON []byte
}

// Heard is a message that was there before an answer. Of is the key of the response whose
// answer it is; zero: it is none.
type Heard struct {
	Message *translate.Message
	Of      Key
}

// InputItems returns the items that stand for what was there before the answer k. Those of
// answers have the ids that they had in these, and the others ids of k.
func InputItems(k Key, heard []Heard) (items []Item) {
	own := answering{envelope: translate.Envelope{ID: k.ID()}, mark: "in"}
	a := asking{req: &translate.Request{Dialect: name}}
	for _, h := range heard {
		switch {
		case h.Message.Role == translate.RoleAssistant && h.Of != Key{}:
			e := answering{envelope: translate.Envelope{ID: h.Of.ID()}}
			items = e.appendItems(items, e.pieces(h.Message.Parts), 0)
		case h.Message.Role == translate.RoleAssistant:
			items = own.appendItems(items, own.pieces(h.Message.Parts), len(items))
		default:
			items = own.appendHeard(items, &a, h.Message)
		}
	}
	return items
}

func (e *answering) appendItems(items []Item, pieces []piece, from int) []Item {
	for i := range pieces {
		id := e.appendItemID(nil, from+i, pieces[i].kind, pieces[i].free)
		items = append(items, Item{string(id), e.appendItem(nil, from+i, &pieces[i])})
	}
	return items
}

// appendHeard appends the items of a message that is not the model's.
func (e *answering) appendHeard(items []Item, a *asking, m *translate.Message) []Item {
	if m.Role != translate.RoleTool {
		list := []byte{'['}
		for i := range m.Parts {
			list = a.part(list, m.Role, &m.Parts[i])
		}
		list = jsonx.CloseList(list, 1)
		id := string(e.appendItemID(nil, len(items), translate.PartText, false))
		text := `{"id":"` + id + `","type":"message","status":"completed","role":"` + m.Role.String() + `","content":` + string(list) + `}`
		return append(items, Item{id, []byte(text)})
	}
	for i := range m.Parts {
		one := translate.Message{Role: m.Role, Parts: m.Parts[i : i+1+len(m.Shown(i))]}
		text := a.results(nil, &one)
		if len(text) == 0 {
			continue
		}
		id := string(e.appendItemID(nil, len(items), translate.PartToolCall, false))
		text = append([]byte(`{"id":"`+id+`","status":"completed",`), text[1:len(text)-1]...)
		items = append(items, Item{id, text})
	}
	return items
}

// AppendItems appends a list of items; more says that there are others behind them.
func AppendItems(dst []byte, items []Item, more bool) []byte {
	first, last := "", ""
	dst = append(dst, `{"object":"list","data":[`...)
	start := len(dst)
	for i := range items {
		dst = append(append(dst, items[i].JSON...), ',')
	}
	dst = jsonx.CloseList(dst, start)
	if n := len(items); n > 0 {
		first, last = items[0].ID, items[n-1].ID
	}
	dst = append(dst, `,"first_id":`...)
	dst = jsonx.AppendStringOrNull(dst, first)
	dst = append(dst, `,"last_id":`...)
	dst = jsonx.AppendStringOrNull(dst, last)
	dst = append(dst, `,"has_more":`...)
	return append(jsonx.AppendBool(dst, more), '}')
}
