//go:build !linux

package main

import "time"

// finer does nothing here.
func finer() {}

func sleep(d time.Duration) { time.Sleep(d) }
