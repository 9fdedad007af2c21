// Package translate is the canonical form of a chat exchange, and the contract
// that every dialect fulfils to and from it.
//
// It is pure: bytes in, values out. It and the dialect packages below it do no
// I/O, start no goroutine, read no clock and write no log.
//
// # Lifetimes
//
//  1. The byte slices of an [Event] belong to the [Stream] that it came from.
//     They are valid until the next call of Next or Close on that stream.
//  2. Requests are copied, events are borrowed: everything in a [Request] is
//     its own, except Request.Raw, which belongs to the front and lives until
//     the exchange is closed.
//  3. A dst passed to an Append function may be reallocated: use the result.
//  4. A [Decoder] may not keep the frame it was given beyond the next call.
//  5. Only byte buffers are pooled, never objects with an identity.
//  6. A [Raw] is no copy of the message that it is read from.
//
// Whoever keeps an event longer copies it; [Answer.Add] does. Tests overwrite borrowed
// bytes after use. A message is scanned for its bounds before anything is made of it, so
// that the values made of it take no more than six times its size.
package translate
