package soak

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evpnd/evpnd/test/lab"
)

// meddling is what somebody wrote into the kernel that evpnd leaves alone,
// because it is not its own. Whoever wrote it must remove it.
type meddling struct {
	on   *vtep
	undo []string
}

// meddle runs a command that meddles. It may fail: an entry can be gone by
// then, and flushing is not in every version of iproute2.
func (s *site) meddle(v *vtep, args ...string) {
	_, _ = v.Run(args...)
}

// meddleFDB deletes or changes an entry of a VXLAN device that is remote.
func (s *site) meddleFDB() {
	s.Helper()
	v, vni := one(s, s.vteps), one(s, vnis)
	dev := vni.Device()
	all := slices.DeleteFunc(v.FDB(dev), func(e lab.FDBEntry) bool { return e.Dst == "" })
	if len(all) == 0 {
		return
	}
	e := one(s, all)
	other := one(s, s.vteps).VTEP.String()
	remove := []string{"bridge", "fdb", "del", e.MAC, "dev", dev, "self"}
	switch {
	case e.MAC == "00:00:00:00:00:00":
		s.meddle(v, append(remove, "dst", e.Dst)...)
	case s.rng.IntN(4) == 0:
		s.meddle(v, remove...)
	case s.rng.IntN(3) == 0:
		s.meddle(v, "bridge", "fdb", "del", e.MAC, "dev", dev, "master")
	case s.rng.IntN(2) == 0:
		s.meddle(v, "bridge", "fdb", "replace", e.MAC, "dev", dev, "dst", other, "self", "extern_learn")
	default:
		// Without evpnd's mark it is somebody else's.
		s.meddle(v, "bridge", "fdb", "replace", e.MAC, "dev", dev, "dst", other, "self")
		s.meddled = append(s.meddled, meddling{v, remove})
	}
}

// meddleNeighbor deletes or changes the address of a remote host.
func (s *site) meddleNeighbor() {
	s.Helper()
	v, vni := one(s, s.vteps), one(s, vnis)
	dev := vni.Bridge()
	all := v.Neighbors(dev)
	if len(all) == 0 {
		return
	}
	ip, mac := one(s, all).IP.String(), one(s, s.guests).mac
	remove := []string{"ip", "neigh", "del", ip, "dev", dev}
	switch s.rng.IntN(3) {
	case 0:
		s.meddle(v, remove...)
	case 1:
		s.meddle(v, "ip", "neigh", "replace", ip, "lladdr", mac, "dev", dev, "nud", "noarp", "extern_learn")
	default:
		s.meddle(v, "ip", "neigh", "replace", ip, "lladdr", mac, "dev", dev, "nud", "permanent")
		s.meddled = append(s.meddled, meddling{v, remove})
	}
}

func (s *site) flush() {
	s.Helper()
	v, vni := one(s, s.vteps), one(s, vnis)
	switch s.rng.IntN(4) {
	case 0:
		s.meddle(v, "bridge", "fdb", "flush", "dev", vni.Device())
	case 1:
		s.meddle(v, "bridge", "fdb", "flush", "dev", vni.Bridge())
	case 2:
		s.meddle(v, "ip", "neigh", "flush", "dev", vni.Bridge())
	default:
		s.meddle(v, "ip", "neigh", "flush", "dev", vni.Bridge(), "nud", "noarp")
	}
}

// shows are commands that only look. Some of them fail: the object may not be
// there.
var shows = []string{
	"status", "peer list", "peer show 10.90.1.254", "peer show 10.90.1.98", "vni list", "vni show 100", "vni show 400", "vtep list",
	"mac list", "mac list --vni 200", "mac show 02:99:00:00:00:6e", "mac history 02:99:00:00:00:6e", "mac unfreeze --vni 300 02:42:00:00:02:0b",
	"neighbor list", "route list", "route list --received", "route list --advertised", "version", "audit --vni 100", "config reload", "nonsense",
}

func (s *site) show() {
	s.Helper()
	v := one(s, s.vteps)
	args := append(strings.Fields(one(s, shows)), "-o", one(s, []string{"table", "wide", "json", "yaml"}))
	_, _ = v.Try(args...)
}

// watch begins a watch, or cuts one off without a word.
func (s *site) watch() {
	s.Helper()
	if len(s.watches) > 5 || len(s.watches) > 0 && s.rng.IntN(3) == 0 {
		i := s.rng.IntN(len(s.watches))
		s.watches[i].Crash()
		s.watches = slices.Delete(s.watches, i, i+1)
		return
	}
	v := one(s, s.vteps)
	name := fmt.Sprintf("watch%d", len(s.watches))
	s.watches = append(s.watches, v.Start(name, lab.Binary(s, "evpnctl"), "--api", v.API, "watch", "-o", "json"))
}

func (s *site) audit() {
	s.Helper()
	v := one(s, s.vteps)
	args := []string{"audit"}
	if s.rng.IntN(2) == 0 {
		args = append(args, "--repair")
	}
	_, _ = v.Try(args...) // it fails where there is a difference
}
