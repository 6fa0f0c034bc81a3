package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/pages"
)

func TestMain(m *testing.M) {
	if os.Getenv("EVPND_DEMO") == "play" {
		main()
	}
	lab.Main(m)
}

// demo is the demo as a program of its own, whose labs carry a tag.
func demo(t *testing.T, env ...string) (cmd *exec.Cmd, tag string) {
	t.Helper()
	lab.Need(t, lab.Namespaces, lab.Ping)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tag = fmt.Sprintf("d%d-", os.Getpid())
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, "EVPND_DEMO=play", "EVPND_LAB="+tag)...)
	return cmd, tag
}

func nothingLeft(t *testing.T, tag string) {
	t.Helper()
	// A lab that was being made at an interrupt is removed by its reaper,
	// which may end a moment after the demo.
	left := lab.Leftovers("evpnd-" + tag)
	for end := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(end); left = lab.Leftovers("evpnd-" + tag) {
		time.Sleep(20 * time.Millisecond)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %s", strings.Join(left, ", "))
	}
}

func binaries(t *testing.T) string {
	t.Helper()
	return "EVPND_BIN=" + filepath.Dir(lab.Binary(t, "evpnd"))
}

// The demo shows all that it and the README promise, leaves nothing, and says so with its
// exit status.
func TestDemo(t *testing.T) {
	cmd, tag := demo(t, binaries(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the demo ended with %v:\n%s", err, out)
	}
	for _, want := range []string{
		`h1\$ evpnctl peer list`, `(?i)established`,
		`h3\$ evpnctl mac list --vni 200`,
		`h1\$ bridge fdb show dev vxlan200\n(.*\n)*? *02:42:ac:12:00:0b.* dst 10.90.1.2 `,
		`h1\$ ip neigh show dev br200\n(.*\n)*? *172.18.0.11 lladdr 02:42:ac:12:00:0b extern_learn`,
		`10 packets transmitted, 10 received, 0% packet loss`,
		`with evpnd +0 +0 +0\n`, `flood-and-learn +5 +5 +5\n`,
		`pings lost`, `everything is removed`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("the demo does not show %s", want)
		}
	}
	if err := pages.Shown("../..", "README.md", "$ make demo", string(out)); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the demo:\n%s", out)
	}
	nothingLeft(t, tag)
}

// An interrupt at any time ends the demo, with the status that the signal
// has in a shell, and leaves nothing.
func TestInterrupt(t *testing.T) {
	for _, tt := range []struct {
		after  string
		signal syscall.Signal
	}{
		{"Three hosts", syscall.SIGINT},
		{"Containers reach each other", syscall.SIGTERM},
	} {
		t.Run(tt.after, func(t *testing.T) {
			cmd, tag := demo(t, binaries(t))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			sent := false
			for sc := bufio.NewScanner(out); sc.Scan(); {
				fmt.Fprintln(&all, sc.Text())
				if !sent && strings.Contains(sc.Text(), tt.after) {
					sent = true
					if err := cmd.Process.Signal(tt.signal); err != nil {
						t.Error(err)
					}
				}
			}
			_ = cmd.Wait() // the status is looked at below
			if got, want := cmd.ProcessState.ExitCode(), 128+int(tt.signal); got != want {
				t.Errorf("exit status %d, want %d", got, want)
			}
			nothingLeft(t, tag)
			if t.Failed() {
				t.Logf("the demo:\n%s", all.String())
			}
		})
	}
}

// An evpnd that does not work fails the demo.
func TestBroken(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"evpnd", "evpnctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho broken >&2\nexit 3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd, tag := demo(t, "EVPND_BIN="+dir)
	out, _ := cmd.CombinedOutput() // the status is looked at below
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	if !strings.Contains(string(out), "FAILED: h1/evpnd ended") || !strings.Contains(string(out), "broken") {
		t.Errorf("the demo does not say what failed:\n%s", out)
	}
	nothingLeft(t, tag)
}

// With KEEP=1 the network stays up until it is removed in the way that the
// demo says.
func TestKeep(t *testing.T) {
	cmd, tag := demo(t, binaries(t), "KEEP=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo ended with %v:\n%s", err, out)
	}
	commands := regexp.MustCompile(`/tmp/evpnd-` + tag + `\w+/(enter|remove)\b`)
	said := map[string]string{}
	for _, m := range commands.FindAllStringSubmatch(string(out), -1) {
		said[m[1]] = m[0]
	}
	if said["enter"] == "" || said["remove"] == "" {
		t.Fatalf("the demo does not say how to look around and how to remove it:\n%s", out)
	}
	if out, err := exec.Command(said["enter"], "c3", "ping", "-c", "2", "-i", "0.2", "172.18.0.11").CombinedOutput(); err != nil {
		t.Errorf("c3 does not reach c2 in the network that was kept: %v\n%s", err, out)
	}
	if out, err := exec.Command(said["remove"]).CombinedOutput(); err != nil {
		t.Errorf("remove: %v\n%s", err, out)
	}
	nothingLeft(t, tag)
}
