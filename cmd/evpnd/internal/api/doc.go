// Package api is the server of the gRPC admin API evpnd/v1.
//
//	                  +--------------------- Server ---------------------+
//	evpnctl --unix--> | check the request -> keys -> chunks -> pages     |
//	        --mTLS--> |                       |        |         ^       |
//	                  +-----------------------|--------|---------|-------+
//	                                       Core.Do  Core.Do   Sessions, Kernel
//	                                          v        v
//	                                     the engine's goroutine
//
// The engine belongs to one goroutine, and forwarding waits while somebody
// else is served there. So a list is made in two parts: its keys in one step,
// which costs about 0.1 us each, then about a thousand objects a step. What
// can be done elsewhere (text, what the kernel and the sessions say, the
// sending) is done elsewhere, and a client that reads slowly holds up nobody
// but itself. A list is therefore not of one instant: see the comment of
// proto/evpnd/v1/admin.proto for what it promises.
//
// The server depends on three interfaces: Core lends the engine, Sessions is
// what a *bgp.Speaker says of the peers, and Kernel what a *dataplane.Plane says
// of devices and entries. Their values become messages here.
//
// Whoever gets to the API may see everything, so it is a unix socket for root
// and one group, or TCP with certificates on both sides; nothing else is
// offered. Who of them may also change something (reset a session, let a
// frozen address go, reload, shut down) is decided for each connection, by
// the user and groups of the process at the other end of a unix socket, or
// by the names in a certificate: see [Access], auth.go and authz.go.
package api
