package evpn

// job is the work that one event makes of every MAC there is: the routes of a
// lost peer go, or are compared anew as stale ones. With a million MACs that
// takes seconds, in which nothing else would happen and nothing would reach
// the kernel. A job is therefore done in slices, and what follows from a slice
// can be fetched before the next one: Ready.Next asks for a Tick as long as a
// job is not done.
//
// Only a Tick sees a job that is half done. Every other event has all jobs
// finished first, as if they took no time.
type job struct {
	vnis []*bd                              // those that are left
	macs []MAC                              // those that are left of the first VNI; nil: it was not begun
	mac  func(v *bd, addr MAC, m *macEntry) // does the work for one MAC
	vni  func(v *bd)                        // called when the MACs of a VNI are done; nil: nothing to do
	then func()                             // called when all is done; nil: nothing to do
}

// jobStep is how many MACs a slice has: as many as are handed on at once.
// Tests set Engine.jobStep lower.
const jobStep = 4096

// schedule runs the first slice of j, or queues j when another job is not
// done.
func (e *Engine) schedule(j *job) {
	j.vnis = e.sortedBDs()
	e.jobs = append(e.jobs, j)
	if len(e.jobs) == 1 {
		e.runJobs(e.jobStep)
	}
}

// drainJobs finishes all jobs.
func (e *Engine) drainJobs() {
	for len(e.jobs) > 0 {
		e.runJobs(e.jobStep)
	}
}

// runJobs does a slice of n MACs at most of the first job.
func (e *Engine) runJobs(n int) {
	if len(e.jobs) == 0 {
		return
	}
	j := e.jobs[0]
	for len(j.vnis) > 0 {
		v := j.vnis[0]
		if j.macs == nil {
			j.macs = v.sortedMACs()
		}
		slice := j.macs[:min(n, len(j.macs))]
		for _, addr := range slice {
			if m := v.macs[addr]; m != nil {
				j.mac(v, addr, m)
			}
		}
		n -= len(slice)
		if j.macs = j.macs[len(slice):]; len(j.macs) > 0 {
			return
		}
		if j.vni != nil {
			j.vni(v)
		}
		j.vnis, j.macs = j.vnis[1:], nil
	}
	if j.then != nil {
		j.then()
	}
	e.jobs = e.jobs[1:]
}
