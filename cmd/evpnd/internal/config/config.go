// Package config reads the file that an operator writes for evpnd.
//
// # The idea
//
// A file is read once, checked as a whole, and becomes a value that nobody
// changes any more; a reload makes another one. Everything that can be wrong
// with a file is found before anything acts on it, and all of it is told at
// once, each with its line, so that an operator needs one round and not ten.
//
//	file ---> YAML nodes --->+
//	                         | viper ---> Config, by the tags ---> validate ---> *Config
//	EVPND_* in the           |            of its fields                  or Errors
//	environment ------------>+
//
// # Known keys
//
// The fields of [Config] and their tags are the only place where keys are
// written down. Decoding, ranges, the search for the nearest key
// and the tests of the reference file and of the user's page all read them:
//
//	key:"hold-time"     the name in the file
//	auto:"..."          for people: where the value comes from when absent
//	range:"3s..65535s"  bounds of a number or duration, both included
//	whole:"second"      a duration that goes to the wire in seconds
//	none:"ok"           the word none means an empty list
//	required:"yes"      must be there
//	restart:"yes"       a change takes effect when evpnd is started again
//
// # Defaults
//
// The package that acts on a setting exports its default, and so a Go program
// has the same: evpn.DefaultConfig, bgp.DefaultConfig, hosts.DefaultProbeRate.
// The file defaults.go takes them from there, and has those of the daemon
// itself. A default is written once, and the parts are given complete
// configurations.
//
// # Layers
//
// Every key that is not part of a list can be overridden from the
// environment: bgp.router-id by EVPND_BGP_ROUTER_ID. Viper holds these two
// layers. It would also turn 0660 into 432 and forget where a value stood, so
// it is given the YAML nodes themselves as values (see layers).
//
// # Invariants
//
//   - Load never returns a Config together with an error, and a Config that it
//     returns needs no further check.
//   - A secret is in no error, log or JSON (see [Secret]).
package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	"github.com/evpnd/evpnd/evpn"
)

// Config is a whole, valid configuration. It must not be changed, and so any
// goroutine may read it.
type Config struct {
	BGP   BGP   `key:"bgp"`
	VTEP  VTEP  `key:"vtep"`
	VNIs  VNIs  `key:"vnis"`
	API   API   `key:"api" restart:"yes"`
	State State `key:"state" restart:"yes"`
	Log   Log   `key:"log"`

	Metrics Metrics `key:"metrics"`
}

// BGP is who this node is, and its peers.
type BGP struct {
	ASN uint32 `key:"asn" range:"1..4294967295" required:"yes"`
	// RouterID is an IPv4 address. Where it is invalid the daemon takes the
	// VTEP address of a device or the address of the loopback interface.
	RouterID netip.Addr       `key:"router-id" auto:"vtep.address when that is IPv4, else found from the VXLAN devices or the loopback interface"`
	Listen   []netip.AddrPort `key:"listen" none:"ok"` // empty: do not listen
	// Retain is how long routes of a peer that is gone are used (RFC 4724 §4.2).
	Retain time.Duration `key:"retain" range:"1s..24h"`
	// RestartTime is how long peers are asked to keep our routes while evpnd
	// restarts (RFC 4724 §3: 12 bits of seconds).
	RestartTime  time.Duration `key:"restart-time" range:"1s..4095s" whole:"second"`
	EndOfRIBWait time.Duration `key:"end-of-rib-wait" range:"1s..1h"`
	// LongLivedStaleTime is how much longer than RestartTime peers are asked to
	// keep our routes (RFC 9494 §3.1: 24 bits of seconds).
	LongLivedStaleTime time.Duration `key:"long-lived-stale-time" range:"0s..4660h" whole:"second"`
	// StaleHold is how long a route is used that a peer did not send again when
	// its session came back: a reflector's other clients may come back later.
	StaleHold time.Duration `key:"stale-hold" range:"1s..1h"`
	// FloodHold is how long a VTEP stays in the flood list after its type 3
	// route was withdrawn: its reflector may have lost it for a moment only.
	FloodHold time.Duration `key:"flood-hold" range:"0s..1h"`
	Peers     []Peer        `key:"peers"`         // in the file's order, each address once
	Dynamic   []DynamicPeer `key:"dynamic-peers"` // in the file's order, each range once
}

