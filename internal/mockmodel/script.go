package mockmodel

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Turn is one message that the model was given.
type Turn struct {
	Role   string // system, user, assistant or tool
	Text   string // the text parts, joined with newlines; of a tool: its result
	Images int
}

// StepKind says what a [Step] adds to the answer.
type StepKind uint8

// The kinds of steps.
const (
	StepText      StepKind = iota + 1 // Text
	StepReasoning                     // Text
	StepCall                          // Index, ID, Name: a tool call begins
	StepArgs                          // Index, Text: a piece of its arguments
)

// Step is one piece of an answer.
type Step struct {
	Kind  StepKind
	Join  bool // it goes out in the same write as the step before it
	Index int  // of the call, from 0
	Wait  time.Duration
	Text  string
	ID    string
	Name  string
}

// Finish says why an answer ended.
type Finish uint8

// The reasons.
const (
	FinishStop Finish = iota
	FinishLength
	FinishTool
	FinishFilter
)

// Fault says how an answer goes wrong. The zero value is no fault. [Words] tells
// what each does, under the word of the same name.
type Fault uint8

// The faults.
const (
	FaultFail Fault = iota + 1
	FaultRefuse
	FaultDrop
	FaultHang
	FaultStall
	FaultStallMid
	FaultCut0
	FaultCut
	FaultGarbage
	FaultGarbageMid
	FaultEmpty
	FaultBlank
	FaultError200
	FaultErrorMid
	FaultNoEnd
	FaultSilent
	FaultDouble
)

// mid is how many pieces an answer has before a fault in its middle.
const mid = 2

// Script is one answer, fully decided.
type Script struct {
	Steps   []Step
	Finish  Finish
	Input   int64 // words of all messages
	Output  int64 // pieces of Steps
	NoUsage bool  // Input and Output are not to be reported
	Sound   bool  // a transcription tells how long its sound was
	Forget  bool  // stateful dialects do not remember the turn
	Joined  bool  // start and end marks share the writes of the pieces

	Fault   Fault
	Status  int           // FaultFail
	Retry   time.Duration // FaultFail: Retry-After; 0: none
	Context bool          // FaultFail: the refusal is context_length_exceeded
	Takes   int64         // words that the model takes; 0: nothing is said of that
	Policy  bool          // FaultFail: the refusal is content_policy_violation
	Times   int           // the fault is for the first requests only; 0: for all
}

// UnicodeText is what the word unicode answers, in pieces that end between
// code points but not always between grapheme clusters.
const UnicodeText = "漢字かな交じり文 한국어 · 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 · שלום عالم · e\u0301 n\u0303 Z\u0351\u036b · \"quoted\" 'single' \\back\\slash/ · " +
	"line one\nline two\r\n\ttab \b\f · <b>&amp;</b> · \u2028 \u2029 \u001b\u0001 · 𝄞 \U0010fffd end"

// Plan writes the script of model's answer to turns, the last of which is the
// question. tools are the names of the functions offered. It is a pure function.
func Plan(model string, turns []Turn, tools []string) Script {
	sp := parse(model)
	sc := sp.script
	for i := range turns {
		sc.Input += words(turns[i].Text)
	}
	if sc.Takes = int64(sp.takes); sp.takes > 0 && sc.Input > sc.Takes {
		sc.Fault, sc.Status, sc.Context = FaultFail, 400, true
	}
	if sp.reason {
		for _, s := range []string{"Let ", "me ", "think."} {
			sc.Steps = append(sc.Steps, Step{Kind: StepReasoning, Text: s})
		}
	}
	sp.content(&sc, turns, tools)
	sp.pace(sc.Steps)
	sc.Joined = sp.per > 1
	for i := range sc.Steps {
		if sc.Steps[i].Kind != StepCall {
			sc.Output++
		}
	}
	return sc
}

// Succeeds returns sc without its fault: what a request gets after the first
// sc.Times ones.
func (sc Script) Succeeds() Script {
	sc.Fault, sc.Status, sc.Retry, sc.Context, sc.Policy = 0, 0, 0, false, false
	return sc
}

// settle empties the script of an answer that is to have no content.
func (sc Script) settle() Script {
	if sc.Fault == FaultEmpty || sc.Fault == FaultSilent {
		sc.Steps, sc.Finish, sc.Input, sc.Output = nil, FinishStop, 0, 0
	}
	return sc
}

// good reports whether the answer comes whole and without an error.
func (sc *Script) good() bool {
	switch sc.Fault {
	case 0, FaultEmpty, FaultSilent, FaultDouble:
		return true
	}
	return false
}

// delay is how long an answer in one piece takes until its fault or its end.
func (sc *Script) delay() (d time.Duration) {
	for i := range sc.before() {
		d += sc.Steps[i].Wait
	}
	return d
}

