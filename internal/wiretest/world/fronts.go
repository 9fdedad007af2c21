package world

// Fronts makes a client of each front, with the caller's key.
var Fronts = []func(w *World, key string) Client{
	func(w *World, key string) Client { return &OpenAI{w: w, key: key} },
	func(w *World, key string) Client { return &Anthropic{w: w, key: key} },
	func(w *World, key string) Client { return &Rest{w: w, key: key} },
	func(w *World, key string) Client { return &Chatnio{w: w, key: key} },
	func(w *World, key string) Client { return &IAgent{w: w, key: key} },
	func(w *World, key string) Client { return &Responses{w: w, key: key} },
	func(w *World, key string) Client { return &Gemini{w: w, key: key} },
	func(w *World, key string) Client { return &Ollama{w: w, key: key} },
}
