package pages

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// host is a machine of its own as far as a page can see: network devices, and
// what is written to /etc, /run, /var/lib and /usr/local/bin. In the latter
// are evpnd and evpnctl, as the README has them copied.
type host struct {
	*lab.Node
	t       *testing.T
	machine *lab.Proc
}

// hostScript makes the view of the file system and then only holds it: ip
// netns exec has given it mounts of its own. $1 are the programs' paths.
const hostScript = `
set -e
for dir in /etc /usr/local/bin; do
	layer="$1/layer$dir"
	mkdir -p "$layer"
	mount -t tmpfs -o mode=0755 tmpfs "$layer"
	mkdir "$layer/upper" "$layer/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=$layer/upper,workdir=$layer/work" overlay "$dir"
done
for dir in /run /var/lib; do
	mount -t tmpfs -o mode=0755 tmpfs $dir
done
rm -rf /etc/evpnd
cp "$2" "$3" /usr/local/bin
# There is no systemd to talk to.
cat >/usr/local/bin/systemctl <<'EOS'
#!/bin/sh
case "$*" in
daemon-reload) ;;
"enable --now evpnd") test -f /etc/systemd/system/evpnd.service ;;
*) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
EOS
chmod 755 /usr/local/bin/systemctl
userdel evpnd 2>/dev/null || true
echo ready
exec sleep infinity
`

func newHost(t *testing.T, l *lab.Lab, under *lab.Fabric, name, addr string) *host {
	t.Helper()
	h := &host{Node: under.Node(name, netip.MustParsePrefix(addr)), t: t}
	h.machine = h.Start("machine", "sh", "-c", hostScript, "sh", h.Dir(), lab.Binary(t, "evpnd"), lab.Binary(t, "evpnctl"))
	l.Until(10*time.Second, name+" has a file system of its own", func() (bool, string) {
		if !h.machine.Running() {
			t.Fatalf("%s: %s", name, h.machine.Output())
		}
		return strings.Contains(h.machine.Output(), "ready"), h.machine.Output()
	})
	return h
}

// enter is the command that runs a shell script on the host, in a clone.
func (h *host) enter(script string) []string {
	return []string{
		"nsenter", "--target", strconv.Itoa(h.machine.Pid()), "--mount", "env", "PATH=/usr/local/bin:" + os.Getenv("PATH"),
		"sh", "-ec", "cd " + clone() + "\n" + script,
	}
}

// clone is the root of the repository.
func clone() string {
	dir, err := filepath.Abs(root)
	if err != nil {
		panic(err) // there is no working directory
	}
	return dir
}

// try runs a script on the host and returns what it prints.
func (h *host) try(script string) (string, error) { return h.Run(h.enter(script)...) }

// run runs the commands of a block, which must work.
func (h *host) run(b Block) string {
	h.t.Helper()
	out, err := h.try(b.Commands())
	h.t.Logf("%v: on %s\n%s%s", b, h.Short, b.Commands(), out)
	if err != nil {
		h.t.Fatalf("%v: on %s: %v", b, h.Short, err)
	}
	return out
}

// stay runs a block whose last command stays in the foreground, and waits
// until evpnd answers.
func (h *host) stay(l *lab.Lab, b Block) *lab.Proc {
	h.t.Helper()
	p := h.Start("evpnd", h.enter(b.Commands())...)
	l.Until(10*time.Second, fmt.Sprintf("%v: evpnd answers on %s", b, h.Short), func() (bool, string) {
		if !p.Running() {
			h.t.Fatalf("%v: on %s it ended:\n%s", b, h.Short, p.Output())
		}
		_, err := h.try("evpnctl status")
		return err == nil, p.Output()
	})
	return p
}

// shutdown ends an evpnd that stay has started.
func (h *host) shutdown(p *lab.Proc) {
	h.t.Helper()
	if out, err := h.try("evpnctl shutdown"); err != nil {
		h.t.Fatal(err, out)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
	}
	if err := p.Stop(); err != nil {
		h.t.Errorf("%s: evpnd ended with %v", h.Short, err)
	}
}

// write writes a file of the host.
func (h *host) write(file, text string) {
	h.t.Helper()
	if _, err := h.try("mkdir -p " + filepath.Dir(file) + "\ncat >" + file + " <<'END OF FILE'\n" + text + "END OF FILE\n"); err != nil {
		h.t.Fatal(err)
	}
}

// other is what a block is on the second host: the two addresses exchanged.
func other(b Block) Block {
	b.Text = strings.NewReplacer("192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.1").Replace(b.Text)
	return b
}
