// Package handover passes the listening sockets of a process, and the lock of its store, on to
// the process that takes its place: the same program, started anew from the same path with
// the same arguments. Both have the same sockets then, so that no connection is lost between
// the two, and the one before ends its answers.
//
// A supervisor may have made the sockets: those of LISTEN_FDS (sd_listen_fds(3)) are used in
// the place of new ones.
package handover
