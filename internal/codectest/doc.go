// Package codectest is the suite of a codec: what a dialect of package translate must pass.
// A codec's own tests bring the inputs and a line for each check. [Vendor] is the suite of
// dialects that pass through; the functions are for all:
//
//   - [Golden] compares the transcripts in testdata; go test -update rewrites them.
//   - [Resend], [Frames], [Whole] and [Invalid] feed a codec with anything that may come,
//     for example in a fuzz test.
//   - [RequestRoundTrip] and [Runes] read what was written.
//   - [Allocs] and its like count what an event allocates.
package codectest
