package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Route is one path of an EVPN route as FRR shows it.
type Route struct {
	RD          string
	Prefix      string // [2]:[0]:[48]:[02:42:ac:12:00:0b]:[32]:[172.18.0.11]
	NextHop     string
	Communities string // RT:65000:100 ET:8 MM:1
}

func (r Route) String() string {
	return fmt.Sprintf("%s %s via %s %s", r.RD, r.Prefix, r.NextHop, r.Communities)
}

// Routes returns all EVPN routes that FRR has, none when it does not answer.
func (f *FRR) Routes() []Route {
	f.ns.lab.Helper()
	var rds map[string]json.RawMessage
	if ok, _ := f.JSON("show bgp l2vpn evpn route", &rds); !ok {
		return nil
	}
	var rs []Route
	for rd, raw := range rds {
		var prefixes map[string]json.RawMessage
		if json.Unmarshal(raw, &prefixes) != nil {
			continue // one of the counters beside the RDs
		}
		for prefix, raw := range prefixes {
			rs = append(rs, paths(rd, prefix, raw)...)
		}
	}
	slices.SortFunc(rs, func(a, b Route) int { return strings.Compare(a.String(), b.String()) })
	return rs
}

func paths(rd, prefix string, raw json.RawMessage) (rs []Route) {
	var p struct {
		Paths [][]struct {
			Ext struct {
				Text string `json:"string"`
			} `json:"extendedCommunity"`
			NextHops []struct {
				IP string `json:"ip"`
			} `json:"nexthops"`
		} `json:"paths"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return nil // the name of the RD
	}
	for _, path := range slices.Concat(p.Paths...) {
		for _, nh := range path.NextHops {
			rs = append(rs, Route{RD: rd, Prefix: prefix, NextHop: nh.IP, Communities: path.Ext.Text})
		}
	}
	return rs
}
