package front

import (
	"log/slog"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
)

// All is every front that the server has.
var All = []*Front{
	&chatnioFront,
	&restFront,
	&iagentFront,
	&openaiFront,
	&anthropicFront,
	&responsesFront,
	&geminiFront,
	&ollamaFront,
}

// New returns a server for conf's fronts in front of g. It listens nowhere yet.
func New(conf *config.Config, g *proxy.Gateway, log *slog.Logger) *Server {
	return newServer(conf, g, log, All)
}
