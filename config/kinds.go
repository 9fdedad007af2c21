package config

import "slices"

// Kind holds the facts of one kind of channel and of its dialect that need no codec.
// Every difference between kinds that is not the protocol itself is a fact here, so that
// no package but the two ends of the protocol names a kind.
type Kind struct {
	Name string
	// Dialect is the wire protocol of such a channel: questions of clients of that dialect
	// pass through to it as they are. Empty: none, every question is translated.
	Dialect string
	// Provider is the gen_ai.provider.name of OpenTelemetry's conventions, where that is not the
	// name of the kind.
	Provider string

	// Schemes are those that a URL of the kind may have. None: it has no URL.
	Schemes []string
	// Settings are the keys of a channel that this kind has and not every other.
	Settings []string
	// KeyQuery is the parameter of the query in which the key goes; empty: in a header.
	KeyQuery string

	// History is how such a channel comes to know the earlier messages of a conversation.
	History History
	// Agents: each model is an agent with a memory of its own; else a model is only a setting
	// of one question.
	Agents bool
	// UserFirst: a conversation must begin with the user.
	UserFirst bool
	// Media: a reference to a picture, a voice message or a film can be sent as a question.
	Media bool
	// Whole: answers come in one piece, also those that were asked for as a stream.
	Whole bool
	// Varied: many vendors' servers speak it, with members of their own for thoughts and
	// signatures that have to be sent back. Which of them a server has is learnt.
	Varied bool
	// Signs: models sign the calls that they make, and want the signatures back with them.
	Signs bool
	// Bans: servers ban addresses that show them too many bad keys.
	Bans bool

	// TextOnly: clients of the dialect see the text of an answer and nothing else of it, no
	// reason of its end either.
	TextOnly bool
	// Empty: an answer without any content is one, for clients of the dialect.
	Empty bool
	// NoModel: clients of the dialect choose a model by its name, and can be told that there
	// is none.
	NoModel bool
}

// History is how a kind of channel comes to know the earlier messages of a conversation.
type History uint8

const (
	// HistorySent: all messages are sent with each question. The channel remembers nothing.
	HistorySent History = iota
	// HistoryMask: the channel remembers; messages that it does not know go ahead as a mask.
	HistoryMask
	// HistoryFold: the channel remembers; messages that it does not know are folded into the
	// text of the question.
	HistoryFold
)

// Kinds is the table of all kinds. It is never changed.
var Kinds = []Kind{
	{
		Name: "chatnio", Dialect: "chatnio", Schemes: socketSchemes,
		Settings: []string{"dials", "proxy", "headers", "query", "max_age"},
		History:  HistoryMask, Bans: true, TextOnly: true,
	},
	{
		Name: "rest", Dialect: "rest", Schemes: httpSchemes,
		Settings: []string{"fold", "auth", "proxy", "headers", "query", "max_age"},
		History:  HistoryFold, TextOnly: true,
	},
	{
		Name: "iagent", Dialect: "iagent", Schemes: socketSchemes,
		Settings: []string{"connections", "agent", "fold", "proxy", "headers", "query", "max_age"}, KeyQuery: "app_token",
		History: HistoryFold, Agents: true, Media: true, Whole: true, TextOnly: true,
	},
	{
		Name: "openai", Dialect: "openai", Schemes: httpSchemes,
		Settings: []string{"auth", "proxy", "headers", "query", "max_age"},
		Varied:   true, NoModel: true,
	},
	{
		Name: "anthropic", Dialect: "anthropic", Schemes: httpSchemes,
		Settings:  []string{"auth", "proxy", "headers", "query", "max_age"},
		UserFirst: true, Empty: true, NoModel: true,
	},
	{
		Name: "responses", Dialect: "responses", Schemes: httpSchemes,
		Settings: []string{"auth", "proxy", "headers", "query", "max_age"},
		NoModel:  true,
	},
	{
		Name: "gemini", Dialect: "gemini", Provider: "gcp.gemini", Schemes: httpSchemes,
		Settings:  []string{"auth", "proxy", "headers", "query", "max_age"},
		UserFirst: true, Signs: true, NoModel: true,
	},
	{
		Name: "ollama", Dialect: "ollama", Schemes: httpSchemes,
		Settings: []string{"auth", "proxy", "headers", "query", "max_age"},
		NoModel:  true,
	},
	{Name: "mock"},
}

var (
	socketSchemes = []string{"ws", "wss", "http", "https"}
	httpSchemes   = []string{"http", "https"}
)

var noKind Kind // never changed

// KindOf returns the facts of the kind with that name. Of a name that is none there are
// no facts: the zero Kind.
func KindOf(name string) *Kind {
	for i := range Kinds {
		if Kinds[i].Name == name {
			return &Kinds[i]
		}
	}
	return &noKind
}

// Socket reports whether channels of the kind are WebSockets.
func (k *Kind) Socket() bool { return slices.Contains(k.Schemes, "ws") }

// Remembers reports whether such a channel remembers conversations.
func (k *Kind) Remembers() bool { return k.History != HistorySent }

// kindNames are the names of the kinds for which want holds, in the order of the table.
func kindNames(want func(*Kind) bool) (names []string) {
	for i := range Kinds {
		if want(&Kinds[i]) {
			names = append(names, Kinds[i].Name)
		}
	}
	return names
}
