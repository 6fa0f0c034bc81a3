package evpn

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestRulesOnThePage holds the tables of docs/explain.md to the rules.
func TestRulesOnThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Where a MAC is": table(macRules), "Which MAC an address belongs to": table(ipRules), "Which copy of a route counts": table(copyRules),
	} {
		_, section, found := strings.Cut(string(page), "\n### "+name+"\n")
		section, _, _ = strings.Cut(section, "\n#")
		if !found || !strings.Contains(section, want) {
			t.Errorf("docs/explain.md, section %q, should have this table:\n%s", name, want)
		}
	}
}

func table[P any](rs rules[P]) string {
	var b strings.Builder
	fmt.Fprint(&b, "| | wins | says | compared |\n|---|---|---|---|\n")
	for i := range rs {
		r := &rs[i]
		rfc, between := r.rfc, "any two"
		if rfc == "" {
			rfc = "evpnd"
		}
		if r.between != nil {
			between = "this host and a route"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", i+1, r.name, rfc, between)
	}
	return b.String()
}

// TestRulesDecideAsTheyExplain compares any two candidates of a small world:
// the last step of the explanation is what decided, and swapping the two turns
// it round.
func TestRulesDecideAsTheyExplain(t *testing.T) {
	var all []candidate
	for i := range 1 << 6 {
		has := func(bit int) bool { return i>>bit&1 == 1 }
		c := candidate{
			stale: has(0), sticky: has(1), immutable: has(2), gateway: has(3), seq: uint32(i >> 4 & 1), vtep: there2, mac: number(i >> 5),
		}
		if has(5) {
			c.vtep = there3
		}
		all = append(all, c)
		c.local, c.static, c.sticky, c.stale, c.gateway = true, has(1), has(1), false, false
		all = append(all, c)
	}
	for name, rs := range map[string]rules[candidate]{"MAC": macRules, "address": ipRules} {
		for _, a := range all {
			for _, b := range all {
				if a.local && b.local {
					continue // there is one local host
				}
				c, r := rs.decide(a, b)
				if back := rs.compare(b, a); (back > 0) != (c < 0) || (back == 0) != (c == 0) {
					t.Fatalf("%s: %+v against %+v is %d, and the other way round %d", name, a, b, c, back)
				}
				steps := rs.steps(a, b)
				last := steps[len(steps)-1]
				switch {
				case c == 0 && (r != nil || last.Outcome != Equal):
					t.Fatalf("%s: no rule tells %+v from %+v, and the steps end with %+v", name, a, b, last)
				case c != 0 && (last.Rule != r.String() || last.Outcome != outcome(c > 0)):
					t.Fatalf("%s: %+v against %+v is %d by %v, and the steps end with %+v", name, a, b, c, r, last)
				case c < 0 && !a.local && !b.local && r.lost == nil:
					t.Fatalf("%s: %v decides between two routes and has no sentence for it", name, r)
				}
			}
		}
	}
}
