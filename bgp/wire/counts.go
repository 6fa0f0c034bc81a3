package wire

import "github.com/evpnd/evpnd/evpn"

// Counts says what came in UPDATEs.
type Counts struct {
	Updates      uint64 // messages
	EndOfRIB     uint64
	Reach        [6]uint64 // routes announced, by route type; only types 2 and 3 are kept
	Withdrawn    [6]uint64 // routes withdrawn, by route type
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
