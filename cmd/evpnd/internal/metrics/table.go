package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evpnd/evpnd/dataplane"
)

// metric is one name, and how its values are made.
type metric struct {
	desc   *prometheus.Desc
	typ    prometheus.ValueType
	name   string
	labels []string
}

// table has every metric of evpnd's own.
var table []*metric

func define(typ prometheus.ValueType, name, help string, labels []string) *metric {
	name = "evpnd_" + name
	m := &metric{prometheus.NewDesc(name, help, labels, nil), typ, name, labels}
	table = append(table, m)
	return m
}

func gauge(name, help string, labels ...string) *metric {
	return define(prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *metric {
	return define(prometheus.CounterValue, name, help, labels)
}

func histogram(name, help string) *metric { return define(prometheus.UntypedValue, name, help, nil) }

// The daemon as a whole.
var (
	buildInfo = gauge("build_info", "Always 1; which evpnd this is.", "version", "goversion")
	bgpInfo   = gauge("bgp_info", "Always 1; as whom evpnd speaks.", "asn", "router_id")
	ready     = gauge("ready", "1 when the kernel has been read and the sessions are configured.")
	synced    = gauge("synced", "1 when the peers have said all they had to say since the start, or the wait for it is over.")
	alarms    = gauge("alarms", "What is wrong now, by kind; evpnctl status tells each.", "kind")
)

// Peers.
var (
	peerInfo        = gauge("peer_info", "Always 1; who the peer is.", "peer", "asn", "description", "dynamic")
	peerState       = gauge("peer_state", "1 for the state that the session is in (RFC 4271 8.2.2), 0 for the others.", "peer", "state")
	peerSince       = gauge("peer_state_timestamp_seconds", "When the session came into its state.", "peer")
	peerEstablished = counter("peer_established_total", "How often the session was established.", "peer")
	peerLost        = counter("peer_sessions_lost_total", "How often an established session ended, by why.", "peer", "reason")
	peerReceived    = counter("peer_messages_received_total", "BGP messages received, by type.", "peer", "type")
	peerSent        = counter("peer_messages_sent_total", "BGP messages sent, by type.", "peer", "type")
	peerEndOfRIB    = gauge("peer_end_of_rib", "1 when the peer has sent all its routes since the session came up.", "peer")
	peerAnnounced   = counter("peer_routes_received_total", "Routes that the peer announced, by type; the same route counts each time.", "peer", "type")
	peerWithdrawn   = counter("peer_withdrawals_received_total", "Routes that the peer withdrew, by type.", "peer", "type")
	peerDiscarded   = counter("peer_routes_discarded_total", "Routes that could not be used, by why.", "peer", "reason")
	peerIgnored     = counter("peer_routes_ignored_total", "Routes that no VNI imports, or that are our own come back.", "peer")
	peerRefused     = counter("peer_routes_refused_total", "Routes that were not kept because the peer was at its limit.", "peer")
	peerRoutes      = gauge("peer_routes", "Routes of the peer that are kept, each once for every VNI that imports it.", "peer")
	peerStale       = gauge("peer_routes_stale", "Those of the kept routes that the peer has not repeated since its session fell.", "peer")
	peerLimit       = gauge("peer_routes_limit", "How many routes of the peer are kept at most; absent without a limit.", "peer")
	advertised      = gauge("routes_advertised", "Own routes that every established peer is told.")
)

// VNIs. Where the kernel has two devices of one VNI, the device tells them
// apart.
var (
	vniInfo     = gauge("vni_info", "Always 1; by what the VNI is served.", "vni", "device", "bridge", "vtep")
	vniServed   = gauge("vni_served", "1 when the device serves its VNI, 0 when something is missing, as evpnctl vni list says; absent when vnis.select leaves it out.", "vni", "device")
	vniMACs     = gauge("vni_macs", "MACs that are here or behind other VTEPs.", "vni", "origin")
	vniHosts    = gauge("vni_neighbors", "Host addresses that are here or behind other VTEPs.", "vni", "origin")
	vniFlood    = gauge("vni_flood_entries", "Where frames to all are sent.", "vni")
	vniFrozen   = gauge("vni_frozen_addresses", "MACs and IP addresses that are frozen as duplicates.", "vni", "kind")
	vniMoves    = counter("vni_moves_total", "Moves of MACs from one place straight to another.", "vni")
	vniWanted   = gauge("vni_kernel_entries_wanted", "Entries that the kernel should hold.", "vni", "device")
	vniHeld     = gauge("vni_kernel_entries_installed", "Those of them that it holds.", "vni", "device")
	vniForeign  = gauge("vni_kernel_entries_foreign", "Entries of the device that evpnd did not make and leaves alone.", "vni", "device")
	remoteVTEPs = gauge("remote_vteps", "Other VTEPs that something is behind.")
)

// The kernel.
var (
	kernelEntries  = gauge("kernel_entries", "Entries that the kernel should hold, of all VNIs.")
	kernelPending  = gauge("kernel_entries_pending", "Those of them that are about to be written.")
	kernelFailed   = gauge("kernel_entries_failed", "Those of them that the kernel refused; they are tried again.")
	kernelWrites   = counter("kernel_writes_total", "Entries that the kernel took, by kind and whether they were added or removed.", "kind", "op")
	kernelErrors   = counter("kernel_write_errors_total", "Entries that the kernel refused, by kind and errno; held: something that evpnd did not make is in the way.", "kind", "error")
	kernelMessages = counter("kernel_messages_total", "Netlink messages written; one entry may take more than one.")
	kernelBatch    = histogram("kernel_batch_seconds", "How long the kernel took for a batch of messages.")
	kernelBehind   = histogram("update_to_kernel_seconds", "From reading the first UPDATE of a burst to the kernel's acknowledgement of all that follows from it.")
	kernelLag      = gauge("kernel_lag_seconds", "Age of the first UPDATE that the kernel is not as it says yet; 0 when it is as all say, but for what it refused.")
	resyncs        = counter("kernel_resyncs_total", "Times that the kernel's notices were lost and all was read again.")
	driftEntries   = counter("drift_repaired_total", "Entries that others had removed or changed and that were put back.")
	driftDevices   = counter("drift_devices_mended_total", "Times that the flags of a device were put right.")
)

// Local hosts.
var (
	hosts        = gauge("hosts", "Addresses of local hosts that are known, or asked for.")
	hostClaims   = counter("host_claims_total", "ARP and ND messages of local hosts that were heard.")
	hostIgnored  = counter("host_claims_malformed_total", "ARP and ND messages of local hosts that were malformed or contradicted themselves.")
	hostDropped  = counter("host_claims_dropped_total", "Claims beyond the bounds of a MAC, a port or a VNI.")
	hostProbes   = counter("host_probes_total", "Probes sent to local hosts.")
	hostsSilence = counter("hosts_silent_total", "Local hosts that did not answer, and were given up.")
)

// The audit of routes, wishes and kernel, and the state file.
var (
	audits           = counter("audits_total", "Audits that compared what should be with what is; the second look after a repair is not counted.")
	auditDifferences = counter("audit_differences_total", "Entries that audits found to differ.")
	auditRepaired    = counter("audit_repaired_total", "Those of them that a repair has put right.")
	auditTime        = gauge("audit_last_timestamp_seconds", "When all VNIs were last audited; absent before.")
	auditTook        = gauge("audit_last_duration_seconds", "How long that took.")
	auditEntries     = gauge("audit_last_entries", "How many entries were compared then.")
	auditLeft        = gauge("audit_last_differences", "How many of them differed, after the repair if there was one.")
	auditForeign     = gauge("audit_last_foreign", "How many entries were not evpnd's.")

	stateWrites = counter("state_writes_total", "Times that what outlives a restart was saved.")
	stateErrors = counter("state_write_errors_total", "Times that it could not be.")
	stateTime   = gauge("state_last_write_timestamp_seconds", "When it was last saved; absent before.")
)

// bounds are those of the histograms, in seconds.
var bounds = func() (s [len(dataplane.Bounds)]float64) {
	for i, b := range dataplane.Bounds {
		s[i] = b.Seconds()
	}
	return s
}()
