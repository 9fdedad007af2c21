package front

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// openaiFront is the server side of OpenAI's chat completions.
var openaiFront = Front{
	dialect: openai.Dialect,
	routes: func() []Route {
		return append([]Route{
			{Method: "POST", Path: "/v1/chat/completions", Handle: (*call).ask},
			{Method: getHead, Path: "/v1/models", Handle: listModels, Shared: true},
			{Method: getHead, Path: "/api/v1/models", Handle: listModels, Shared: true}, // as chatnio's servers have it
			{Method: getHead, Path: "/v1/models/{id:*}", Handle: oneModel, Shared: true},
		}, endpointRoutes()...)
	},
	entry: "/v1",
	base:  "/v1",
	instead: func(path string) string {
		switch {
		case strings.HasPrefix(path, "/v1/chat/"):
			return "POST /v1/chat/completions"
		}
		return ""
	},

	token:   (*call).bearer,
	limit:   func(s *settings) int { return int(s.OpenAI.MaxBody) },
	newID:   func() string { return ids.New("chatcmpl-") },
	status:  openai.Status,
	repeats: true,
	mark:    "data: [DONE]\n\n",
	word:    "[DONE]",

	appendModels: func(dst []byte, names []string) []byte {
		list := make([]openai.Model, 0, len(names))
		for _, n := range names {
			list = append(list, openai.Model{ID: n, Created: modelsSince, Owner: "dragoman"})
		}
		return openai.AppendModels(dst, list)
	},
	appendModel: func(dst []byte, name string) []byte {
		return openai.AppendModel(dst, openai.Model{ID: name, Created: modelsSince, Owner: "dragoman"})
	},
}
