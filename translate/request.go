package translate

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Role says who speaks in a [Message].
type Role uint8

// The roles. A developer message of the OpenAI dialect is RoleSystem.
const (
	RoleUser Role = iota + 1
	RoleAssistant
	RoleSystem
	RoleTool
)

// String returns the role's name as all dialects that have roles spell it:
// user, assistant, system, tool.
func (r Role) String() string {
	switch r {
	case RoleUser:
		return "user"
	case RoleAssistant:
		return "assistant"
	case RoleSystem:
		return "system"
	case RoleTool:
		return "tool"
	}
	return ""
}

// PlainRole is the role of a message that may be nothing but a text, as the dialects of OpenAI
// name it; 0: there is none.
func PlainRole(s string) Role {
	if r := ParseRole(s); r != RoleTool {
		return r
	}
	return 0
}

// ParseRole is the inverse of [Role.String]. It takes developer as system, and
// returns 0 for anything unknown.
func ParseRole(s string) Role {
	switch s {
	case "user":
		return RoleUser
	case "assistant":
		return RoleAssistant
	case "system", "developer":
		return RoleSystem
	case "tool":
		return RoleTool
	}
	return 0
}

// PartKind says which fields of a [Part] are set.
type PartKind uint8

// The kinds of parts.
const (
	PartText       PartKind = iota + 1 // Text
	PartImage                          // URL, or MediaType and Data
	PartReasoning                      // Text, Signature
	PartToolCall                       // ID, Name, Args
	PartToolResult                     // ID (of the call), Text, Failed
	PartMedia                          // Text: an opaque reference of the iagent dialect; MediaType: image, voice, video
	PartDocument                       // Text, or MediaType and Data, or URL, or ID; Name, Detail, Args
	PartAudio                          // MediaType and Data
	PartSearch                         // Text; URL, Name, Args
	PartReference                      // ID: of what was said earlier and is stored, which the front puts in its place
)

// Part is one piece of a message's content.
type Part struct {
	Kind      PartKind
	Failed    bool   // PartToolResult: the tool reported an error
	Text      string // plain text; PartToolResult: the result; PartSearch: what was found
	URL       string // where the image or the document lies; PartSearch: where it was found
	MediaType string // with Data: for example image/png; PartAudio: wav, mp3
	Data      string // standard base64
	Detail    string // PartImage: OpenAI's detail: low, high, auto or empty; PartDocument: Anthropic's context
	ID        string // PartToolCall, PartToolResult: id of the call; PartDocument, PartImage: id of a file that only its vendor has
	Name      string // PartToolCall: the function; PartDocument, PartSearch: its title
	Args      string // PartReasoning: its details as OpenRouter has them, a list; PartToolCall: the arguments, JSON text of one object; PartDocument, PartSearch: Anthropic's citations, likewise
	Signature string // PartReasoning: opaque proof of origin; empty where the model gave none; PartToolCall: what its server wants back with it, as members of OpenAI's form of a call
	// Cache is the anthropic cache_control object as it came, nil without one.
	Cache json.RawMessage
}

// Message is one message of a conversation.
type Message struct {
	Role  Role
	Name  string // optional name of the speaker
	Parts []Part
}

// Calls reports whether m calls tools.
func (m *Message) Calls() bool { return hasAny(m, PartToolCall) }

// Shown returns the images of the result of a tool that is part i of m, in which they stand
// behind it.
func (m *Message) Shown(i int) []Part {
	n := i + 1
	for n < len(m.Parts) && m.Parts[n].Kind == PartImage {
		n++
	}
	return m.Parts[i+1 : n]
}

