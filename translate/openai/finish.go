package openai

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// finishFailed is what finishOf returns for a word that tells of a failure.
const finishFailed translate.Finish = 255

// finishOf returns what a finish_reason means, finishFailed for one that tells of a
// failure.
func finishOf(reason []byte) translate.Finish {
	switch string(reason) { // nearly always
	case "stop":
		return translate.FinishStop
	case "length":
		return translate.FinishLength
	case "tool_calls":
		return translate.FinishTool
	}
	f, failed := translate.FinishOf(reason)
	if failed {
		return finishFailed
	}
	return f
}

// brokenOff is the failure that a finish_reason tells of.
func brokenOff(reason []byte) error {
	return translate.InBand(translate.Refusal{Code: string(reason), Message: "finish_reason " + string(reason)})
}

// failure returns what v, the value of a frame or a body, says in place of an answer;
// nil: it is one. data is its text, odd what oddTop says of it: there is no error in a
// frame that has nothing but OpenAI's members.
func failure(v *fastjson.Value, data []byte, odd bool) error {
	if !odd || !translate.Failed(v, "choices", "usage") {
		return nil
	}
	return translate.FailedIn(data)
}

func holdsOne(v *fastjson.Value, keys ...string) bool {
	for _, key := range keys {
		if holds(v.Get(key)) {
			return true
		}
	}
	return false
}

// holds reports whether v says anything: it is not empty, zero or false, nor made of
// nothing else.
func holds(v *fastjson.Value) bool { return translate.Holds(v) }
