package dataplane_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

func TestValidate(t *testing.T) {
	declare := func(d ...dataplane.Declared) dataplane.Config {
		return dataplane.Config{VTEP: addr(local), Declared: d}
	}
	for _, c := range []struct {
		name string
		cfg  dataplane.Config
		says string // empty: it is right
	}{
		{"nothing", dataplane.Config{}, ""},
		{"ranges", dataplane.Config{Select: dataplane.Select{Ranges: []dataplane.Range{{First: 1, Last: 1<<24 - 1}}}}, ""},
		{"range backwards", dataplane.Config{Select: dataplane.Select{Ranges: []dataplane.Range{{First: 3, Last: 2}}}}, "3-2"},
		{"range too wide", dataplane.Config{Select: dataplane.Select{Ranges: []dataplane.Range{{First: 3, Last: 1 << 24}}}}, "16777215"},
		{"glob", dataplane.Config{Select: dataplane.Select{Devices: []string{"vx[1"}}}, "vx[1"},
		{"declared", declare(dataplane.Declared{VNI: 200}), ""},
		{"declared without address", dataplane.Config{Declared: []dataplane.Declared{{VNI: 200}}}, "local address"},
		{"declared twice", declare(dataplane.Declared{VNI: 200}, dataplane.Declared{VNI: 200}), "twice"},
		{"declared 0", declare(dataplane.Declared{}), "VNI 0"},
		{"one name for two", declare(dataplane.Declared{VNI: 1, Device: "v"}, dataplane.Declared{VNI: 2, Device: "v"}), "used twice"},
		{"long name", declare(dataplane.Declared{VNI: 1, Device: "a-name-of-16-byt"}), "longer"},
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
