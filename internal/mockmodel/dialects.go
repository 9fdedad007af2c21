package mockmodel

// Dialect is one that the scripted model speaks.
type Dialect struct {
	Name string
	// Base is the URL of a channel that reaches the model, with ADDR for its host and port.
	Base string
	// Try is how to ask it in a terminal, with ADDR, and KEY for a key.
	Try string
}

// Dialects are all that a [Server] speaks.
var Dialects = []Dialect{
	{"openai", "http://ADDR/v1", `curl -N http://ADDR/v1/chat/completions -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}'`},
	{"anthropic", "http://ADDR/v1", `curl -N http://ADDR/v1/messages -H 'x-api-key: KEY' -H 'anthropic-version: 2023-06-01' -H 'Content-Type: application/json' -d '{"model":"echo","stream":true,"max_tokens":99,"messages":[{"role":"user","content":"hi"}]}'`},
	{"responses", "http://ADDR/v1", `curl -N http://ADDR/v1/responses -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"model":"echo","stream":true,"input":"hi"}'`},
	{"gemini", "http://ADDR/v1beta", `curl -N 'http://ADDR/v1beta/models/echo:streamGenerateContent?alt=sse' -H 'x-goog-api-key: KEY' -H 'Content-Type: application/json' -d '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'`},
	{"ollama", "http://ADDR", `curl -N http://ADDR/api/chat -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"hi"}]}'`},
	{"rest", "http://ADDR", `curl -N http://ADDR/api/chat/stream -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"userId":"u1","message":"hi","preset":"echo"}'`},
	{"chatnio", "ws://ADDR", `ws://ADDR/chat                      first {"token":"KEY","id":-1} then {"type":"chat","model":"echo","message":"hi"}`},
	{"iagent", "ws://ADDR/ws/v1/chat", `ws://ADDR/ws/v1/chat?app_token=KEY  {"chat_type":1,"msg_id":"m1","timestamp":1767225600000,"sender_type":1,"sender_id":"u1","receiver_id":"echo","resp_code":0,"content_type":1,"content":"hi"}`},
}
