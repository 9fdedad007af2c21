// Package tracing sends exchanges as OpenTelemetry spans to a collector: one span of kind
// server for each exchange, and one of kind client for each of its attempts, with the
// attributes of the semantic conventions for generative AI.
//
// The gateway gives every exchange its ids at the beginning, so that back ends can be told of
// them, and decides then whether its spans are kept. The spans themselves are made when all is
// over, from the record of the exchange, on the one goroutine that sends them. An exchange
// waits for nothing: what does not fit into the queue is dropped and counted.
//
// The spans are made by OpenTelemetry's SDK. They are written in OTLP by hand, since the
// exporters that are published bring gRPC and the registry of protocol buffers along, which
// a process holds from its start on, with or without traces; in tests the published messages
// read what is written here.
package tracing