// Text returns the text pieces, joined.
func (sc *Script) Text() string {
	var b strings.Builder
	for i := range sc.Steps {
		if sc.Steps[i].Kind == StepText {
			b.WriteString(sc.Steps[i].Text)
		}
	}
	return b.String()
}

// before returns how many steps come before the fault.
func (sc *Script) before() int {
	switch sc.Fault {
	case FaultStallMid, FaultCut, FaultGarbageMid, FaultErrorMid:
		return min(mid, len(sc.Steps))
	case FaultStall, FaultCut0, FaultGarbage, FaultError200, FaultEmpty, FaultBlank, FaultSilent:
		return 0
	}
	return len(sc.Steps)
}

// words counts as strings.Fields does, for ASCII space, without a slice.
func words(s string) (n int64) {
	in := false
	for i := 0; i < len(s); i++ {
		space := s[i] <= ' '
		if !space && !in {
			n++
		}
		in = !space
	}
	return n
}

// content appends the steps of the answer proper.
func (sp *spec) content(sc *Script, turns []Turn, tools []string) {
	switch sp.answer {
	case "recall":
		recall(sc, turns)
	case "say":
		runes(sc, lastUser(turns))
	case "long":
		numbered(sc, sp.n)
	case "unicode":
		pieces(sc, UnicodeText, 7)
	case "image":
		n := 0
		for i := range turns {
			n += turns[i].Images
		}
		sc.text("I see ", strconv.Itoa(n), " images")
	case "tool", "tools":
		calls(sc, sp.answer == "tools", turns, tools)
	default:
		n := 0
		for i := range turns {
			if turns[i].Role != "system" {
				n++
			}
		}
		sc.text("Hello", ", ", "you said ", `"`+lastUser(turns)+`"`, " (n="+strconv.Itoa(n)+")")
	}
}

func (sc *Script) text(pieces ...string) {
	for _, s := range pieces {
		sc.Steps = append(sc.Steps, Step{Kind: StepText, Text: s})
	}
}

func lastUser(turns []Turn) string {
	for i := len(turns) - 1; i >= 0; i-- {
		if turns[i].Role == "user" {
			return turns[i].Text
		}
	}
	return ""
}

func recall(sc *Script, turns []Turn) {
	for i := range turns {
		s := turns[i].Role + ": " + turns[i].Text
		if i > 0 {
			s = " | " + s
		}
		sc.text(s)
	}
}

// runes cuts s after every code point; a long one into 10,000 pieces.
func runes(sc *Script, s string) {
	if s != "" {
		pieces(sc, s, 1+utf8.RuneCountInString(s)/10_000)
	}
}

// pieces cuts s after every size code points.
func pieces(sc *Script, s string, size int) {
	start, n := 0, 0
	for i := range s {
		if n == size {
			sc.text(s[start:i])
			start, n = i, 0
		}
		n++
	}
	sc.text(s[start:])
}

// numbered writes all pieces into one string: two allocations for any n.
func numbered(sc *Script, n int) {
	all := make([]byte, 0, n*8)
	for i := range n {
		all = append(all, 'w')
		all = strconv.AppendInt(all, int64(i), 10)
		all = append(all, ' ')
	}
	text := string(all)
	steps := make([]Step, len(sc.Steps), len(sc.Steps)+n)
	copy(steps, sc.Steps)
	for range n {
		end := strings.IndexByte(text, ' ') + 1
		steps = append(steps, Step{Kind: StepText, Text: text[:end]})
		text = text[end:]
	}
	sc.Steps = steps
}

func calls(sc *Script, two bool, turns []Turn, tools []string) {
	if n := len(turns); n > 0 && turns[n-1].Role == "tool" {
		first := n - 1
		for first > 0 && turns[first-1].Role == "tool" {
			first--
		}
		sc.text("tool said: ", turns[first].Text)
		for _, t := range turns[first+1:] {
			sc.text("; ", t.Text)
		}
		return
	}
	sc.Finish = FinishTool
	call(sc, 0, toolName(tools, 0), lastUser(turns))
	if two {
		call(sc, 1, toolName(tools, 1), lastUser(turns))
	}
}

func toolName(tools []string, i int) string {
	if len(tools) == 0 {
		return "lookup"
	}
	return tools[min(i, len(tools)-1)]
}

func call(sc *Script, index int, name, text string) {
	id := "call_" + strconv.Itoa(index+1)
	sc.Steps = append(sc.Steps, Step{Kind: StepCall, Index: index, ID: id, Name: name})
	for _, s := range []string{`{"q":`, string(quote(nil, text)), "}"} {
		sc.Steps = append(sc.Steps, Step{Kind: StepArgs, Index: index, Text: s})
	}
}

// pace sets the waits and joins the pieces of one write.
func (sp *spec) pace(steps []Step) {
	for i := range steps {
		switch {
		case i == 0:
			steps[i].Wait = sp.first
		case sp.per > 1 && i%sp.per != 0:
			steps[i].Join = true
		default:
			steps[i].Wait = sp.gap
		}
	}
}
