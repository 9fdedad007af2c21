// Package front is the server side: how clients reach the gateway. Each dialect is one
// [Front], in files of its name; what all share names none of them: the way in which a
// question of a stateless dialect is read (stateless.go), a conversation is found
// (conversation.go), an answer is written (answer.go, stream.go), and a WebSocket lives
// (session.go, websocket.go).
//
// # Bodies
//
// fasthttp makes room for a body by its announced length, and its own streaming holds the
// read buffer of a connection for ever. So it gets short bodies only (up to 16 KiB):
// internal/conn ends each read where a head may end, and intake reads a longer body off
// the connection behind the head, as it comes, within the bound of its caller. A front
// that holds a long body or message is charged with it (intake) until it gives it back.
// A message is read where it lies: its values ([translate.Raw]) are no copies, and each
// value that is kept is copied once.
//
// # Buffers
//
// Nobody holds a buffer while it waits for a client or for the next piece of an answer.
// internal/conn waits for the first byte of a request without one, the upstream for the
// next bytes of a stream, and a stream has a buffer of its own only while something is in
// it (chunk.go). A streamed answer runs outside of fasthttp from its first content on, and
// gives fasthttp the request and the buffers of its connection back.
//
// # Early heads
//
// The status line of a stateless dialect and of rest waits until the answer is committed,
// 25 seconds at most (docs/rules/faults.md 8). chatnio's first frame waits for nothing.
package front
