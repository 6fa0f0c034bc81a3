package api

import (
	"os"
	"runtime"
	"sync"
	"testing"
)

// What is opened and started shows. There is a lot of it, because tests
// before this one may still be closing theirs.
func TestProcess(t *testing.T) {
	const many = 100
	before := process()
	end := make(chan struct{})
	defer close(end)
	var started sync.WaitGroup
	for range many {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		started.Add(1)
		go func() {
			started.Done()
			<-end
		}()
	}
	started.Wait()
	runtime.GC()
	during := process()
	if more := int(during.GetOpenFiles()) - int(before.GetOpenFiles()); more < many/2 || more > many {
		t.Errorf("%d files more are open, want %d", more, many)
	}
	if more := int(during.GetGoroutines()) - int(before.GetGoroutines()); more < many/2 || more > many {
		t.Errorf("%d goroutines more, want %d", more, many)
	}
	if during.GetGcCycles() <= before.GetGcCycles() || during.GetHeapLiveBytes() == 0 {
		t.Errorf("after a collection: %v, before it: %v", during, before)
	}
}
