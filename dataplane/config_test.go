package dataplane_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

func TestValidate(t *testing.T) {
	place := func(c topology.Config) dataplane.Config { return dataplane.Config{Topology: c} }
	declare := func(d ...topology.Declared) dataplane.Config { return place(declared(d...)) }
	bare := declared(topology.Declared{VNI: 200}).Declared[0]
	nowhere, nameless, portless := bare, bare, bare
	nowhere.Local, nameless.Bridge, portless.Port = netip.Addr{}, "", 0
	for _, c := range []struct {
		name string
		cfg  dataplane.Config
		says string // empty: it is right
	}{
		{"nothing", dataplane.Config{}, ""},
		{"ranges", place(topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 1, Last: 1<<24 - 1}}}}), ""},
		{"range backwards", place(topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 3, Last: 2}}}}), "3-2"},
		{"range too wide", place(topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 3, Last: 1 << 24}}}}), "16777215"},
		{"glob", place(topology.Config{Select: topology.Select{Devices: []string{"vx[1"}}}), "vx[1"},
		{"declared", declare(topology.Declared{VNI: 200}), ""},
		{"declared without address", place(topology.Config{Declared: []topology.Declared{nowhere}}), "local address"},
		{"declared without a name", place(topology.Config{Declared: []topology.Declared{nameless}}), "VNI 200: bridge and VXLAN device need a name"},
		{"declared without a port", place(topology.Config{Declared: []topology.Declared{portless}}), "VNI 200 has no UDP port"},
		{"declared twice", declare(topology.Declared{VNI: 200}, topology.Declared{VNI: 200}), "twice"},
		{"declared 0", declare(topology.Declared{}), "VNI 0"},
		{"one name for two", declare(topology.Declared{VNI: 1, Device: "v"}, topology.Declared{VNI: 2, Device: "v"}), "used twice"},
		{"long name", declare(topology.Declared{VNI: 1, Device: "a-name-of-16-byt"}), "longer"},
		{"hosts", dataplane.Config{Hosts: hosts.Config{Off: true}, VNIHosts: map[evpn.VNI]hosts.Config{200: {ProbeInterval: time.Second, ProbeRate: 1}}}, ""},
		{"negative rate", dataplane.Config{Hosts: hosts.Config{ProbeRate: -1}}, "probe rate -1"},
		{"negative interval", dataplane.Config{VNIHosts: map[evpn.VNI]hosts.Config{200: {ProbeInterval: -time.Second}}}, "VNI 200: probe interval -1s"},
		{"hosts of no VNI", dataplane.Config{VNIHosts: map[evpn.VNI]hosts.Config{0: {}}}, "VNI 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.cfg.Validate()
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("says %v, want something about %q", err, c.says)
			}
			// Neither a start nor a reload takes what is wrong.
			p := dataplane.New(newPretend().open(t), c.cfg, slog.New(slog.DiscardHandler))
			if got := p.Configure(c.cfg); (got == nil) != (err == nil) {
				t.Errorf("Configure says %v", got)
			}
			if err != nil {
				if got := p.Run(context.Background()); got == nil {
					t.Error("Run takes it")
				}
			}
		})
	}
}
