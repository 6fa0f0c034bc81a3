// Package metrics shows evpnd to Prometheus.
//
//	Prometheus --GET /metrics--> Server --> registry --> collector
//	                                                        | Source.Read, once a scrape
//	                                                        v
//	                                 engine, sessions, kernel's side, auditor, saver
//
// Nothing is counted here. Whoever does a thing counts it, evpnctl is shown
// the same, and a scrape reads it when it comes: what nobody asks for costs
// nothing. Of the engine a scrape takes what is there for each peer and VNI,
// never a list of MACs, so that it holds up forwarding as little with a
// million of them as with ten. For the same reason no label is a MAC or the
// address of a host.
//
// The names of all metrics are in table.go; docs/metrics.md, the dashboard
// and the alert rules in configs/ are held against it.
//
// The listener is off unless metrics.listen is set. It has no way to change
// anything, and none to ask who asks: see docs/security.md.
package metrics