// Text returns the message's text parts joined with newlines: what a dialect
// that knows only text can say of it.
func (m *Message) Text() string {
	n, size, first := 0, 0, ""
	for i := range m.Parts {
		if m.Parts[i].Kind != PartText {
			continue
		}
		if n++; n == 1 {
			first = m.Parts[i].Text
		}
		size += len(m.Parts[i].Text) + 1
	}
	if n < 2 {
		return first
	}
	var b strings.Builder
	b.Grow(size - 1)
	for i := range m.Parts {
		if m.Parts[i].Kind != PartText {
			continue
		}
		b.WriteString(m.Parts[i].Text)
		if n--; n > 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// TextMessage returns a message with one text part.
func TextMessage(r Role, text string) Message {
	return Message{Role: r, Parts: []Part{{Kind: PartText, Text: text}}}
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON schema of the arguments; nil: none given
	Strict      bool            // the arguments must be as the schema says
	// Free: the model gives it one free text, which is the member input of its arguments. The
	// schema says the same.
	Free  bool
	Cache json.RawMessage // anthropic cache_control, nil without one
	// Own is the tool as Anthropic has it, where it is one that the vendor knows and the
	// client runs (bash_20250124); nil: it is the client's own.
	Own json.RawMessage
}

// ToolMode says whether the model must call a tool.
type ToolMode uint8

// The tool modes; the zero value leaves it to the upstream's default.
const (
	ToolDefault  ToolMode = iota
	ToolAuto              // the model decides
	ToolNone              // no calls
	ToolRequired          // at least one call
	ToolNamed             // exactly the tool ToolChoice.Name
)

// ToolChoice restricts the use of Request.Tools.
type ToolChoice struct {
	Mode       ToolMode
	Name       string
	NoParallel bool // at most one call at a time
}

// Params are the sampling parameters. nil means that the client said nothing.
type Params struct {
	MaxTokens         *int
	Temperature       *float64
	TopP              *float64
	TopK              *int
	PresencePenalty   *float64
	FrequencyPenalty  *float64
	RepetitionPenalty *float64
	Seed              *int64
	Stop              []string
	// ReasoningEffort is low, medium, high or another word that the model
	// knows; empty: not said. ReasoningBudget is in tokens; 0: not said.
	ReasoningEffort string
	ReasoningBudget int
	// Effort is how much trouble the model is to take where the client asked for no
	// reasoning (Anthropic's output_config.effort alone); empty: not said.
	Effort string
	// ResponseFormat is OpenAI's response_format object as it came, or nil.
	ResponseFormat json.RawMessage
	// Logprobs asks for log probabilities; TopLogprobs how many, nil: not said.
	Logprobs    bool
	TopLogprobs *int
	// Choices is how many answers the client wants of one question; 0: not said. Only
	// what is passed on as it came can have more than one.
	Choices int
	// MostTokens is the larger bound of an answer where the client said two: a server reads
	// the one that it knows. 0: it said one or none. Only what is passed on as it came
	// has both.
	MostTokens int
}

// Request is one question, in the canonical form.
type Request struct {
	Dialect string // name of the dialect that it came in
	Model   string // as the client wrote it; for an upstream: that upstream's name of it
	Stream  bool   // the client wants the answer piece by piece
	// List: the client reads a stream as one JSON list of its pieces (gemini without alt=sse).
	List bool
	// Prompt: the client sent one prompt, not messages, and reads a completion (ollama's generate).
	Prompt bool
	// UsageInStream: the client asked for usage in the stream (OpenAI's
	// stream_options.include_usage). Other dialects always report it.
	UsageInStream bool
	// Functions: the client speaks of tools as OpenAI did before it had them. Its
	// answer has at most one call, which is a function_call.
	Functions bool
	// PassThrough is set by the gateway for one attempt: the upstream speaks the
	// client's dialect and Raw may go out with nothing but the model replaced.
	PassThrough bool
	// Thoughts: this upstream wants back what it thought before it called tools.
	Thoughts bool
	Web      bool // chatnio: search the web first
	// Messages holds the turns, oldest first. System messages that it begins with count from
	// the start, others from their place on; what precedes the latter at the end is the question.
	// A front with stored conversations decodes only the newest message; the gateway puts the
	// history before it.
	Messages   []Message
	Tools      []Tool
	ToolChoice ToolChoice
	Params     Params

	User   string // end user's id, empty: none said
	Group  string // group's id, empty: a private chat
	Preset string // rest preset, iagent receiver_id: a preset's name, empty: none said

	// Context is chatnio's window: how many messages, the newest included, the
	// model may see. 0: everything.
	Context int

	// Refuses and Takes are what the configuration of the channel says of the model, and
	// Efforts the words of reasoning_effort; the zero values leave it to what is known of it by its name.
	Refuses, Takes Traits
	Efforts        []string

	// Dropped names what the client said and this upstream's dialect cannot
	// say. AppendRequest adds to it.
	Dropped []string

	// Raw is the body as it came, nil when it may not be passed on as it is
	// (it was not JSON of one reading: duplicate or differently cased keys).
	Raw []byte
	// Opaque is what is known of a question of an [Endpoint], which no channel of another dialect
	// can be asked; nil: the question is one of a chat.
	Opaque *Opaque
	// Outline is where the members of Raw lie, as a [RoutingScanner] has found them; nil: nobody
	// has looked. It aliases Raw.
	Outline []jsonx.Member

	// Changed: the front has changed the question, so that Raw may be told to its client
	// again, but is not to be passed on.
	Changed bool
	// Own is an object of those members of the message that only its dialect can say, as they
	// came, for a channel of that dialect to which the question cannot pass through. Their
	// names are among Dropped. nil: there are none.
	Own json.RawMessage

	// Omit are members of the message that this upstream refuses, as [UnknownMembers] names
	// them. The transport leaves them out of what AppendRequest makes, and AppendRequest
	// what a dialect adds to a message that passes through.
	Omit []string

	// Proof returns what this upstream wants back with the call of an id, as KindToolProof told
	// it; "": nothing. nil: with none.
	Proof func(id string) string

	// Beta is anthropic's header anthropic-beta as the client sent it: what it names
	// changes what members the body may have. It goes on with Raw, else it is lost.
	Beta string

	// Trace is the span that an upstream over HTTP tells its server of, as W3C's headers
	// traceparent and tracestate; nil: none.
	Trace *TraceContext

	// Stop, if it is not nil, is asked now and then while a message is decoded: true ends
	// that with CodeCanceled.
	Stop func() bool

	// Tap is shown what goes over the wire of this one attempt; nil: nobody looks.
	Tap Tap

	// Memory is set by the gateway for upstreams that remember: what this one
	// knows of the conversation already.
	Memory Memory
}

// Tap is shown the messages of one attempt as they are on the wire, without their headers. What
// it is shown is valid during the call only. It is safe for concurrent use.
type Tap interface {
	// Sent is shown the question, as its server gets it.
	Sent(p []byte)
	// Came is shown the next piece of the answer.
	Came(p []byte)
}

// Memory is what a stateful upstream (chatnio, rest, iagent) knows of the
// conversation that a request belongs to.
type Memory struct {
	// ID names the remote memory: the same for every request of one conversation
	// on one channel and key, until it is out of sync. rest sends it as userId,
	// iagent as sender_id, chatnio keeps one socket under it. Empty: the request
	// stands alone.
	ID string
	// InSync: the remote side has seen all messages but the newest.
	InSync bool
	// Any: the request is one message, whose answer depends on nothing else, so that
	// chatnio may put it on any connection that is idle. That remembers nothing any
	// more that could be gone on from.
	Any bool
	// Idle: where chatnio has no idle connection that would do, Open fails with
	// FaultBusy instead of dialling.
	Idle bool
}

// longRequest is the length from which on Room makes room for a message at once.
const longRequest = 64 << 10

// Room returns dst with room for what a dialect makes of r, about, where that is long: a
// buffer that grows until it is large enough takes several times as much.
func (r *Request) Room(dst []byte) []byte {
	const framing = 48 // of a message, and of a part
	n := 0
	for i := range r.Messages {
		n += framing
		for j := range r.Messages[i].Parts {
			p := &r.Messages[i].Parts[j]
			n += framing + len(p.Text) + len(p.URL) + len(p.Data) + len(p.Args) + len(p.ID) + len(p.Name)
		}
	}
	for i := range r.Tools {
		n += framing + len(r.Tools[i].Name) + len(r.Tools[i].Description) + len(r.Tools[i].Schema)
	}
	if n < longRequest {
		return dst
	}
	return slices.Grow(dst, n+n/16)
}

// Omits reports whether the member at path is among Omit.
func (r *Request) Omits(path string) bool { return slices.Contains(r.Omit, path) }

// Newest returns the question: the last message that is no system message, the last one if
// all are, or nil when there is none.
func (r *Request) Newest() *Message {
	if len(r.Messages) == 0 {
		return nil
	}
	return &r.Messages[Question(r.Messages)]
}

// Question is the index of the last message that is no system message, else of the last
// one; -1 where there is none.
func Question(msgs []Message) int {
	for i := len(msgs) - 1; i >= 0; i-- {
		if msgs[i].Role != RoleSystem {
			return i
		}
	}
	return len(msgs) - 1
}

// Leading is how many system messages msgs begins with.
func Leading(msgs []Message) (n int) {
	for n < len(msgs) && msgs[n].Role == RoleSystem {
		n++
	}
	return n
}

// SystemFirst returns msgs with the system messages before all else, for those who know no
// others. It is msgs itself where they are so already, else a copy.
func SystemFirst(msgs []Message) []Message {
	isSystem := func(m Message) bool { return m.Role == RoleSystem }
	n := Leading(msgs)
	if !slices.ContainsFunc(msgs[n:], isSystem) {
		return msgs
	}
	out := make([]Message, 0, len(msgs))
	for _, m := range msgs {
		if isSystem(m) {
			out = append(out, m)
		}
	}
	for _, m := range msgs {
		if !isSystem(m) {
			out = append(out, m)
		}
	}
	return out
}

// Drop notes that what cannot be said by the upstream's dialect. It notes each
// name once.
func (r *Request) Drop(what string) {
	for _, d := range r.Dropped {
		if d == what {
			return
		}
	}
	r.Dropped = append(r.Dropped, what)
}
