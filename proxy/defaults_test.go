package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What the record of a channel goes by, as its own tests check it.
const (
	openAfter  = 5 // failures in a row
	openFirst  = 2 * time.Second
	coolFirst  = time.Second
	asideFirst = 10 * time.Second // a key that was refused
	trialsMost = 10               // refused keys that a server is shown an hour
	paceFrom   = 20               // answers, before they say how long one is worth waiting for
	paceLeast  = 5 * time.Second  // that is waited for
	maxCost    = store.MaxCost    // of one answer
	readLeast  = 64 << 10         // bytes of a conversation that are read for a question
	readTimes  = 4                // what a model takes, the same
	lagMost    = time.Minute      // that a slow channel comes after the others
)

var down = &translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "down"}

// breaks is a request to what has the record, which fails.
func breaks(r *channel.Record) {
	if done := r.Allow(); done != nil {
		r.Report(time.Now(), done, down)
	}
}
