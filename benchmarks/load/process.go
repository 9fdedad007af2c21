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

// usage is the CPU time of processes, user and system, and how long their threads
// waited for a core although they could have run.
type usage struct{ used, waited time.Duration }

// usageOf is exact to the nanosecond where the kernel counts so, else to a clock
// tick of 10 ms, and then without waited.
func usageOf(pids []int) (total usage, err error) {
	for _, pid := range pids {
		u, err := schedstat(pid)
		if err != nil || u.used == 0 {
			u.used, err = stat(pid)
		}
		if err != nil {
			return usage{}, err
		}
		total.used += u.used
		total.waited += u.waited
	}
	return total, nil
}

// schedstat adds up the threads of a process. A thread that ended is missing, but
// neither Go nor nginx ends threads.
func schedstat(pid int) (total usage, err error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		f := strings.Fields(string(text))
		if len(f) < 2 {
			return usage{}, fmt.Errorf("%s: %q", name, text)
		}
		used, err1 := strconv.ParseInt(f[0], 10, 64)
		waited, err2 := strconv.ParseInt(f[1], 10, 64)
		if err1 != nil || err2 != nil {
			return usage{}, fmt.Errorf("%s: %w, %w", name, err1, err2)
		}
		total.used += time.Duration(used)
		total.waited += time.Duration(waited)
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
