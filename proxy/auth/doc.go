// Package auth finds the caller behind a credential: a key of the configuration, a stored
// key, a signed token, or nobody's.
//
// [Callers] is what one configuration says of callers, and is replaced with it. [Keyring]
// and [BadKeys] stay as long as the process: stored keys behind a cache, and the count of
// wrong credentials. What a caller may ask, and under which limits it is counted, comes
// with the [Caller]; counting is another's.
package auth
