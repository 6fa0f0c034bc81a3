package lab

import (
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Announce has the container send a gratuitous ARP for its IPv4 address, as
// container engines do when a container starts (RFC 5227 §3).
func (c *Container) Announce() {
	c.lab.Helper()
	c.AnnounceAs(c.MAC, c.IPv4)
}

// AnnounceAs is Announce for another host that is behind the container's
// device, as a virtual machine would be.
func (c *Container) AnnounceAs(mac string, ip netip.Addr) {
	c.lab.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		c.lab.Fatalf("lab: %s: %v", c.Short, err)
	}
	if err := c.Do(func() error { return send("eth0", gratuitousARP(hw, ip)) }); err != nil {
		c.lab.Fatalf("lab: %s: gratuitous ARP: %v", c.Short, err)
	}
}

// Ask has the container ask everybody who has each target address (RFC 826),
// for a host with mac and ip.
func (c *Container) Ask(mac string, ip netip.Addr, targets ...netip.Addr) {
	c.lab.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		c.lab.Fatalf("lab: %s: %v", c.Short, err)
	}
	var frames [][]byte
	for _, target := range targets {
		frames = append(frames, arpRequest(hw, ip, target))
	}
	if err := c.Do(func() error { return send("eth0", frames...) }); err != nil {
		c.lab.Fatalf("lab: %s: ARP request: %v", c.Short, err)
	}
}

// send sends Ethernet frames from a device.
func send(dev string, frames ...[]byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	for _, frame := range frames {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
			return err
		}
	}
	return nil
}

func gratuitousARP(mac net.HardwareAddr, ip netip.Addr) []byte { return arpRequest(mac, ip, ip) }

func arpRequest(mac net.HardwareAddr, ip, target netip.Addr) []byte {
	b := slices.Concat(net.HardwareAddr{255, 255, 255, 255, 255, 255}, mac,
		net.HardwareAddr{8, 6 /* ARP */, 0, 1 /* Ethernet */, 8, 0 /* IPv4 */, 6, 4, 0, 1 /* request */})
	b = append(append(b, mac...), ip.AsSlice()...)
	return append(append(b, make([]byte, 6)...), target.AsSlice()...)
}
