//go:build !race

// The images have the static binaries of make build, however this test was
// built: under the race detector there is nothing else to be seen here.

package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/containerlab"
	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// Docker is tried as a whole: the images are built once, run as the nodes of
// the topologies, and used on the two hosts of docs/docker.md.
func TestDocker(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Ping, lab.DockerEngine, lab.MakeRoot, lab.Busybox)
	l := lab.New(t)
	engine := l.NS("engine").Docker()
	cmd := exec.Command("make", "-C", "../..", "images", "BASE=debootstrap")
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+engine.Address())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make images: %v\n%s", err, out)
	}
	image := filepath.Join(l.Dir(), "evpnd.tar")
	engine.Must("save", "--output", image, "evpnd/evpnd")

	t.Run("image", func(t *testing.T) {
		t.Parallel()
		small(t, engine)
	})
	t.Run("page", func(t *testing.T) {
		t.Parallel()
		page(t, image)
	})
	for _, f := range containerlab.Fabrics {
		if os.Getenv("EVPND_CONTAINERS") != "all" && f.File != "two-vteps.clab.yml" && f.File != "leaf-spine.clab.yml" {
			continue // these two have what there is: test/containerlab runs all, in namespaces
		}
		t.Run(f.File, func(t *testing.T) {
			t.Parallel()
			top, err := containerlab.Read(filepath.Join("../containerlab", f.File))
			if err != nil {
				t.Fatal(err)
			}
			l := lab.New(t)
			site := containerlab.InContainers(l, top, engine)
			f.Hold(l, site)
		})
	}
}

// small checks what is in the image of evpnd, and what it may.
func small(t *testing.T, engine *lab.Docker) {
	var images []struct {
		Size   int64
		Config struct{ User string }
	}
	if err := json.Unmarshal([]byte(engine.Must("image", "inspect", "evpnd/evpnd")), &images); err != nil {
		t.Fatal(err)
	}
	if i := images[0]; i.Size > 50e6 || i.Config.User != "65532:65532" {
		t.Errorf("evpnd/evpnd has %d bytes and runs as %q, want at most 50 MB and not root", i.Size, i.Config.User)
	}
	// Without its capability it says nothing, for it does not begin.
	out, err := engine.Try("run", "--rm", "--network", "none", "evpnd/evpnd", "--version")
	if err == nil || !strings.Contains(out, "operation not permitted") {
		t.Errorf("without NET_ADMIN: %v, %q, want the error that docs/docker.md names", err, out)
	}
	if out := engine.Must("run", "--rm", "--network", "none", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW",
		"--cap-add", "NET_BIND_SERVICE", "evpnd/evpnd", "--version"); !strings.Contains(out, "evpnd") {
		t.Errorf("evpnd --version says %q", out)
	}
}

// page runs the commands of docs/docker.md on two hosts.
func page(t *testing.T, image string) {
	l := lab.New(t)
	under := l.Fabric("underlay")
	hosts := map[string]*dockerHost{}
	for i, name := range []string{"a", "b"} {
		n := under.Node(name, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24))
		n.Sysctl("net/ipv4/ip_forward", "1")
		if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err == nil {
			n.Sysctl("net/bridge/bridge-nf-call-iptables", "1") // the harder case
		}
		h := &dockerHost{Node: n, Docker: n.Docker()}
		h.Must("load", "--input", image)
		h.Must("import", busybox(t, l.Dir()), "busybox")
		hosts[name] = h
	}
	for _, b := range blocks(t, "../../docs/docker.md") {
		for _, name := range []string{"a", "b"} {
			if b.host != "" && b.host != name {
				continue
			}
			out, err := hosts[name].Shell(b.text)
			t.Logf("docs/docker.md:%d: on %s\n%s%s", b.line, name, b.text, out)
			if err != nil {
				t.Fatalf("docs/docker.md:%d: on %s: %v", b.line, name, err)
			}
		}
		if strings.Contains(b.text, "docker exec client ping") {
			l.Until(10*time.Second, "each host knows the container of the other one", func() (bool, string) {
				return hosts["a"].knows("172.18.2.10", "192.0.2.2", "client", hosts["b"]) &&
					hosts["b"].knows("172.18.1.10", "192.0.2.1", "web", hosts["a"]), hosts["a"].state() + hosts["b"].state()
			})
			nothingStatic(t, hosts)
			largest(t, hosts)
		}
	}
	l.Until(10*time.Second, "each host knows the container of the other one again", func() (bool, string) {
		return hosts["a"].knows("172.18.2.10", "192.0.2.2", "client", hosts["b"]) &&
			hosts["b"].knows("172.18.1.10", "192.0.2.1", "web", hosts["a"]), hosts["a"].state() + hosts["b"].state()
	})
	nothingStatic(t, hosts)
}

type dockerHost struct {
	*lab.Node
	*lab.Docker
}

// state is what the kernel of the host has.
func (h *dockerHost) state() string {
	return h.Bridge("fdb", "show", "dev", "vxlan200") + h.IP("neigh", "show", "dev", "br-evpn")
}

// knows says whether the kernel of the host has the container of another one
// behind its VTEP, and its address.
func (h *dockerHost) knows(ip, vtep, container string, on *dockerHost) bool {
	mac := strings.TrimSpace(on.Must("inspect", "--format", "{{.NetworkSettings.Networks.evpn.MacAddress}}", container))
	return slices.ContainsFunc(h.FDB("vxlan200"), func(e lab.FDBEntry) bool { return e.MAC == mac && e.Dst == vtep }) &&
		slices.ContainsFunc(h.Neighbors("br-evpn"), func(e lab.Neighbor) bool { return e.IP.String() == ip && e.MAC == mac })
}

// nothingStatic checks that nobody has helped: beside broadcast, every entry
// with a destination is one that evpnd made, and no neighbor entry of host or
// container is permanent.
func nothingStatic(t *testing.T, hosts map[string]*dockerHost) {
	t.Helper()
	for name, container := range map[string]string{"a": "web", "b": "client"} {
		h := hosts[name]
		for _, e := range h.FDB("vxlan200") {
			if e.Dst != "" && e.MAC != "00:00:00:00:00:00" && !slices.Contains(e.Flags, "extern_learn") {
				t.Errorf("%s: %+v was not made by evpnd", name, e)
			}
		}
		for _, out := range []string{h.IP("neigh", "show", "nud", "permanent"), h.Must("exec", container, "ip", "neigh")} {
			if strings.Contains(out, "172.18.") && strings.Contains(out, "PERMANENT") {
				t.Errorf("%s: a permanent neighbor entry:\n%s", name, out)
			}
		}
	}
}

// largest checks that the largest packet of a container passes, and arrives
// from the container's own address: no masquerading.
func largest(t *testing.T, hosts map[string]*dockerHost) {
	t.Helper()
	hosts["b"].Must("exec", "client", "ping", "-c", "3", "-s", "1422", "172.18.1.10") // and 28 bytes of headers
	if out := hosts["a"].Must("exec", "web", "ip", "neigh"); !strings.Contains(out, "172.18.2.10") {
		t.Errorf("web was pinged from %q, want 172.18.2.10", out)
	}
}

// busybox makes an image of the machine's busybox, which needs no library.
func busybox(t *testing.T, dir string) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content []byte) {
		h.Mode, h.Size = 0o755, int64(len(content))
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox"}, program)
	for _, applet := range []string{"sh", "sleep", "ping", "ip"} {
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox"}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, fmt.Sprintf("busybox-%d.tar", os.Getpid()))
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
