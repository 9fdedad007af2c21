package upstream

import (
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/translate"
)

// streamOptions is the member that is added to streamed questions of the openai dialect, also
// to those that pass through.
const streamOptions = "stream_options"

// without is body without what req omits. What was only added is no loss to the client.
func without(body []byte, req *translate.Request) []byte {
	left, omitted := translate.Omit(body, req.Omit)
	for _, path := range omitted {
		if path != streamOptions || req.UsageInStream {
			req.Drop(path)
		}
	}
	return left
}

// namesMembers reports whether a refusal with this status may name members that the back
// end does not know.
func namesMembers(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

// omissible returns those of named, which a refusal names, that can be left out of the
// message for req. A question that passes through keeps what its client said in its own
// dialect: its refusal is the client's to read.
func (u *httpUpstream) omissible(req *translate.Request, named []string) []string {
	if req.Opaque != nil {
		return nil // nothing of it is ever changed
	}
	if req.PassThrough {
		named = slices.DeleteFunc(named, func(path string) bool { return path != streamOptions && path != streamOptions+".include_usage" })
		if len(named) > 0 {
			named = []string{streamOptions}
		}
	}
	named = slices.DeleteFunc(named, func(path string) bool { return slices.Contains(u.needs, path) })
	if len(named) == 0 {
		return nil
	}
	again := *req
	again.Dropped = slices.Clone(req.Dropped)
	body, err := u.dialect.AppendRequest(nil, &again)
	if err != nil {
		return nil
	}
	if len(again.Omit) > 0 && !again.PassThrough {
		body, _ = translate.Omit(body, again.Omit)
	}
	return translate.Omissible(body, named)
}

// chatMembers are what a chatnio server may refuse of a question that means the same without it.
var chatMembers = []string{"max_tokens", "top_k", "temperature", "top_p", "presence_penalty", "frequency_penalty", "repetition_penalty"}

// chatWithout is without for a frame of a chatnio channel.
func chatWithout(frame []byte, req *translate.Request) []byte {
	if len(req.Omit) == 0 {
		return frame
	}
	// The other name of max_tokens is none of this dialect's.
	left, omitted := translate.Omit(frame, append(slices.Clone(req.Omit), "max_completion_tokens"))
	for _, path := range omitted {
		req.Drop(path)
	}
	return left
}

// chatOmissible returns those of the members that a chatnio server's words name that the frame
// of a question has and that can be left out of it.
func chatOmissible(frame, words []byte) []string {
	named := translate.Omissible(frame, translate.UnknownMembers(words))
	return slices.DeleteFunc(named, func(path string) bool { return !slices.Contains(chatMembers, path) })
}
