package lab

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// reaperScript removes the lab with prefix $1 and directory $2 as soon as
// its standard input ends, which it does when the lab's program is gone,
// however that came about.
const reaperScript = `
read -r order
[ "$order" = keep ] && exit 0
list() { ip netns list | while read -r ns rest; do case "$ns" in "$prefix"-*) echo "$ns";; esac; done; }
pids() { for ns in $(list); do ip netns pids "$ns"; done; }
prefix=$1
tries=0
while p=$(pids); [ -n "$p" ] && [ $tries -lt 50 ]; do
	kill -KILL $p 2>/dev/null
	tries=$((tries+1))
	sleep 0.02
done
for ns in $(list); do ip netns del "$ns" || status=1; done
rm -rf "$2" || status=1
exit $status
`

type reaper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   bytes.Buffer
}

func startReaper(prefix, dir string) (*reaper, error) {
	r := &reaper{cmd: exec.Command("sh", "-c", reaperScript, "lab-reaper", prefix, dir)}
	// A session of its own: neither a key press nor the end of the terminal
	// reaches it.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	// Whoever waits for the end of our output must not wait for a shell
	// that hangs.
	r.cmd.WaitDelay = 10 * time.Second
	var err error
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return r, r.cmd.Start()
}

// reap has the lab removed and returns when it is.
func (r *reaper) reap() (string, error) {
	if err := r.stdin.Close(); err != nil {
		return "", err
	}
	err := r.cmd.Wait()
	return r.out.String(), err
}

// dismiss ends the reaper and leaves the lab.
func (r *reaper) dismiss() {
	// When it cannot be told, it is gone already.
	_, _ = fmt.Fprintln(r.stdin, "keep")
	_ = r.stdin.Close()
	_ = r.cmd.Wait()
}
