// Package process reads what the kernel counts of other processes: CPU time,
// resident memory, open descriptors. It needs Linux; elsewhere its functions return
// an error.
package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is the CPU time of processes, user and system, and how long their threads
// waited for a core although they could have run.
type Usage struct{ Used, Waited time.Duration }

// UsageOf adds up the usage of processes. It is exact to the nanosecond where the
// kernel counts so, else to a clock tick of 10 ms, and then without Waited.
func UsageOf(pids []int) (total Usage, err error) {
	for _, pid := range pids {
		u, err := schedstat(pid)
		if err != nil || u.Used == 0 {
			u.Used, err = stat(pid)
		}
		if err != nil {
			return Usage{}, err
		}
		total.Used += u.Used
		total.Waited += u.Waited
	}
	return total, nil
}

// schedstat adds up the threads of a process. A thread that ended is missing, but
// neither Go nor nginx ends threads.
func schedstat(pid int) (total Usage, err error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		f := strings.Fields(string(text))
		if len(f) < 2 {
			return Usage{}, fmt.Errorf("%s: %q", name, text)
		}
		used, err1 := strconv.ParseInt(f[0], 10, 64)
		waited, err2 := strconv.ParseInt(f[1], 10, 64)
		if err1 != nil || err2 != nil {
			return Usage{}, fmt.Errorf("%s: %w, %w", name, err1, err2)
		}
		total.Used += time.Duration(used)
		total.Waited += time.Duration(waited)
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

// Memory is what processes have of it, in MiB.
type Memory struct {
	Resident, Peak float64 // now, and at its highest
	Private        float64 // resident, and no pages of files, of which the system keeps as many as it likes
}

// MemoryOf is the memory of processes together.
func MemoryOf(pids []int) (m Memory, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return Memory{}, err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kib, _ := strconv.ParseFloat(f[1], 64)
			switch f[0] {
			case "VmRSS:":
				m.Resident += kib / 1024
			case "VmHWM:":
				m.Peak += kib / 1024
			case "RssAnon:":
				m.Private += kib / 1024
			}
		}
	}
	return m, nil
}

// DescriptorsOf is how many descriptors a process has open.
func DescriptorsOf(pid int) (int, error) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	return len(names), err
}
