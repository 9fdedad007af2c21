package openai

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// ofOpenAI reports whether a model is one of those that OpenAI serves itself.
func ofOpenAI(model string) bool {
	model = strings.ToLower(strings.TrimPrefix(model[strings.LastIndexByte(model, '/')+1:], "ft:"))
	for _, prefix := range [...]string{"gpt-", "chatgpt-", "o1", "o3", "o4"} {
		if strings.HasPrefix(model, prefix) {
			return !strings.HasPrefix(model, "gpt-oss")
		}
	}
	return false
}

func toldName(name string) string { return translate.ShortName(name, maxName) }

// toldID is the id of a call as the model of req is told it.
func toldID(req *translate.Request, id string) string {
	if len(id) <= maxID || !ofOpenAI(req.Model) {
		return id
	}
	return translate.ShortID(id, maxID)
}
