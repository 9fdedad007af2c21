package front

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// responsesFront is the server side of OpenAI's Responses API. The lists of models share their
// paths with openai's.
var responsesFront = Front{
	dialect: responses.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: "/v1/responses", Handle: (*call).ask},
		}
	},
	entry: "/v1",
	base:  "/v1",
	owns:  "/v1/responses",
	instead: func(path string) string {
		if strings.HasPrefix(path, "/v1/responses/") {
			return "POST /v1/responses"
		}
		return ""
	},

	token:   (*call).bearer,
	limit:   func(s *settings) int { return int(s.OpenAI.MaxBody) },
	newID:   func() string { return ids.New("resp_") },
	status:  responses.Status,
	repeats: true,
}
