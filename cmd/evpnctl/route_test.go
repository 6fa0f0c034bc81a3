package main

import (
	"strings"
	"testing"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// TestStaleRoutes: a table says of a route that it is stale, and why; JSON has
// a mark for each kind.
func TestStaleRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		route       *evpndv1.Route
		state       string
		stale, long bool
	}{
		"fresh": {&evpndv1.Route{Chosen: true}, "chosen", false, false},
		"stale": {&evpndv1.Route{Chosen: true, Stale: true}, "chosen (stale: not repeated since the session fell)", true, false},
		"long-lived": {
			&evpndv1.Route{Stale: true, LongLivedStale: true, Reason: "another route won"},
			"not used: another route won (stale: the peer keeps it, though whom it has it from is gone)", true, true,
		},
	} {
		if got := routeState(c.route); got != c.state {
			t.Errorf("%s: %q, want %q", name, got, c.state)
		}
		b, err := toJSON(c.route)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{`"stale":true`: c.stale, `"long_lived_stale":true`: c.long} {
			if got := strings.Contains(string(b), key); got != want {
				t.Errorf("%s: %s in JSON: %v, want %v", name, key, got, want)
			}
		}
	}
}
