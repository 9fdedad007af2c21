package mockmodel

import (
	"strings"
	"time"
)

// The largest numbers that words take.
const (
	maxPieces = 100_000
	maxMillis = 600_000
)

// spec is what a model's name says.
type spec struct {
	script Script // finish, usage and fault
	answer string // the word that decides the content; empty: echo
	n      int    // of long
	per    int
	takes  int // words; 0: any number
	reason bool
	first  time.Duration
	gap    time.Duration
}

// lexer splits a model's name into words without allocating.
type lexer struct{ rest string }

func (l *lexer) word() string {
	i := strings.IndexAny(l.rest, "-+")
	if i < 0 {
		w := l.rest
		l.rest = ""
		return w
	}
	w := l.rest[:i]
	l.rest = l.rest[i+1:]
	return w
}

// number takes the next word if it is a number, and returns otherwise. It is
// never more than most.
func (l *lexer) number(otherwise, most int) int {
	before := l.rest
	w := l.word()
	if w == "" {
		l.rest = before
		return otherwise
	}
	n := 0
	for i := range len(w) {
		if w[i] < '0' || w[i] > '9' {
			l.rest = before
			return otherwise
		}
		n = min(n*10+int(w[i]-'0'), most)
	}
	return n
}

func (l *lexer) millis(otherwise int) time.Duration {
	return time.Duration(l.number(otherwise, maxMillis)) * time.Millisecond
}

// parse reads a model's name.
func parse(model string) spec {
	var sp spec
	for l := (lexer{model}); l.rest != ""; {
		w := l.word()
		if f := faultOf(w); f != 0 {
			sp.script.Fault = f
			continue
		}
		sp.take(w, &l)
	}
	return sp
}

func (sp *spec) take(w string, l *lexer) {
	switch w {
	case "echo", "recall", "say", "unicode", "image", "tool", "tools":
		sp.answer = w
	case "long":
		sp.answer, sp.n = "long", l.number(100, maxPieces)
	case "burst":
		sp.answer, sp.n = "long", l.number(10, maxPieces)
		sp.per = sp.n
	case "per":
		sp.per = l.number(10, maxPieces)
	case "reason":
		sp.reason = true
	case "length":
		sp.script.Finish = FinishLength
	case "filter":
		sp.script.Finish = FinishFilter
	case "nousage":
		sp.script.NoUsage = true
	case "sound":
		sp.script.Sound = true
	case "forget":
		sp.script.Forget = true
	case "first":
		sp.first = l.millis(500)
	case "slow":
		sp.gap = l.millis(100)
	case "times":
		sp.script.Times = max(1, l.number(1, maxPieces))
	case "retry":
		sp.script.Retry = time.Duration(l.number(1, maxMillis)) * time.Second
	case "context":
		sp.script.Fault, sp.script.Status, sp.script.Context = FaultFail, 400, true
	case "takes":
		sp.takes = l.number(1000, maxPieces)
	case "policy":
		sp.script.Fault, sp.script.Status, sp.script.Policy = FaultFail, 400, true
	case "fail":
		sp.script.Fault, sp.script.Status = FaultFail, l.number(500, 1000)
		if sp.script.Status < 400 || sp.script.Status > 599 {
			sp.script.Status = 500
		}
	}
}

// faultOf returns the fault that needs nothing but its word.
func faultOf(w string) Fault {
	switch w {
	case "refuse":
		return FaultRefuse
	case "drop":
		return FaultDrop
	case "hang":
		return FaultHang
	case "stall":
		return FaultStall
	case "stallmid":
		return FaultStallMid
	case "cut0":
		return FaultCut0
	case "cut":
		return FaultCut
	case "garbage":
		return FaultGarbage
	case "garbagemid":
		return FaultGarbageMid
	case "empty":
		return FaultEmpty
	case "blank":
		return FaultBlank
	case "error200":
		return FaultError200
	case "errormid":
		return FaultErrorMid
	case "noend":
		return FaultNoEnd
	case "silent":
		return FaultSilent
	case "double":
		return FaultDouble
	}
	return 0
}
