package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tolerable is the share of the cores that others may use during a round before
// its figures are thought to be theirs too.
const tolerable = 0.10

// load measures what others do with the machine meanwhile.
type load struct {
	began time.Time
	busy  time.Duration
}

func watchLoad() load { return load{time.Now(), busyTime()} }

// others is the share of all cores that was used by processes that are not
// ours; ours is what those used. It is negative where that cannot be told.
func (l load) others(ours time.Duration) float64 {
	now := busyTime()
	if now == 0 || l.busy == 0 {
		return -1
	}
	all := time.Since(l.began) * time.Duration(runtime.NumCPU())
	return max(0, float64(now-l.busy-ours)/float64(all))
}

// busyTime is how long the cores have been busy since the machine was started,
// in Linux's /proc/stat; 0 elsewhere.
func busyTime() time.Duration {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0
	}
	var ticks int64
	for i, f := range fields[1:9] { // guests are counted in user time
		if i == 3 || i == 4 {
			continue // idle, and idle for a disk
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
