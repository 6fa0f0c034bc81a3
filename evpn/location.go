package evpn

// Location is where a MAC is: behind a local port, or where frames to it go.
// On an Ethernet segment that this host shares with a remote VTEP it would be
// both (RFC 7432 §8). The zero value is nowhere.
type Location struct {
	Local bool
	Port  int32 // local: ifindex of the bridge port, which the kernel has in 32 bits
	Via   Via   // remote; zero: none
}

// Remote tells whether frames to a MAC at l go to a VTEP.
func (l Location) Remote() bool { return l.Via.VTEP.IsValid() }

// Nowhere tells whether nothing is known of where a MAC is.
func (l Location) Nowhere() bool { return !l.Local && !l.Remote() }

func (l Location) String() string {
	switch {
	case l.Local:
		return "a local port"
	case l.Remote():
		return "VTEP " + l.Via.VTEP.String()
	}
	return "nowhere"
}

// sameHost tells whether l and o are one place as mobility counts it: the
// ports of this host are one, and a VTEP is one with each VNI it asks for.
func (l Location) sameHost(o Location) bool { return l.Local == o.Local && l.Via == o.Via }

// sameDoor tells whether l and o are one place as the history has it: one
// local port, or one VTEP.
func (l Location) sameDoor(o Location) bool {
	return l.Local == o.Local && l.Port == o.Port && l.Via.VTEP == o.Via.VTEP
}

// place is where a MAC is, and what it is there by: its mobility sequence, and
// whether it is sticky, or known from stale routes alone.
type place struct {
	Location
	sticky bool
	stale  bool
	seq    uint32
}

// sameFDB tells whether p and o ask for the same FDB entry.
func (p place) sameFDB(o place) bool {
	return p.Via == o.Via && (p.sticky == o.sticky || !p.Remote())
}
