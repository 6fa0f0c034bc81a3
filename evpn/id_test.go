package evpn

import (
	"net/netip"
	"testing"
)

// The bytes are written down from RFC 4364 §4.2, RFC 4360 §4 and RFC 5668 §2.
func TestAdministratorForms(t *testing.T) {
	for _, c := range []struct {
		text string
		rd   RD
		rt   RT
	}{
		{"65000:200", RD{0, 0, 0xfd, 0xe8, 0, 0, 0, 200}, RT{0, 2, 0xfd, 0xe8, 0, 0, 0, 200}},
		{"65000:16777215", RD{0, 0, 0xfd, 0xe8, 0, 0xff, 0xff, 0xff}, RT{0, 2, 0xfd, 0xe8, 0, 0xff, 0xff, 0xff}},
		{"10.0.0.1:200", RD{0, 1, 10, 0, 0, 1, 0, 200}, RT{1, 2, 10, 0, 0, 1, 0, 200}},
		{"4200000000:200", RD{0, 2, 0xfa, 0x56, 0xea, 0, 0, 200}, RT{2, 2, 0xfa, 0x56, 0xea, 0, 0, 200}},
		{"65000L:200", RD{0, 2, 0, 0, 0xfd, 0xe8, 0, 200}, RT{2, 2, 0, 0, 0xfd, 0xe8, 0, 200}},
	} {
		rd, err := ParseRD(c.text)
		if err != nil || rd != c.rd || rd.String() != c.text {
			t.Errorf("ParseRD(%q) = %x (%s), %v; want %x", c.text, rd[:], rd, err, c.rd[:])
		}
		rt, err := ParseRT(c.text)
		if err != nil || rt != c.rt || rt.String() != c.text {
			t.Errorf("ParseRT(%q) = %x (%s), %v; want %x", c.text, rt[:], rt, err, c.rt[:])
		}
	}
	for _, bad := range []string{"", "65000", ":", "x:1", "65000:-1", "65000:4294967296", "10.0.0.1:65536", "4200000000:65536", "2001:db8::1", "1.2.3:4", "L:1"} {
		if rt, err := ParseRT(bad); err == nil {
			t.Errorf("ParseRT(%q) = %s, want an error", bad, rt)
		}
	}
	if got := NewRD(netip.MustParseAddr("10.0.0.1"), 200); got.String() != "10.0.0.1:200" {
		t.Errorf("NewRD = %s", got)
	}
}

func TestParseMAC(t *testing.T) {
	want := MAC{2, 0x42, 0xac, 0x12, 0, 0x0a}
	for _, s := range []string{"02:42:ac:12:00:0a", "02-42-AC-12-00-0A", "0242ac12000a"} {
		if m, err := ParseMAC(s); err != nil || m != want {
			t.Errorf("ParseMAC(%q) = %s, %v", s, m, err)
		}
	}
	if want.String() != "02:42:ac:12:00:0a" {
		t.Errorf("String() = %q", want.String())
	}
	for _, s := range []string{"", "02:42:ac:12:00", "02:42:ac:12:00:0g", "02:42:ac:12:00:0a:00", "0:2:4:2:a:c:1:2:00"} {
		if m, err := ParseMAC(s); err == nil {
			t.Errorf("ParseMAC(%q) = %s, want an error", s, m)
		}
	}
	for m, host := range map[MAC]bool{want: true, {}: false, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}: false, {1, 0, 0x5e, 0, 0, 1}: false, {0x33, 0x33}: false} {
		if m.IsHost() != host {
			t.Errorf("%s.IsHost() = %v", m, m.IsHost())
		}
	}
}

func TestParseVNI(t *testing.T) {
	for s, ok := range map[string]bool{"1": true, "16777215": true, "0": false, "16777216": false, "-1": false, "": false, "x": false} {
		if _, err := ParseVNI(s); (err == nil) != ok {
			t.Errorf("ParseVNI(%q): %v", s, err)
		}
	}
}

func TestAutomaticTargets(t *testing.T) {
	for _, c := range []struct {
		name            string
		cfg             Config
		export, imports string
		takes, refuses  string
	}{
		{"auto", Config{AS: 65000}, "65000:200", "*:200", "1:200", "65000:201"},
		// FRR and Cumulus keep the low 16 bits of a 4-byte AS.
		{"auto, 4-byte AS", Config{AS: 4200000000}, "59904:200", "*:200", "10.0.0.1:200", "10.0.0.1:201"},
		// 0x10000000 | 200 = 268435656 (RFC 8365 §5.1.2.1).
		{"rfc8365", Config{AS: 65000, Targets: TargetRFC8365}, "65000:268435656", "65000:268435656", "65000:268435656", "65000:200"},
		{"fixed", Config{AS: 65001, Targets: TargetFixed, TargetAS: 7}, "7:200", "7:200", "7:200", "65001:200"},
		{"manual", Config{AS: 65000, BDs: map[VNI]BDConfig{200: {
			Import: []Target{{RT: mustRT(t, "1:1")}, AnyTarget(9)}, Export: []RT{mustRT(t, "2:2")},
		}}}, "2:2", "1:1", "65000:9", "65000:200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			export, imports := c.cfg.targets(200)
			if export[0].String() != c.export || imports[0].String() != c.imports {
				t.Errorf("export %v import %v, want %s and %s", export, imports, c.export, c.imports)
			}
			var x importIndex
			f := &macVRF{}
			x.add(f, imports)
			if got := x.match(nil, []RT{mustRT(t, c.takes)}); len(got) != 1 {
				t.Errorf("refuses %s", c.takes)
			}
			if got := x.match(nil, []RT{mustRT(t, c.refuses)}); len(got) != 0 {
				t.Errorf("takes %s", c.refuses)
			}
			x.remove(f, imports)
			if got := x.match(nil, []RT{mustRT(t, c.takes)}); len(got) != 0 {
				t.Errorf("still takes %s after removal", c.takes)
			}
		})
	}
	e := New(Config{AS: 4200000000, Targets: TargetRFC8365})
	if as := e.Alarms(); len(as) != 1 || as[0].Kind != AlarmTargetTooWide {
		t.Errorf("RFC 8365 targets with a 4-byte AS raise %v", as)
	}
}

func mustRT(t *testing.T, s string) RT {
	t.Helper()
	rt, err := ParseRT(s)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestParseTarget(t *testing.T) {
	for _, s := range []string{"*:200", "65000:200", "10.0.0.1:200"} {
		if got, err := ParseTarget(s); err != nil || got.String() != s {
			t.Errorf("ParseTarget(%q) = %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"*", "*:", "*:x", "*:*", "65000:*"} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("ParseTarget(%q) = %s, want an error", s, got)
		}
	}
}

func TestRDTable(t *testing.T) {
	var rds rdTable
	id := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		vni  VNI
		want uint16
	}{{200, 200}, {65536 + 200, 201}, {200, 200}, {65536, 1}, {1, 2}, {65535, 65535}} {
		if got, ok := rds.of(c.vni, id); !ok || got != NewRD(id, c.want) {
			t.Errorf("VNI %d has RD %s, want number %d", c.vni, got, c.want)
		}
	}
	for v := VNI(1); v < 1<<16+10; v++ {
		rds.of(v, id)
	}
	if _, ok := rds.of(1<<20, id); ok {
		t.Error("a 65536th VNI got a number; 0 is not given out")
	}
}
