package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/proxy/watchdog"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What an exchange knows, by the stage that writes it. The types stand together, below all
// that works on them, so that the other files of the package can be read in an order: prompt,
// answer, attempt and report each by itself, then the search, then Pending and Exchange.

// Exchange is one question and its answer. It is a translate.Stream. The turn is
// stored when the finish is seen, before Next returns it, so that an end mark never
// goes out for what a crash could lose; Close settles the rest. It must be closed.
// One goroutine uses it; to stop it from another, cancel the context it was opened
// with. It holds that context, since it is that context's life.
type Exchange struct {
	g     *Gateway
	q     Question      // as its front put it; nobody writes to it
	plan  *routing.Plan // that it is under, to its end; nil: the gateway was stopping already
	ctx   context.Context
	began time.Time
	whole bool // its client waits for the complete answer
	phase phase

	ticket  admission.Ticket // what it holds under the limits and the budget of its caller
	prompt  prompt           // what is asked
	attempt attempt          // the newest one: the channel that answers
	answer  answer           // what has come of it
	report  report           // what is told of it
	err     *translate.Error
}

// phase is how far an exchange has come. It only grows.
type phase uint8

const (
	asking    phase = iota // a channel is sought
	committed              // Open has returned it: no other channel any more
	estimated              // the estimate of its usage was given out, its end is next
	returned               // slot, ticket and connection are back; only the report is open
	settled                // nothing may be touched
)

// Pending is a question up to its commit point. It alone can wait, be refused, or go to
// another channel: nothing of that can be reached from an [Exchange], which Open makes of
// it. Open or Dismiss must be called. One goroutine uses it.
type Pending struct {
	x    Exchange
	told func(limiter.State) // how the limits stand; nil: nobody
	// cacheOnly is why only a cached answer may be given; nil: any may.
	cacheOnly *translate.Error
	over      bool // it was opened or dismissed
}

// search is the scratch of the choice of a channel, which is over at the commit point. It lives on
// the stack of Open: nothing may keep it.
type search struct {
	x *Exchange // that it is for

	at [routing.LargeTier - 1]*channel.Candidate // room for a choice, see pickFrom

	began   time.Time
	skipped []channel.Skip      // candidates that were not asked
	known   int                 // how many of them are of earlier routes
	later   []*routing.Route    // what is searched after the present one
	tier    []channel.Candidate // that the newest attempt's candidate is of
	next    channel.Lease       // of the attempt that comes
	retry   *channel.Candidate  // the one that may get a second try
	pause   time.Duration       // the least before it
	empties int                 // answers without content
	again   *channel.Candidate  // the one that is to be asked once more, in another form
	cuts    int                 // how often less was sent, of the present route
	most    int                 // bytes that may be sent now; 0: what the model takes
	handed  *fairqueue.Slots    // a slot that was handed over, until it is used
	model   string              // as the client wrote it, of a question that was lent
	dropped []string            // the same
	place   uint64              // in the room of those that wait for a full channel
}

// prompt is what is asked: the question with all that goes before it. It is decoded and
// hashed at most once, when that is first needed.
type prompt struct {
	q        *Question
	model    *Model             // of the plan that it is asked under
	turn     *conversation.Turn // its place in its conversation; nil: it stands alone
	memories *memories
	req      translate.Request        // the question with its history
	lazy     translate.Dialect        // decodes req, if that was not done yet
	added    []translate.Message      // what this question adds to it
	media    bool                     // added holds images, voice or video of iagent
	hashed   bool                     // hash is known
	window   int                      // messages kept before the newest; negative: all
	reading  int                      // bytes of the conversation that are read at most, see Plan.reading
	unread   int                      // messages of the conversation that were not read
	anew     anew                     // of a question that is asked again
	scope    string                   // whose remote memories may be used
	stored   [2]int                   // where in req the stored messages are, from and to
	hash     conversation.Fingerprint // of all messages of req but the newest, once it was needed
}

