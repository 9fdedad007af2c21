// Package revision changes the configuration of a running process as a transaction. A text
// is checked as a whole, compared with what runs, applied at once or not at all, and kept in
// a history beside the file, from which it can be taken back.
//
// The file is the one source of truth: whatever is applied here is in the file first, which
// is replaced as a whole. Where that cannot be, nothing is applied, and a [Refusal] says why.
// Weights that were set at run time are the process's own: they are in no file, and are put
// upon each configuration that comes.
package revision
