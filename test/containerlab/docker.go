package containerlab

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evpnd/evpnd/test/lab"
)

// containers is a topology whose nodes are containers of a Docker engine.
type containers struct {
	*lab.Lab
	topology *Topology
	docker   func(args ...string) (string, error)
	ns       func(node string) *lab.NS
}

// name is that of a node's container, the same as in containerlab.
func (t *Topology) name(node string) string { return "clab-" + t.Name + "-" + node }

// InContainers runs a topology in containers of the engine, as containerlab
// would do it: the containers with the capabilities of the topology, the links
// into them, and then the commands of exec, as root.
func InContainers(l *lab.Lab, t *Topology, engine *lab.Docker) Site {
	l.Helper()
	nodes := make(map[string]*lab.NS)
	s := &containers{Lab: l, topology: t, docker: engine.Try, ns: func(node string) *lab.NS { return nodes[node] }}
	for name, n := range t.Nodes {
		args := []string{"run", "--detach", "--pull", "never", "--name", t.name(name), "--hostname", name, "--network", n.NetworkMode, "--restart", n.RestartPolicy}
		for _, c := range n.CapAdd {
			args = append(args, "--cap-add", c)
		}
		for key, value := range n.Sysctls {
			args = append(args, "--sysctl", key+"="+value)
		}
		for _, b := range n.Binds {
			args = append(args, "--volume", filepath.Join(filepath.Dir(t.File), b))
		}
		// As containerlab does for its kind linux.
		args = append(args, "--sysctl", "net.ipv6.conf.all.disable_ipv6=0", n.Image)
		l.Cleanup(func() {
			// One that was stopped is not there any more.
			_, _ = engine.Try("rm", "--force", t.name(name))
		})
		engine.Must(args...)
		nodes[name] = engine.Namespace(l, t.name(name), name)
	}
	connect(l, t, s.NS)
	for name, n := range t.Nodes {
		for _, c := range n.Exec {
			engine.Must(append([]string{"exec", "--user", "0", t.name(name)}, strings.Fields(c)...)...)
		}
	}
	return s
}

// InContainerlab has containerlab deploy a topology, and destroy it when the
// lab ends. It leaves a name for each node's namespace in /run/netns.
func InContainerlab(l *lab.Lab, t *Topology) Site {
	l.Helper()
	run := func(args ...string) (string, error) {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		return string(out), err
	}
	deployed := false
	l.Cleanup(func() {
		if !deployed {
			return
		}
		if out, err := run("containerlab", "destroy", "--cleanup", "--topo", t.File); err != nil {
			l.Errorf("containerlab destroy: %v\n%s", err, out)
		}
	})
	deployed = true
	if out, err := run("containerlab", "deploy", "--topo", t.File); err != nil {
		l.Fatalf("containerlab deploy: %v\n%s", err, out)
	}
	return &containers{
		Lab: l, topology: t,
		docker: func(args ...string) (string, error) { return run(slices.Concat([]string{"docker"}, args)...) },
		ns:     func(node string) *lab.NS { return l.Adopt(node, t.name(node)) },
	}
}

func (s *containers) Topology() *Topology { return s.topology }

func (s *containers) NS(node string) *lab.NS { return s.ns(node) }

func (s *containers) Exec(node string, args ...string) (string, error) {
	return s.docker(slices.Concat([]string{"exec", s.topology.name(node)}, args)...)
}

func (s *containers) Stop(node string) {
	s.Helper()
	// One that has said goodbye has ended.
	if out, err := s.docker("rm", "--force", s.topology.name(node)); err != nil {
		s.Fatalf("%s: %v\n%s", node, err, out)
	}
}
