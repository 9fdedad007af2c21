// Package intake bounds the memory that bodies of requests and messages of sockets take, from
// their first byte until their question is answered: each is charged to a [Budget] by who sent it.
package intake
