// Package intake takes requests in. It refuses those that another server may read otherwise
// ([Examine]), reads long bodies off their connections as they come ([Upload]), and bounds the
// memory that bodies and messages of sockets take until their questions are answered ([Budget]).
package intake