// attempt is one try on one channel: the newest one, from its lease to the end of its
// answer.
type attempt struct {
	lease       channel.Lease
	omit        []string      // what was left out of the question
	peers       time.Duration // what the quickest other one of its tier would be given; 0: there is none
	opened      time.Time     // when the channel's Open returned
	watchdog    *watchdog.Timer
	early       watchdog.Timer // of the first attempt
	stop        func()         // ends its context
	stream      translate.Stream
	load        int                    // bytes that it was sent of a conversation, see channel.ContextWindow; 0: none
	length      int                    // the same, as usage is estimated
	remote      string                 // name of the conversation on a stateful channel
	inputTokens int64                  // estimated, once it was
	span        translate.TraceContext // that its channel is told of, if there are traces
	hurried     bool                   // it is given no more than peers
	outlives    bool                   // it outlives its client
	detached    bool                   // its client has left it
	spare       bool                   // less of the conversation could have been sent
	inSync      bool                   // the channel remembers what went before
	passThrough bool                   // the answer is in the client's own dialect
}

// answer is what has come of an attempt.
type answer struct {
	copies    []byte            // what held events refer to
	held      []translate.Event // what came before the commit point
	heldAt    int               // the next of them
	first     translate.Event   // the first content
	hasFirst  bool              // it was not given out yet
	collected translate.Answer  // usage and, where it is needed, all of it
	raw       []byte            // a whole answer as it came
	label     string            // its Content-Type, if it passes by unread
	signed    []string          // calls with proofs that other processes are to know
	textBytes int
	shown     bool              // some of it was text
	thought   bool              // some of it was thought
	doubted   bool              // some of the usage that was reported cannot be
	excess    bool              // because it is more than any model can use
	complete  bool              // its end mark was seen
	stored    bool              // the turn is
	unnoted   bool              // the turn failed, and is not stored with its error
	cached    bool              // it was kept
	call      *answercache.Call // others wait for it
}

// report is what is told of an exchange: to explain, to the ledger, to metrics and the log.
type report struct {
	trace    *journal.Trace // nil: it is kept
	rows     []leg          // for the ledger
	row      [1]leg
	attempts int
	failures []channel.Failure
	waited   time.Duration // for a full channel, or for a dial
	timing   Timing
	used     translate.Usage        // that is paid for
	cost     int64                  // of it, in billionths
	keeps    bool                   // there is a ledger
	span     translate.TraceContext // of the exchange; none: there are no traces
	parent   [8]byte                // that its client named
	answered string                 // what the model of a streamed answer calls itself, if the span is kept
}

// anew is what is known of a question that is asked again.
type anew struct {
	marks      []store.Remark // of what the new answer takes the place of
	replace    int            // how many these are
	unanswered bool           // nothing was: the question failed
	question   store.Message  // if so
	back       int            // how many messages are newer than it
}

// memories are what stateful channels remember of conversations.
type memories struct {
	conversation.Hasher
	*conversation.Memories[holder]
}

// holder is who remembers a conversation: a channel, and an agent behind it where it has
// several with a memory each.
type holder struct {
	ch    *channel.Channel
	agent string
}

// leg is one attempt as the ledger will have it.
type leg struct {
	ch       *channel.Channel
	upstream string
	at       time.Time
	took     time.Duration
	open     time.Duration
	first    time.Duration
	queue    time.Duration
	usage    translate.Usage // of a failed one: what was reported
	err      *translate.Error
	over     bool
}

// What is told of exchanges; see package journal.
type (
	Explanation = journal.Explanation
	Candidate   = journal.Candidate
	Attempt     = journal.Attempt
	Spent       = journal.Spent
	Same        = journal.Same
	Timing      = journal.Timing
)

// patient is a stream that can be waited for with less in memory than its Next needs.
type patient interface{ Wait() }

// dialTime is how long after it was put a question may still wait for its dial.
const dialTime = lastAttempt

// Bounds of the search for a channel (docs/rules/channels.md 1 and 2).
const (
	maxAttempts  = journal.MaxAttempts
	lastAttempt  = 30 * time.Second // none begins later than this after the question
	firstWithAlt = 10 * time.Second // auto: while another candidate is left
	firstAlone   = 120 * time.Second
	shortWait    = 2 * time.Second // a Retry-After that is waited for where there is no alternative
)
