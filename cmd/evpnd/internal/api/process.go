package api

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// process returns what the daemon takes of the machine. It costs no garbage
// collection: the heap is what the last one left.
func process() *evpndv1.Process {
	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	return &evpndv1.Process{
		Goroutines:    uint32(samples[0].Value.Uint64()),
		HeapLiveBytes: samples[1].Value.Uint64(),
		GcCycles:      samples[2].Value.Uint64(),
		OpenFiles:     openFiles(),
		ResidentBytes: residentBytes(),
	}
}

// openFiles counts the file descriptors, without the one that it reads them
// through.
func openFiles() uint32 {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return uint32(len(files) - 1)
}

// residentBytes is the second field of statm, which is in pages (proc(5)).
func residentBytes() uint64 {
	statm, _ := os.ReadFile("/proc/self/statm") // without it there is no such field
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64) // 0 with an error, which is what is told then
	return pages * uint64(os.Getpagesize())
}
