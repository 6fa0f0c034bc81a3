package containerlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Topology is a file of containerlab, as far as our files use its schema.
type Topology struct {
	File  string // absolute
	Name  string // of the lab
	Nodes map[string]Node
	Links []Link
}

// Node is a container. All of them are of containerlab's kind linux, without
// a management network and without privileges beside those in CapAdd.
type Node struct {
	Kind            string            `yaml:"kind"`
	Image           string            `yaml:"image"`
	ImagePullPolicy string            `yaml:"image-pull-policy"`
	NetworkMode     string            `yaml:"network-mode"`
	RestartPolicy   string            `yaml:"restart-policy"`
	Privileged      *bool             `yaml:"privileged"`
	CapAdd          []string          `yaml:"cap-add"`
	Sysctls         map[string]string `yaml:"sysctls"`
	Binds           []string          `yaml:"binds"` // file:path:ro, the file beside the topology
	Exec            []string          `yaml:"exec"`  // once the links are there
}

// Link is a veth pair, up at both ends.
type Link struct {
	Endpoints []string `yaml:"endpoints"` // two, as node:device
	MTU       int      `yaml:"mtu"`
}

// The images that a node can have, and the capabilities that each needs.
const (
	ImageVTEP = "evpnd/vtep"
	ImageFRR  = "evpnd/frr"
	ImageHost = "evpnd/host"
)

var capabilities = map[string][]string{
	ImageVTEP: {"NET_ADMIN"},
	ImageFRR:  {"NET_ADMIN", "SYS_ADMIN"},
	ImageHost: {"NET_ADMIN"},
}

// Read reads a topology. What containerlab would take and we do not run the
// same way is an error.
func Read(file string) (*Topology, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	t.File, err = filepath.Abs(file)
	return t, err
}

func parse(b []byte) (*Topology, error) {
	var f struct {
		Name     string `yaml:"name"`
		Topology struct {
			Kinds map[string]Node `yaml:"kinds"`
			Nodes map[string]Node `yaml:"nodes"`
			Links []Link          `yaml:"links"`
		} `yaml:"topology"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	t := &Topology{Name: f.Name, Nodes: make(map[string]Node), Links: f.Topology.Links}
	if t.Name == "" {
		return nil, errors.New("name: required")
	}
	for kind := range f.Topology.Kinds {
		if kind != "linux" {
			return nil, fmt.Errorf("kinds.%s: only linux is run", kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Topology.Nodes)) {
		n := f.Topology.Nodes[name].over(f.Topology.Kinds["linux"])
		if err := n.check(); err != nil {
			return nil, fmt.Errorf("nodes.%s.%w", name, err)
		}
		t.Nodes[name] = n
	}
	return t, t.checkLinks()
}

// over returns the node with what it leaves out taken from its kind. Our
// kinds have no lists, which containerlab would join.
func (n Node) over(kind Node) Node {
	for _, s := range []struct{ own, kind *string }{
		{&n.Image, &kind.Image},
		{&n.ImagePullPolicy, &kind.ImagePullPolicy},
		{&n.NetworkMode, &kind.NetworkMode},
		{&n.RestartPolicy, &kind.RestartPolicy},
	} {
		if *s.own == "" {
			*s.own = *s.kind
		}
	}
	if n.Privileged == nil {
		n.Privileged = kind.Privileged
	}
	if len(kind.CapAdd)+len(kind.Binds)+len(kind.Exec)+len(kind.Sysctls) > 0 {
		n.Kind = "of a kind with lists, which are not joined here"
	}
	return n
}

// check returns what is wrong with a node, beginning with the key.
func (n Node) check() error {
	caps, known := capabilities[n.Image]
	switch {
	case n.Kind != "linux":
		return fmt.Errorf("kind: want linux, not %q", n.Kind)
	case !known:
		return fmt.Errorf("image: want one of %q, not %q", slices.Sorted(maps.Keys(capabilities)), n.Image)
	case n.ImagePullPolicy != "Never":
		return errors.New("image-pull-policy: want Never: the images are made here, and nobody else may have that name")
	case n.NetworkMode != "none":
		return errors.New("network-mode: want none: a node has its links and no others")
	case n.RestartPolicy != "no":
		return errors.New(`restart-policy: want "no": a container that starts again has lost its links`)
	case n.Privileged == nil || *n.Privileged:
		return errors.New("privileged: want false: containerlab's default is true")
	case !slices.Equal(n.CapAdd, caps):
		return fmt.Errorf("cap-add: want %q, what %s needs, not %q", caps, n.Image, n.CapAdd)
	}
	for _, b := range n.Binds {
		if part := strings.Split(b, ":"); len(part) != 3 || filepath.IsAbs(part[0]) || !filepath.IsAbs(part[1]) || part[2] != "ro" {
			return fmt.Errorf("binds: want file:/path:ro, not %q", b)
		}
	}
	for _, c := range n.Exec {
		// containerlab splits a command at spaces, minds quotes, and has
		// no shell.
		if strings.ContainsAny(c, "\"'\\$`|&;<>()*?~#") || strings.TrimSpace(c) == "" {
			return fmt.Errorf("exec: want words and nothing for a shell, not %q", c)
		}
	}
	return nil
}

// bound returns the file that is seen as path in the node, "" when none is.
func (t *Topology) bound(node, path string) string {
	for _, b := range t.Nodes[node].Binds {
		if part := strings.Split(b, ":"); part[1] == path {
			return filepath.Join(filepath.Dir(t.File), part[0])
		}
	}
	return ""
}

// end is one end of a link.
type end struct{ node, dev string }

func (l Link) ends() (a, b end) {
	at := func(s string) end {
		node, dev, _ := strings.Cut(s, ":")
		return end{node, dev}
	}
	return at(l.Endpoints[0]), at(l.Endpoints[1])
}

func (t *Topology) checkLinks() error {
	seen := make(map[end]bool)
	for i, l := range t.Links {
		if len(l.Endpoints) != 2 {
			return fmt.Errorf("links[%d]: want two endpoints, not %q", i, l.Endpoints)
		}
		if l.MTU == 0 {
			return fmt.Errorf("links[%d].mtu: required: containerlab's default of 9500 is no underlay's", i)
		}
		a, b := l.ends()
		for _, e := range []end{a, b} {
			// IFNAMSIZ is 16 with the zero at the end.
			if _, ok := t.Nodes[e.node]; !ok || e.dev == "" || len(e.dev) > 15 || strings.Contains(e.dev, ":") {
				return fmt.Errorf("links[%d]: %s:%s is no device of a node", i, e.node, e.dev)
			}
			if seen[e] {
				return fmt.Errorf("links[%d]: %s:%s has a link already", i, e.node, e.dev)
			}
			seen[e] = true
		}
	}
	return nil
}
