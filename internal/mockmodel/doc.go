// Package mockmodel is a scripted model. A channel of kind mock answers with it
// inside the process ([Model]); `dragoman mock` serves it as five kinds of
// upstream on one port ([Server]); tests and benchmarks run against either.
//
// It shares no code with the dialects of the gateway: what it reads and writes
// on the wire was written from the protocol documents a second time, so that a
// mistake made alike in a decoder and an encoder still shows.
//
// # The model's name is the script
//
// A name is a list of words joined with - or +. Some words take a number, which
// is the next word. Unknown words mean nothing, so mock-echo, small and gpt-4o
// are all plain echo. Words combine: long-50-slow-20-cut sends numbered pieces
// 20 ms apart and breaks off after two of them.
//
// What it answers (the last such word counts):
//
//	echo       Hello, you said "LAST USER TEXT" (n=MESSAGES WITHOUT SYSTEM), in 5 pieces; the default
//	recall     every message it was given: system: S | user: A | assistant: B | user: C
//	say        the last user text itself, one piece per character
//	long-N     N numbered pieces: w0 w1 w2 … (100)
//	burst-N    long-N in a single write (10)
//	unicode    UnicodeText: CJK, emoji, right to left, combining marks, escapes
//	image      I see N images
//	tool       calls the first tool offered, or lookup, with {"q":"LAST TEXT"} in 3 pieces;
//	           after a tool's result it answers: tool said: RESULT
//	tools      two such calls in parallel
//
// How it answers:
//
//	reason     three pieces of reasoning come first
//	length     the answer ends for its length
//	filter     the answer ends for a content filter
//	nousage    no usage is reported (chatnio: quota stays 0)
//	forget     chatnio, rest, iagent: the turn is not remembered
//	first-N    N milliseconds before the first piece (500)
//	slow-N     N milliseconds between pieces (100)
//	per-N      N pieces in one write (10)
//	times-N    the fault below only for the first N requests with this name (1)
//
// How it fails:
//
//	fail-S     refuses with HTTP status S (500), in the dialect's own form
//	retry-N    with fail: Retry-After: N seconds (1)
//	context    refuses with 400 context_length_exceeded
//	takes-N    refuses so where all messages together have more than N words, which it
//	           counts as tokens (1000)
//	policy     refuses with 400 content_policy_violation
//	refuse     in the process: the dial fails; served: like drop
//	drop       reads the request, then closes without a byte
//	hang       never answers, not even with headers
//	stall      headers and start, then silence
//	stallmid   silence after two pieces
//	cut0       the connection is cut after headers and start
//	cut        the connection is cut after two pieces, within a chunk
//	garbage    status 200 and nonsense
//	garbagemid nonsense after two pieces; iagent: a reply to the question that says nothing
//	empty      a well-formed answer with no content and no usage
//	blank      status 200 and an empty body, or no events at all
//	error200   an error object inside status 200, before any content
//	errormid   an error in the stream after two pieces
//	noend      all of the text, then the end of the connection without an end mark; an
//	           iagent reply is whole without one
//	silent     iagent: resp_code 10; elsewhere like empty
//	double     chatnio: two end frames; iagent: two replies
//
// The counts it reports: input is the number of words of all messages, output
// the number of pieces.
package mockmodel

// Word is one word of the vocabulary.
type Word struct {
	Name    string // as written in a model's name, with -N where a number may follow
	Meaning string
}

// Words is the vocabulary, in the order of the package comment. It must not be
// changed.
var Words = []Word{
	{"echo", "repeats the last user text; the default"},
	{"recall", "lists every message it was given"},
	{"say", "the last user text itself, one piece per character"},
	{"long-N", "N numbered pieces: w0 w1 w2 …"},
	{"burst-N", "N numbered pieces in a single write"},
	{"unicode", "CJK, emoji, right to left, combining marks, escapes"},
	{"image", "says how many images it saw"},
	{"tool", "calls the first tool offered, or lookup; then repeats its result"},
	{"tools", "two tool calls in parallel"},
	{"reason", "reasoning first"},
	{"length", "ends for its length"},
	{"filter", "ends for a content filter"},
	{"nousage", "reports no usage"},
	{"forget", "chatnio, rest, iagent: the turn is not remembered"},
	{"first-N", "N ms before the first piece"},
	{"slow-N", "N ms between pieces"},
	{"per-N", "N pieces in one write"},
	{"times-N", "the fault happens for the first N requests only"},
	{"fail-S", "refuses with HTTP status S"},
	{"retry-N", "with fail: Retry-After N seconds"},
	{"context", "refuses with 400 context_length_exceeded"},
	{"takes-N", "refuses so beyond N words of all messages"},
	{"policy", "refuses with 400 content_policy_violation"},
	{"refuse", "in the process: the dial fails; served: like drop"},
	{"drop", "reads the request, then closes without a byte"},
	{"hang", "never answers, not even with headers"},
	{"stall", "headers and start, then silence"},
	{"stallmid", "silence after two pieces"},
	{"cut0", "cuts the connection after headers and start"},
	{"cut", "cuts the connection after two pieces"},
	{"garbage", "status 200 and nonsense"},
	{"garbagemid", "nonsense after two pieces"},
	{"empty", "a well-formed answer without content"},
	{"blank", "status 200 and no body or events"},
	{"error200", "an error object inside status 200"},
	{"errormid", "an error after two pieces"},
	{"noend", "all of the text, but no end mark"},
	{"silent", "iagent: resp_code 10; elsewhere like empty"},
	{"double", "chatnio: two end frames; iagent: two replies"},
}
