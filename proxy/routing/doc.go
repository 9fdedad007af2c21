// Package routing is a configuration, compiled: what a model's name means, which channels
// serve it, in which order, and what it costs.
//
// A [Plan] is immutable but for the live part of its channels, and is replaced as a whole: the
// new one takes over what is known of the channels that stay. A [Model] is what a client's name
// comes to, a [Route] its candidates by tier. Which of them is asked is not decided here.
package routing
