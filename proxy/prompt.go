package proxy

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// prompt is what is asked: the question with all that goes before it. It is decoded and
// hashed at most once, when that is first needed.
type prompt struct {
	req     translate.Request   // the question with its history
	lazy    translate.Dialect   // decodes req, if that was not done yet
	added   []translate.Message // what this question adds to it
	media   bool                // added holds images, voice or video of iagent
	window  int                 // messages kept before the newest; negative: all
	reading int                 // bytes of the conversation that are read at most, see Plan.reading
	unread  int                 // messages of the conversation that were not read
	anew    anew                // of a question that is asked again
	scope   string              // whose remote memories may be used
	stored  [2]int              // where in req the stored messages are, from and to
	hash    fingerprint         // of all messages of req but the newest, once it was needed
	hashed  bool                // hash is known
}
