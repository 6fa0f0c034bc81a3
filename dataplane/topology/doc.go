// Package topology says what the devices of a network namespace are for: which
// VXLAN device has which broadcast domain, how that is laid out in the kernel,
// why a device is not served, and which devices are to be made. It is pure:
// devices, addresses and a configuration in, values out.
//
//	links, addresses --> View --+--> Resolve --> Topology: a Device for each VXLAN
//	                            |                device, with its Attachment and Problems
//	Config ---------------------+--> Plan -----> Steps that make what is declared
//
// An [Attachment] is the one type that knows where in the kernel the entries
// of a broadcast domain are. It builds them, and an [Index] of attachments
// tells whose an entry is. The rest of the dataplane knows no bridge, no VXLAN
// device and no VLAN:
//
//	hosts ---- bridge port --+                 +-- VXLAN device ---- other VTEPs
//	                         +---- bridge -----+
//	                                 |
//	                                SVI: the device with the addresses of the
//	                                     broadcast domain, and its neighbors
//
// Today a broadcast domain is a VXLAN device with one VNI, which is a port of a
// bridge that does not filter VLANs; the bridge is the SVI. Where a bridge
// filters VLANs the attachment has a VLAN and the SVI is the VLAN's device;
// where one VXLAN device has many VNIs it has a source VNI. Both are 0 until
// Resolve makes such attachments.
package topology
