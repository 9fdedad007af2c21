// Package micro measures what one event and one exchange cost, through several
// packages at once: the codecs of every pair of dialects, the gateway in front of
// the model inside the process, and the whole road over sockets. What the figures
// mean is in benchmarks/README.md. It is all tests.
package micro
