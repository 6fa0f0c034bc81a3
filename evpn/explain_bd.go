package evpn

// BDExplanation is how a VNI stands.
type BDExplanation struct {
	BDStatus
	Config     BDConfig   // what is set for it; the rest is automatic
	Form       TargetForm // of its automatic targets
	Advertised int        // routes
	Received   int        // routes that are kept, a route that several peers sent as often
	Frozen     int        // MACs and addresses
	Refused    int        // local MACs beyond the limit, at most 4096
	Flood      bool
	Holds      []Hold
}

// ExplainBD explains how a VNI stands. ok is false when it is not served.
func (e *Engine) ExplainBD(vni VNI) (x BDExplanation, ok bool) {
	v := e.bds[vni]
	if v == nil {
		return x, false
	}
	x.BDStatus, x.Flood, x.Refused = v.status(), !v.noFlood, len(v.refused)
	x.Config, x.Form = e.cfg.BDs[vni], e.cfg.Targets
	x.Received = len(v.floodPaths)
	x.Advertised = len(v.advertised)
	for _, m := range v.macs {
		x.Received += len(m.paths)
		x.Frozen += bit(m.frozen())
		if m.loc != nil {
			x.Advertised += len(m.loc.advertised)
		}
	}
	for _, h := range v.ips {
		x.Frozen += bit(h.frozen())
	}
	x.Holds = e.holdsOfBD(v)
	return x, true
}
