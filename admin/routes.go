package admin

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

// route is one call of the API. handle writes its answer, or returns an error and
// has written nothing; a *translate.Error decides about the status.
type route struct {
	method, path string
	needs        right
	handle       func(s *Server, w http.ResponseWriter, r *http.Request) error
}

// routes is the table of all calls.
func routes() []route {
	return []route{
		{"GET", "/api/health", mayNothing, (*Server).state},
		{"GET", "/readyz", mayNothing, (*Server).state},
		{"GET", "/livez", mayNothing, (*Server).alive},
		{"GET", "/api/token", mayRead, (*Server).rights},
		{"GET", "/api/channels", mayRead, (*Server).channels},
		{"POST", "/api/channels/{id}/open", mayAll, force(channel.ForceOpen)},
		{"POST", "/api/channels/{id}/close", mayAll, force(channel.ForceClose)},
		{"POST", "/api/channels/{id}/drain", mayAll, force(channel.ForceDrain)},
		{"POST", "/api/channels/{id}/auto", mayAll, force(channel.ForceNothing)},
		{"POST", "/api/channels/{id}/test", mayAll, (*Server).testChannel},
		{"GET", "/api/channels/{id}/failures", mayRead, (*Server).failures},
		{"GET", "/api/overview", mayRead, (*Server).overviewOf},
		{"GET", "/api/traffic", mayRead, (*Server).trafficOf},
		{"GET", "/api/timeline", mayRead, (*Server).timelineOf},
		{"PUT", "/api/channels/{id}/weight", mayAll, (*Server).setWeight},
		{"DELETE", "/api/channels/{id}/weight", mayAll, (*Server).unsetWeight},
		{"GET", "/api/exchanges", mayRead, (*Server).exchanges},
		{"GET", "/api/events", mayRead, (*Server).events},
		{"GET", "/api/conversations", mayRead, (*Server).conversations},
		{"GET", "/api/conversations/{id}", mayAll, (*Server).conversation},
		{"POST", "/api/conversations/{id}/clear", mayAll, (*Server).clear},
		{"DELETE", "/api/conversations/{id}", mayAll, (*Server).forget},
		{"GET", "/api/callers", mayRead, (*Server).callers},
		{"GET", "/api/limits", mayRead, (*Server).limits},
		{"POST", "/api/limits/what-if", mayRead, (*Server).foreseeLimits},
		{"GET", "/api/sockets", mayRead, (*Server).sockets},
		{"POST", "/api/sockets/{id}/close", mayAll, (*Server).closeSocket},
		{"GET", "/api/playground", mayRead, (*Server).protocols},
		{"POST", "/api/playground", mayAll, (*Server).play},
		{"GET", "/api/openapi.json", mayNothing, (*Server).document},
		{"GET", "/api/explain/{id}", mayRead, (*Server).explain},
		{"POST", "/api/explain", mayRead, (*Server).foresee},
		{"GET", "/api/captures", mayRead, (*Server).captures},
		{"POST", "/api/captures", mayAll, (*Server).startCapture},
		{"DELETE", "/api/captures/{caller}", mayAll, (*Server).endCapture},
		{"GET", "/api/captures/exchanges/{id}", mayAll, (*Server).captured},
		{"DELETE", "/api/captures", mayAll, (*Server).clearCaptures},
		{"GET", "/api/keys", mayRead, (*Server).keys},
		{"POST", "/api/keys", mayAll, (*Server).addKey},
		{"DELETE", "/api/keys/{id}", mayAll, (*Server).revokeKey},
		{"GET", "/api/ledger", mayRead, (*Server).ledger},
		{"POST", "/api/reload", mayAll, (*Server).reload},
		{"GET", "/api/configuration", mayRead, (*Server).configuration},
		{"POST", "/api/configuration/validate", mayAll, (*Server).validate},
		{"POST", "/api/configuration/diff", mayAll, (*Server).diff},
		{"POST", "/api/configuration/apply", mayAll, (*Server).apply},
		{"GET", "/api/configuration/history", mayRead, (*Server).history},
		{"GET", "/api/configuration/history/{revision}", mayRead, (*Server).revision},
		{"POST", "/api/configuration/rollback", mayAll, (*Server).rollback},
		{"GET", "/metrics", mayRead, (*Server).metrics},
	}
}
