package wire

import "github.com/evpnd/evpnd/evpn"

// Counts says what came in UPDATEs.
type Counts struct {
	Updates      uint64 // messages
	EndOfRIB     uint64
	Reach        [numTypes]uint64 // routes announced and not discarded, by route type
	Withdrawn    [numTypes]uint64 // routes withdrawn, by route type
	Discarded    [NumDiscards]uint64
	AttrsIgnored uint64 // attributes that do not count here, or came twice
	AttrsUnknown uint64 // optional attributes that are not known
	OtherFamily  uint64 // parts of messages for other address families
}

func (c *Counts) count(t evpn.RouteType, reach bool) {
	if reach {
		c.Reach[t]++
	} else {
		c.Withdrawn[t]++
	}
}

// Add adds what o counted.
func (c *Counts) Add(o *Counts) {
	c.Updates += o.Updates
	c.EndOfRIB += o.EndOfRIB
	for i := range c.Reach {
		c.Reach[i] += o.Reach[i]
		c.Withdrawn[i] += o.Withdrawn[i]
	}
	for i := range c.Discarded {
		c.Discarded[i] += o.Discarded[i]
	}
	c.AttrsIgnored += o.AttrsIgnored
	c.AttrsUnknown += o.AttrsUnknown
	c.OtherFamily += o.OtherFamily
}

// Discard is why a route was not taken as announced. Zero is that it was.
type Discard uint8

// The reasons. The first group leaves a route out; for the second the route
// is taken as withdrawn, because its attributes cannot be used (RFC 7606) or
// because it has come back to where it was before.
const (
	DiscardMalformed       Discard = iota + 1 // an NLRI whose lengths do not add up
	DiscardMAC                                // a MAC that no host can have
	DiscardEthernetAD                         // route type 1
	DiscardEthernetSegment                    // route type 4
	DiscardPrefix                             // route type 5
	DiscardUnknownType                        // route type 0 or 6 and above

	DiscardNextHop     // no address, or none that a VTEP can have
	DiscardAttrLength  // an attribute too long or too short
	DiscardAttrFlags   // an attribute whose flags are not its own
	DiscardAttrMissing // ORIGIN or AS_PATH is not there
	DiscardAttrUnknown // a well-known attribute that is not known
	DiscardAttrValue   // an attribute with a value it cannot have
	DiscardASPath      // an AS_PATH whose segments do not add up
	DiscardASLoop      // the own AS is in the AS_PATH
	DiscardOriginator  // the ORIGINATOR_ID is the own router id
	DiscardCluster     // the own router id is in the CLUSTER_LIST

	NumDiscards // how many there are, none included
)

var discardNames = [NumDiscards]string{
	DiscardMalformed: "malformed-nlri", DiscardMAC: "bad-mac", DiscardEthernetAD: "ethernet-ad",
	DiscardEthernetSegment: "ethernet-segment", DiscardPrefix: "prefix", DiscardUnknownType: "unknown-route-type",
	DiscardNextHop: "bad-next-hop", DiscardAttrLength: "attribute-length", DiscardAttrFlags: "attribute-flags",
	DiscardAttrMissing: "attribute-missing", DiscardAttrUnknown: "attribute-unrecognized", DiscardAttrValue: "attribute-value",
	DiscardASPath: "malformed-as-path", DiscardASLoop: "as-path-loop", DiscardOriginator: "own-originator-id",
	DiscardCluster: "own-cluster-id",
}

// String returns the stable name that users see.
func (d Discard) String() string {
	if d < NumDiscards {
		return discardNames[d]
	}
	return "unknown"
}

var discardReasons = [NumDiscards]string{
	DiscardMalformed:       "the lengths in the route do not add up: its sender is broken",
	DiscardMAC:             "its MAC is none that a host can have",
	DiscardEthernetAD:      "routes of type 1 (multihoming) are not used",
	DiscardEthernetSegment: "routes of type 4 (multihoming) are not used",
	DiscardPrefix:          "routes of type 5 (IP prefixes) are not used",
	DiscardUnknownType:     "its route type is not known",
	DiscardNextHop:         "its next hop is none that a VTEP can have",
	DiscardAttrLength:      "an attribute of it is too long or too short, so it counts as withdrawn (RFC 7606)",
	DiscardAttrFlags:       "an attribute of it has flags that are not its own, so it counts as withdrawn (RFC 7606)",
	DiscardAttrMissing:     "it has no ORIGIN or no AS_PATH, so it counts as withdrawn (RFC 7606)",
	DiscardAttrUnknown:     "it has a well-known attribute that is not known, so it counts as withdrawn (RFC 7606)",
	DiscardAttrValue:       "an attribute of it has a value that it cannot have, so it counts as withdrawn (RFC 7606)",
	DiscardASPath:          "the segments of its AS_PATH do not add up, so it counts as withdrawn (RFC 7606)",
	DiscardASLoop:          "our own AS is in its AS_PATH: it has been here before, or two sites share an AS",
	DiscardOriginator:      "its ORIGINATOR_ID is our router id: it is our own route that came back, or another router has our id",
	DiscardCluster:         "our router id is in its CLUSTER_LIST: it has been here before, or another router has our id",
}

// Reason says why a route was discarded, for a person.
func (d Discard) Reason() string {
	if d < NumDiscards {
		return discardReasons[d]
	}
	return "unknown"
}
