// Package chaos plays seeded scripts of faults against a whole gateway: clients of
// all five fronts ask, leave and stop, while the channels behind are cut off,
// stalled, corrupted, restarted and frozen. Everything runs on a network inside
// the process and on the clock of testing/synctest, so an hour of trouble takes
// milliseconds, and the same seed gives the same trace.
//
// It holds nothing but tests:
//
//	go test ./internal/chaos                              a few seeds
//	make soak-chaos SEEDS=10000                           many
//	DRAGOMAN_TEST_SEED=17 go test -v ./internal/chaos     one, with script and trace
package chaos
