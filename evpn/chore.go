package evpn

// chore is what one event makes of every MAC there is: the routes of a lost
// peer go, or are judged as stale. With a million MACs that takes seconds, in
// which nothing else would happen, and nothing of it would be in the kernel.
// So it is done in steps, between which the wishes that follow from the last
// one can be fetched: Deadline asks for a Tick as long as there is more to do.
//
// Only a Tick finds a chore half done. Every other event has it finished
// first, so that it meets what it would meet if the chore took no time.
type chore struct {
	vnis []*vni // that are still to do
	macs []MAC  // of the first of them; nil: not begun
	mac  func(v *vni, addr MAC, m *mac)
	vni  func(v *vni) // when its MACs are done; nil: nothing
	then func()       // when all is done; nil: nothing
}

// choreStep is how many MACs a step does: as many as are handed on at once.
// Tests make do with fewer.
const choreStep = 4096

// begin does the first step of a chore, or queues it behind those that are
// not done.
func (e *Engine) begin(c *chore) {
	c.vnis = e.sortedVNIs()
	e.chores = append(e.chores, c)
	if len(e.chores) == 1 {
		e.labour(e.choreStep)
	}
}

// finish does all chores to their end.
func (e *Engine) finish() {
	for len(e.chores) > 0 {
		e.labour(e.choreStep)
	}
}

// labour goes on with the first chore, for n MACs at most.
func (e *Engine) labour(n int) {
	if len(e.chores) == 0 {
		return
	}
	c := e.chores[0]
	for len(c.vnis) > 0 {
		v := c.vnis[0]
		if c.macs == nil {
			c.macs = v.sortedMACs()
		}
		some := c.macs[:min(n, len(c.macs))]
		for _, addr := range some {
			if m := v.macs[addr]; m != nil {
				c.mac(v, addr, m)
			}
		}
		n -= len(some)
		if c.macs = c.macs[len(some):]; len(c.macs) > 0 {
			return
		}
		if c.vni != nil {
			c.vni(v)
		}
		c.vnis, c.macs = c.vnis[1:], nil
	}
	if c.then != nil {
		c.then()
	}
	e.chores = e.chores[1:]
}
