package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuOf is the CPU time that processes have used, user and system. It is exact to
// the nanosecond where the kernel counts so, else to a clock tick of 10 ms.
func cpuOf(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		d, err := schedstat(pid)
		if err != nil || d == 0 {
			d, err = stat(pid)
		}
		if err != nil {
			return 0, err
		}
		total += d
	}
	return total, nil
}

// schedstat adds up the threads of a process. A thread that ended is missing, but
// neither Go nor nginx ends threads.
func schedstat(pid int) (total time.Duration, err error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// stat reads user and system time, in ticks of 10 ms, from /proc/PID/stat.
func stat(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w, %w", pid, err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// rssOf is the resident memory of processes in MiB: now, and at its highest.
func rssOf(pids []int) (now, peak float64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, 0, err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kib, _ := strconv.ParseFloat(f[1], 64)
			switch f[0] {
			case "VmRSS:":
				now += kib / 1024
			case "VmHWM:":
				peak += kib / 1024
			}
		}
	}
	return now, peak, nil
}
