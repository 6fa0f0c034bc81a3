package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// Requirement is something that a suite needs of the machine.
type Requirement struct {
	Name string
	// Missing returns why it is not there and what to do, or "" when it is.
	Missing func() string
}

// What suites need.
var (
	// Namespaces are network namespaces with bridges, veth pairs and VXLAN
	// devices, and the ip and bridge commands.
	Namespaces = Requirement{"network namespaces", sync.OnceValue(missingNamespaces)}
	// Ping is the ping command.
	Ping = Requirement{"ping", func() string { return missingCommand("ping", "iputils-ping") }}
	// Setpriv is the setpriv command, which takes privileges away.
	Setpriv = Requirement{"setpriv", func() string { return missingCommand("setpriv", "util-linux") }}
	// Setcap is the setcap command, which gives a file capabilities.
	Setcap = Requirement{"setcap", func() string { return missingCommand("setcap", "libcap2-bin") }}
	// SystemdAnalyze is the command that judges units; systemd need not run.
	SystemdAnalyze = Requirement{"systemd-analyze", func() string { return missingCommand("systemd-analyze", "systemd") }}
	// Promtool is Prometheus's command that judges rules and metrics.
	Promtool = Requirement{"promtool", func() string { return missingCommand("promtool", "prometheus") }}
	// Users are users and groups besides root, to run programs as.
	Users = Requirement{"other users", missingUsers}
	// FRRouting is FRR's zebra, bgpd and vtysh.
	FRRouting = Requirement{"FRR", sync.OnceValue(missingFRR)}
	// DockerEngine is dockerd, to be started by the lab; none need run.
	DockerEngine = Requirement{"a Docker engine", sync.OnceValue(missingDocker)}
	// Hosts are hosts with files of their own beside those of the machine.
	Hosts = Requirement{"mounts of its own", sync.OnceValue(missingHosts)}
	// MakeRoot is a command that makes the root of a Debian system.
	MakeRoot = Requirement{"mmdebstrap", func() string { return missingCommand("mmdebstrap", "mmdebstrap") }}
	// Busybox is a busybox that needs no library.
	Busybox = Requirement{"busybox", func() string { return missingCommand("busybox", "busybox-static") }}
)

// Need skips the test when one of the requirements is not met, and says why,
// which make test repeats at its end. It is the only way in which a suite
// skips. Where nothing may be skipped, with CI=true or EVPND_REQUIRE_ALL=1,
// the test fails instead.
func Need(t T, reqs ...Requirement) {
	t.Helper()
	for _, r := range reqs {
		why := r.Missing()
		if why == "" {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("EVPND_REQUIRE_ALL") == "1" {
			t.Fatalf("needs %s: %s (and nothing may be skipped here)", r.Name, why)
			return
		}
		t.Skipf("SKIPPED, needs %s: %s", r.Name, why)
		return
	}
}

func missingCommand(name, pkg string) string {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Sprintf("no %s command: install the package %s", name, pkg)
	}
	return ""
}

func missingNamespaces() string {
	for _, c := range []string{"ip", "bridge"} {
		if why := missingCommand(c, "iproute2"); why != "" {
			return why
		}
	}
	if why := rootless(); why != "" {
		return why
	}
	name := fmt.Sprintf("evpnd-probe-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return "ip netns add: " + strings.TrimSpace(string(out)) + " (run as root)"
	}
	defer func() { _ = exec.Command("ip", "netns", "del", name).Run() }()
	for _, kind := range []string{"bridge", "veth", "vxlan id 1 dstport 4789"} {
		args := append([]string{"-n", name, "link", "add", "probe0", "type"}, strings.Fields(kind)...)
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Sprintf("the kernel makes no %s device: %s", strings.Fields(kind)[0], strings.TrimSpace(string(out)))
		}
		if out, err := exec.Command("ip", "-n", name, "link", "del", "probe0").CombinedOutput(); err != nil {
			return fmt.Sprintf("ip link del: %s", strings.TrimSpace(string(out)))
		}
	}
	return ""
}

func missingHosts() string {
	for _, c := range []string{"nsenter", "unshare"} {
		if why := missingCommand(c, "util-linux"); why != "" {
			return why
		}
	}
	script := "mount -t tmpfs tmpfs /run && mkdir /run/u /run/w && mount -t overlay -o lowerdir=/etc,upperdir=/run/u,workdir=/run/w overlay /etc"
	if out, err := exec.Command("unshare", "--mount", "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Sprintf("no overlay of /etc: %s", strings.TrimSpace(string(out)))
	}
	return ""
}

func missingFRR() string {
	for _, p := range []string{frrDir + "/zebra", frrDir + "/bgpd"} {
		if _, err := os.Stat(p); err != nil {
			return fmt.Sprintf("no %s: install the package frr", p)
		}
	}
	if why := missingCommand("vtysh", "frr"); why != "" {
		return why
	}
	// zebra and bgpd give up root's groups when they start.
	return missingUsers()
}

func missingUsers() string {
	if b, err := os.ReadFile("/proc/self/setgroups"); err == nil && strings.TrimSpace(string(b)) == "deny" {
		return "must be run by the real root: in a user namespace programs cannot become another user or change their groups"
	}
	return ""
}