// Peer is a neighbor with an address.
type Peer struct {
	Address      netip.Addr    `key:"address" required:"yes"` // unicast; with a zone when link-local
	ASN          uint32        `key:"asn" range:"1..4294967295" required:"yes"`
	Port         uint16        `key:"port" range:"1..65535"`
	Passive      bool          `key:"passive"`
	ConnectRetry time.Duration `key:"connect-retry" range:"100ms..1h"`
	Session
}

// DynamicPeer is a range of addresses that may connect to us. Where ranges
// overlap the longest prefix counts.
type DynamicPeer struct {
	Range netip.Prefix `key:"range" required:"yes"`                 // masked
	ASN   uint32       `key:"asn" range:"1..4294967295" auto:"any"` // 0: any
	Limit int          `key:"limit" range:"1..65535"`
	Session
}

// Session is what peers and ranges of them have in common.
type Session struct {
	LocalASN     uint32 `key:"local-asn" range:"1..4294967295" auto:"bgp.asn"` // never 0 in a loaded Config
	Description  string `key:"description"`
	Password     Secret `key:"password"`                                   // RFC 2385; from PasswordFile when that is set
	PasswordFile string `key:"password-file"`                              // absolute or relative to the config file
	Interface    string `key:"interface" auto:"by the routes of the host"` // empty: unset
	// LocalAddress is invalid when the kernel is to choose.
	LocalAddress netip.Addr `key:"local-address" auto:"chosen by the kernel"`
	// Multihop is the TTL to send to an external peer with, 0 when unset.
	Multihop int `key:"multihop" auto:"off" range:"2..255"`
	// TTLSecurity is the largest number of hops to accept packets from
	// (RFC 5082), 0 when unset.
	TTLSecurity int           `key:"ttl-security" auto:"off" range:"1..254"`
	HoldTime    time.Duration `key:"hold-time" range:"3s..65535s" whole:"second"`                             // RFC 4271 §4.2, without its 0
	Keepalive   time.Duration `key:"keepalive" auto:"a third of hold-time" range:"1s..65535s" whole:"second"` // RFC 4271 §4.4; set in a loaded Config
	// MaxRoutes is how many routes of the peer are kept, each once for every
	// VNI that imports it; 0 is no limit.
	MaxRoutes       int         `key:"max-routes" range:"0..10000000"`
	MaxRoutesAction LimitAction `key:"max-routes-action"`
}

// LimitAction is what happens when a peer sends more routes than it may.
type LimitAction string

// The actions at a limit of routes.
const (
	LimitStop  LimitAction = "stop"  // keep what is there, take no more
	LimitReset LimitAction = "reset" // end the session (RFC 4486 §4)
)

// VTEP is the local end of every tunnel.
type VTEP struct {
	// Address is invalid when each VNI is to use the local address of its
	// VXLAN device, or the loopback interface's where it has none.
	Address netip.Addr `key:"address" auto:"the local address of each VXLAN device, else found from the loopback interface"`
}

// VNIs is which VNIs are served, and how.
type VNIs struct {
	Select  []Selector `key:"select" auto:"all"` // what any of them names is served; empty: everything
	Targets Targets    `key:"targets"`
	// AuditInterval is the time between two audits, which compare the routes,
	// the desired entries and the kernel's; 0: on demand only.
	AuditInterval time.Duration `key:"audit-interval" range:"0s..24h"`
	Rules
	Settings []VNI `key:"settings"` // in the file's order, each VNI once
}

// Rules is what can be set for all VNIs and for one. In a VNI of a loaded
// Config what was not set is as it is for all.
type Rules struct {
	Duplicates Duplicates `key:"duplicates"`
	Limits     Limits     `key:"limits"`
	Hosts      Hosts      `key:"hosts"`
	// Flood is whether broadcast, multicast and unknown unicast frames are sent
	// to the other VTEPs and taken from them (RFC 8365 §9).
	Flood bool `key:"flood"`
}

// Duplicates is when a MAC or IP address counts as used by two hosts, and
// for how long it is then frozen (RFC 7432 §15.1, RFC 9161 §3.7).
type Duplicates struct {
	Detect bool          `key:"detect"`
	Moves  int           `key:"moves" range:"2..1000"`
	Window time.Duration `key:"window" range:"1s..24h"`
	// Recover is after which time a frozen address is let go; 0: by an
	// operator only.
	Recover time.Duration `key:"recover" range:"0s..24h" whole:"second"`
}

// Limits bounds what the hosts behind this VTEP can put on all the others;
// 0 is no limit.
type Limits struct {
	LocalMACs int `key:"local-macs" range:"0..1000000"` // of each VNI
	IPsPerMAC int `key:"ips-per-mac" range:"0..1000000"`
}

