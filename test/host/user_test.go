package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// Users and groups that nobody has: numbers are enough for the kernel.
const (
	daemonUser  = 54321 // whom evpnd runs as, and the number of its own group
	socketGroup = 54322 // which evpnd is in too, and gives the socket to
	adminGroup  = 54323 // api.admin-group
	visitor     = 54324 // somebody else
)

// capabilities are the three that configs/evpnd.service grants, as a mask.
const capabilities = 1<<10 | 1<<12 | 1<<13 // NET_BIND_SERVICE, NET_ADMIN, NET_RAW

// service is an evpnd that runs as configs/evpnd.service has it run: a user of
// its own with three capabilities, and directories that systemd made.
type service struct {
	*lab.Proc
	t      *testing.T
	api    string
	etc    string // for its files; root's, and readable by evpnd's group
	config string
}

// newService prepares directories and binaries in the namespace's directory.
func newService(t *testing.T, n *lab.NS) *service {
	t.Helper()
	lab.Need(t, lab.Setpriv, lab.Users)
	s := &service{t: t, etc: filepath.Join(n.Dir(), "etc")}
	s.api = "unix://" + filepath.Join(n.Dir(), "run", "evpnd.sock")
	s.config = filepath.Join(s.etc, "evpnd.yaml")
	for dir, own := range map[string]struct {
		uid  int
		mode os.FileMode
	}{"run": {daemonUser, 0o755}, "state": {daemonUser, 0o750}, "etc": {0, 0o750}} {
		path := filepath.Join(n.Dir(), dir)
		err := errors.Join(os.Mkdir(path, own.mode), os.Chmod(path, own.mode), os.Chown(path, own.uid, daemonUser))
		if err != nil {
			t.Fatal(err)
		}
	}
	// Where they were built may be closed to other users.
	for _, name := range []string{"evpnd", "evpnctl"} {
		if err := copyFile(filepath.Join(n.Dir(), name), lab.Binary(t, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func copyFile(to, from string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, os.Chmod(to, mode), out.Close())
}

// file writes a file that evpnd's group may read, and returns its path.
func (s *service) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.etc, name)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o640), os.Chmod(path, 0o640), os.Chown(path, 0, daemonUser)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// start runs evpnd in the namespace with the configuration, and with a /proc
// as ProcSubset=pid and ProtectProc=invisible make it.
func (s *service) start(n *lab.NS, config string) {
	s.t.Helper()
	s.file("evpnd.yaml", config)
	const caps = "-all,+net_admin,+net_raw,+net_bind_service"
	s.Proc = n.Start("evpnd", "sh", "-c", `mount -t proc -o subset=pid,hidepid=invisible proc /proc && exec "$@"`, "sh", "setpriv",
		"--reuid", strconv.Itoa(daemonUser), "--regid", strconv.Itoa(daemonUser), "--groups", strconv.Itoa(socketGroup),
		"--inh-caps", caps, "--ambient-caps", caps, "--bounding-set", caps, "--no-new-privs",
		filepath.Join(n.Dir(), "evpnd"), "--config", s.config)
}

// try runs evpnctl as root and returns what it printed.
func (s *service) try(args ...string) (string, error) {
	out, err := exec.Command(lab.Binary(s.t, "evpnctl"), append([]string{"--api", s.api}, args...)...).CombinedOutput()
	return string(out), err
}

// tryAs runs evpnctl as another user, without any capability.
func (s *service) tryAs(uid, gid int, groups string, args ...string) (string, error) {
	as := []string{"--reuid", strconv.Itoa(uid), "--regid", strconv.Itoa(gid), "--clear-groups"}
	if groups != "" {
		as = append(as[:4], "--groups", groups)
	}
	ctl := filepath.Join(filepath.Dir(s.etc), "evpnctl")
	out, err := exec.Command("setpriv", append(append(as, ctl, "--api", s.api), args...)...).CombinedOutput()
	return string(out), err
}

// shows waits until what evpnctl prints has all of the words on one line.
func (s *service) shows(l *lab.Lab, args string, words ...string) {
	s.t.Helper()
	l.Until(10*time.Second, fmt.Sprintf("evpnctl %s shows %q", args, words), func() (bool, string) {
		out, _ := s.try(strings.Fields(args)...)
		for line := range strings.Lines(out) {
			if hasAll(line, words) {
				return true, ""
			}
		}
		return false, out + s.Output()
	})
}
