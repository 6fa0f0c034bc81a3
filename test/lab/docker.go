package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Docker is a Docker engine that has a node to itself: a network namespace,
// and a view of the file system in which what is written to /etc and /run is
// the node's alone. Its containers are there as on a host of their own, and
// end with it.
type Docker struct {
	*Proc
	ns   *NS
	init int // the engine, which is process 1 of the node
}

// dockerScript begins a node with an engine, whose directory is $1. As process
// 1 of its PID namespace the engine takes its containers with it when it ends.
const dockerScript = `
set -e
mkdir -p "$1/etc" "$1/work" "$1/docker"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" overlay /etc
mount -t tmpfs -o mode=0755 tmpfs /run
exec dockerd --data-root "$1/docker" --host unix:///run/docker.sock --host "unix://$1/docker.sock"
`

// Docker starts an engine in the namespace, with nothing in it.
func (n *NS) Docker() *Docker {
	n.lab.Helper()
	Need(n.lab, DockerEngine)
	// Not by ip netns exec: it mounts a /sys without control groups.
	d := &Docker{ns: n, Proc: n.start("dockerd", "nsenter", "--net=/run/netns/"+n.Name, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", dockerScript, "sh", n.Dir())}
	n.lab.Until(20*time.Second, d.Name+" answers", func() (bool, string) {
		if !d.Running() {
			n.lab.Fatalf("%s ended: %v\n%s", d.Name, d.err, indent(tail(d.Output(), 20)))
		}
		out, err := d.Try("info", "--format", "{{.ServerVersion}}")
		return err == nil, out
	})
	for _, pid := range children(d.Pid()) {
		d.init = pid
	}
	// Without it the containers end all the same, and leave control groups.
	n.lab.Cleanup(func() {
		if out, err := d.Shell("docker ps --all --quiet | xargs -r docker rm --force"); err != nil {
			n.lab.Errorf("%s: removing the containers: %v\n%s", d.Name, err, out)
		}
	})
	return d
}

// Address returns where the engine listens, for DOCKER_HOST.
func (d *Docker) Address() string { return "unix://" + filepath.Join(d.ns.Dir(), "docker.sock") }

// Try runs the docker command and returns what it printed.
func (d *Docker) Try(args ...string) (string, error) {
	return d.lab.run(append([]string{"docker", "--host", d.Address()}, args...)...)
}

// Must is Try for what has to work.
func (d *Docker) Must(args ...string) string {
	d.lab.Helper()
	out, err := d.Try(args...)
	if err != nil {
		d.lab.Fatalf("%s: %v", d.ns.Short, err)
	}
	return out
}

// Shell runs a shell script on the node, as a person who is root there.
func (d *Docker) Shell(script string) (string, error) {
	return d.lab.run("nsenter", "--target", strconv.Itoa(d.init), "--mount", "--pid", "--net",
		"env", "-u", "DOCKER_CONTEXT", "DOCKER_HOST=unix:///run/docker.sock", "sh", "-ec", script)
}

// Namespace makes the network namespace of a container that runs one of the
// lab l, which may be another one than the engine's. When that lab is removed
// what runs in the namespace is ended.
func (d *Docker) Namespace(l *Lab, container, short string) *NS {
	l.Helper()
	id := strings.TrimSpace(d.Must("inspect", "--format", "{{.Id}}", container))
	pid := containerInit(id)
	if pid == 0 {
		l.Fatalf("%s: container %s has no process:\n%s", d.ns.Short, container, d.logs(container))
	}
	n := l.Adopt(short, l.prefix+"-"+short)
	if err := l.create(func() error {
		_, err := l.run("ip", "netns", "attach", n.Name, strconv.Itoa(pid))
		return err
	}); err != nil {
		l.Fatalf("lab: namespace of container %s: %v", container, err)
	}
	return n
}

func (d *Docker) logs(container string) string {
	out, err := d.Try("logs", container)
	if err != nil {
		return err.Error()
	}
	return indent(out)
}

// containerInit returns the process 1 of the container with the id, or 0. The
// engine knows it by a number of its own PID namespace alone.
func containerInit(id string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cgroup") // the pattern is well-formed
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(b), id) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(f), "status"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			pids := strings.Fields(line)
			if pids[0] == "NSpid:" && pids[len(pids)-1] == "1" {
				pid, _ := strconv.Atoi(pids[1]) // the kernel's
				return pid
			}
		}
	}
	return 0
}

// children returns the processes that a process has started.
func children(pid int) (pids []int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	if err != nil {
		return nil
	}
	for _, s := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(s); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// missingDocker says what an engine of our own lacks.
func missingDocker() string {
	for _, c := range [][2]string{{"dockerd", "docker.io"}, {"docker", "docker.io"}, {"nsenter", "util-linux"}, {"unshare", "util-linux"}} {
		if why := missingCommand(c[0], c[1]); why != "" {
			return why
		}
	}
	if why := missingUsers(); why != "" {
		return why
	}
	if out, err := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/run").CombinedOutput(); err != nil {
		return fmt.Sprintf("no mount and PID namespaces of its own: %s (run as root, and not in a container)", strings.TrimSpace(string(out)))
	}
	if groups, _ := filepath.Glob("/sys/fs/cgroup/*"); len(groups) == 0 { // the pattern is well-formed
		return "no control groups in /sys/fs/cgroup"
	}
	return ""
}