// Hosts is how the addresses of local hosts are learned and kept.
type Hosts struct {
	// Listen is whether bindings are snooped from ARP and ND on the local
	// ports; without it they come from the neighbor table of the bridge alone.
	Listen bool `key:"listen"`
	// Probe is whether silent hosts are probed before their bindings go
	// (RFC 5227, RFC 4861 §7.2.2).
	Probe bool `key:"probe"`
	// ProbeInterval is the silence after which a host is probed; 0:
	// a third of the ageing time of the bridge.
	ProbeInterval time.Duration `key:"probe-interval" range:"1s..24h" auto:"a third of the ageing time of the bridge"`
	ProbeRate     int           `key:"probe-rate" range:"1..100000"` // a second, at most
}

// VNI is what is set for one VNI.
type VNI struct {
	VNI    evpn.VNI      `key:"vni" required:"yes"`
	RD     evpn.RD       `key:"rd" auto:"router-id:index"` // zero: automatic
	Import []evpn.Target `key:"import" auto:"by vnis.targets"`
	Export []evpn.RT     `key:"export" auto:"by vnis.targets"`
	Rules
	Sticky   []evpn.MAC   `key:"sticky"`   // announced as sticky when they are local (RFC 7432 §15.2)
	Gateways []netip.Addr `key:"gateways"` // addresses that every VTEP has
	Create   *Create      `key:"create"`   // nil: use what is there
}

// Create asks for a bridge and VXLAN device that evpnd makes and removes.
type Create struct {
	Bridge string     `key:"bridge" auto:"br and the VNI, as in br200"`                       // set in a loaded Config
	Device string     `key:"device" auto:"vxlan and the VNI, as in vxlan200"`                 // set in a loaded Config
	Local  netip.Addr `key:"local" auto:"vtep.address"`                                       // invalid only when that is
	Port   uint16     `key:"port" range:"1..65535"`                                           // UDP
	Ports  []string   `key:"ports"`                                                           // devices to put into the bridge as they appear
	MTU    int        `key:"mtu" range:"576..65535" auto:"what the underlay leaves room for"` // 0: automatic
}

// Targets is how route targets are made for VNIs that have none set.
type Targets struct {
	Form  evpn.TargetForm
	Fixed uint16 `key:"fixed" range:"1..65535" required:"yes"` // the N of N:VNI with TargetFixed
}

// API is where evpnctl and other programs reach the daemon.
type API struct {
	Listen []apiaddr.Addr `key:"listen" none:"ok"`                 // empty: no API
	Mode   fs.FileMode    `key:"mode"`                             // of unix sockets
	Group  string         `key:"group" auto:"that of the process"` // name or number
	// AdminGroup is whose members may change something over a unix socket,
	// beside root and the user of the process; name or number, empty: all.
	AdminGroup string `key:"admin-group" auto:"whoever may open the socket"`
	TLS        TLS    `key:"tls"` // complete when a TCP endpoint is there
}

// TLS names PEM files, absolute or relative to the config file as it was
// given; they are not opened here.
type TLS struct {
	Cert     string `key:"cert"`
	Key      string `key:"key"`
	ClientCA string `key:"client-ca"`
	// Admins is who may change something over TCP, by a name in the client's
	// certificate; nil: all, empty: nobody.
	Admins []string `key:"admins" auto:"every certificate" none:"ok"`
}

// State is what outlives the process.
type State struct {
	Directory string `key:"directory"` // absolute
}

// Metrics is where Prometheus reads.
type Metrics struct {
	Listen WebAddress `key:"listen" auto:"off"` // not valid: nowhere
}

// WebAddress is an address and port that speak HTTP.
type WebAddress struct{ netip.AddrPort }

// Log is what is written to stderr.
type Log struct {
	Level  slog.Level `key:"level"`
	Format Format     `key:"format" restart:"yes"`
}

// Format is a way to write log records.
type Format string

// The formats of the log.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// Selector names VNIs by number or by their VXLAN devices.
type Selector struct {
	First, Last evpn.VNI // both included; 0 with Device
	Device      string   // the name of a device, or a pattern of path.Match
}

func (s Selector) String() string {
	switch {
	case s.Device != "":
		return s.Device
	case s.First == s.Last:
		return s.First.String()
	}
	return fmt.Sprintf("%v-%v", s.First, s.Last)
}
