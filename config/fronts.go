package config

import "time"

// Rest has the settings of the rest front.
type Rest struct {
	// SharedGroups makes it one conversation for all members of a group. Default
	// false.
	SharedGroups bool `yaml:"shared_groups"`
	// MaxBody is how long a request may be. Default 1MiB.
	MaxBody Size `yaml:"max_body" default:"1MiB" min:"1"`
}

// IAgent has the settings of the iagent front.
type IAgent struct {
	// Groups says which group messages are answered: always, addressed or never.
	Groups string `yaml:"groups" default:"always"`
	// Name is the id of the default agent. Default agent.
	Name string `yaml:"name" default:"agent"`
	// Dedupe is for how long a message that comes twice is answered once. Default
	// 5m.
	Dedupe time.Duration `yaml:"dedupe" default:"5m"`
	// Sockets is how many connections a caller may have at once. Default 64.
	Sockets int `yaml:"sockets" default:"64" min:"1"`
}

// Chatnio has the settings of the chatnio front.
type Chatnio struct {
	// Sockets is how many connections a caller may have at once; those that have not
	// signed in, and anonymous ones, count for their address. Default 4096.
	Sockets int `yaml:"sockets" default:"4096" min:"1"`
	// PublicModels makes /v1/market and /v1/charge name all models to everybody, as the
	// web application needs it, which reads them once, before its user has signed in;
	// charge says which of them need a key. Where it is false, callers see those that
	// they may use. Default true.
	PublicModels *bool `yaml:"public_models" default:"true"`
}

// OpenAI has the settings of the openai and responses fronts.
type OpenAI struct {
	// MaxBody is how long a request may be. Default 32MiB.
	MaxBody Size `yaml:"max_body" default:"32MiB" min:"1"`
	// MaxUpload is how long a form with files may be, which goes to the disk where it is longer than
	// 1MiB. Default 64MiB.
	MaxUpload Size `yaml:"max_upload" default:"64MiB" min:"1"`
	// Sockets is how many WebSockets of the responses front a caller may have at once; anonymous
	// ones count for their address. Default 256.
	Sockets int `yaml:"sockets" default:"256" min:"1"`
	// SocketAge is how long such a WebSocket may be open. Its client is then told to open another
	// one, as soon as the answers on it have ended. Default 60m, the vendor's.
	SocketAge time.Duration `yaml:"socket_age" default:"60m"`
}

// HTTP has the settings of the anthropic front, or of the gemini front.
type HTTP struct {
	// MaxBody is how long a request may be. Default 32MiB.
	MaxBody Size `yaml:"max_body" default:"32MiB" min:"1"`
}

// Ollama has the settings of the ollama front.
type Ollama struct {
	HTTP `yaml:",inline"`
	// Listen is an address of the front's own, for clients that know nothing but Ollama's
	// paths below /api: 127.0.0.1:11434 is where they look. What else dragoman answers is
	// there as well. Changing it takes a restart. Default: none.
	Listen string `yaml:"listen"`
}
