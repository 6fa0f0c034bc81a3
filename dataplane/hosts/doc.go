// Package hosts knows the local hosts of a node: behind which port of a bridge
// each MAC is, and which MAC has each IP address. It says what the engine must
// be told of them, and which hosts must be asked whether they are still there.
//
//	bridge has a MAC ----------> SetMAC ------+              +--> Events: LocalMAC, LocalIP
//	neighbor table has an IP --> SetNeighbor -+-> BD, Table -+
//	ARP or ND at a port -------> Snoop -------+              +--> Due: ProbeRequest, to a silent host
//	engine wants to know ------> QueueProbe --+
//
// It is pure: no goroutine, lock, clock or I/O. A method that needs the time is
// given it. Table.Due does what is due, and Table.Next says when to call it
// again. One goroutine at a time may use a Table and its BDs.
//
// A BD is a broadcast domain: a bridge, or a VLAN of a bridge that filters
// VLANs. The caller finds the BD of a claim or an entry by bridge and VLAN, so
// within a BD a MAC is a key by itself. VLANs are 0 everywhere for now.
//
// # Who vouches for an address
//
// Two sources say which MAC has an IP address: the neighbor table of a bridge
// that has addresses, and the host itself, whose ARP and ND is snooped at the
// ports of the bridge. The engine is told the newest word of the two, and that
// an address is gone when neither source has it any more. A permanent neighbor
// entry is an operator's word, which no host overrules.
//
// A claim counts while the bridge has the sender's MAC behind the port at which
// the claim came in, and goes with that MAC. Frame and bridge entry are told on
// different ways, so a claim waits five seconds for the MAC. A host can claim
// an address only for itself: the MAC of the claim must be the sender of the
// frame, which the reader of frames checks.
//
// A claim costs its sender nothing. So the addresses that are remembered are
// bounded for each MAC, port and broadcast domain; a claim beyond a bound is
// dropped and counted, and BD.Broken names the bound. A claim that says what is
// known allocates nothing.
//
// # Probes
//
// A host that was silent for the probe interval, by default a third of the
// bridge's ageing time, is probed: three times, a second apart. When it does
// not answer, its claim is gone. Hosts that spoke at once are probed at times
// spread over a quarter of the interval. The node sends no more than its rate
// of probes a second, and a broadcast domain no more than its own, of which
// only the first probe of each host counts.
//
// A probe is a frame to that host alone, out of its port and past the bridge,
// from the port's own address: an ARP probe, from which nobody learns (RFC 5227
// §2.1.1), or a unicast neighbor solicitation (RFC 4861 §7.2.2). The bridge has
// the port's address as its own and keeps the answer to itself, but learns from
// it that the host is alive.
//
// The engine has a host probed too. It asks for an address that another VTEP
// advertises with a MAC that was just learned here: the host may have moved. And
// it asks for a local address that another VTEP advertises as well, a conflict:
// a host that does not answer has lost the address. These probes go before all
// others. An address that nobody has claimed, and that the engine does not ask
// for, is never probed.
package hosts
