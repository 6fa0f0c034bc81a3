package containerlab

import (
	"strings"
	"testing"
)

const valid = `name: two
topology:
  kinds:
    linux: {image-pull-policy: Never, network-mode: none, privileged: false, restart-policy: "no"}
  nodes:
    a:
      kind: linux
      image: evpnd/vtep
      cap-add: [NET_ADMIN]
      binds: [two/a.yaml:/etc/evpnd/evpnd.yaml:ro]
      exec: [ip address add 10.90.1.1/24 dev eth1]
    b: {kind: linux, image: evpnd/host, cap-add: [NET_ADMIN]}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], mtu: 1500}
`

func TestParse(t *testing.T) {
	top, err := parse([]byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	a, b := top.Links[0].ends()
	if top.Name != "two" || len(top.Nodes) != 2 || top.Nodes["a"].NetworkMode != "none" || a != (end{"a", "eth1"}) || b != (end{"b", "eth1"}) {
		t.Errorf("read as %+v", top)
	}
}

// What containerlab would take, or silently do otherwise than we, is refused.
func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":            {"      exec:", "      startup-delay: 5\n      exec:", "startup-delay"},
		"unknown key at the top": {"name: two", "name: two\nprefix: x", "prefix"},
		"unknown key of a link":  {"mtu: 1500}", "mtu: 1500, labels: {a: b}}", "labels"},
		"misspelled key":         {"cap-add: [NET_ADMIN]\n", "cap_add: [NET_ADMIN]\n", "cap_add"},
		"other kind":             {"kind: linux\n", "kind: nokia_srlinux\n", "nodes.a.kind: want linux"},
		"kind that is not run":   {"    linux: {", "    bridge: {", "kinds.bridge"},
		"list of a kind":         {`restart-policy: "no"}`, `restart-policy: "no", cap-add: [SYS_ADMIN]}`, "lists"},
		"image from elsewhere":   {"evpnd/host", "alpine:3", "nodes.b.image"},
		"pulled image":           {"Never", "IfNotPresent", "image-pull-policy"},
		"management network":     {"network-mode: none, ", "", "network-mode"},
		"privileged by default":  {"privileged: false, ", "", "privileged"},
		"privileged":             {"privileged: false", "privileged: true", "privileged"},
		"more capabilities":      {"[NET_ADMIN]\n", "[NET_ADMIN, SYS_ADMIN]\n", "cap-add"},
		"restarted":              {`"no"`, `always`, "restart-policy"},
		"shell in exec":          {"dev eth1]", "dev eth1 && true]", "exec"},
		"bind that writes":       {":ro]", ":rw]", "binds"},
		"link to nowhere":        {"b:eth1", "c:eth1", "c:eth1 is no device of a node"},
		"two links at a device":  {"    - {", "    - {endpoints: [\"a:eth1\", \"b:eth2\"], mtu: 1500}\n    - {", "a:eth1 has a link already"},
		"jumbo by default":       {", mtu: 1500", "", "mtu"},
		"long device name":       {"b:eth1", "b:abcdefghijklmnop", "no device"},
		"second document":        {"name: two", "name: one\n---\nname: two", "more than one document"},
		"no name":                {"name: two", "", "name: required"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, c.old, c.new, 1)
			if text == valid {
				t.Fatal("changes nothing")
			}
			if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
