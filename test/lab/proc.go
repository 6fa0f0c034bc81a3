package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Proc is a process in a namespace of the lab. Its methods may be called
// from any goroutine.
type Proc struct {
	Name string
	lab  *Lab
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // of Wait; to be read after done is closed
}

// Start starts a program in the namespace. It goes on until it ends by
// itself, is ended with Stop, or the lab is removed. What it prints goes to a
// file in the lab's directory.
func (n *NS) Start(name string, args ...string) *Proc {
	n.lab.Helper()
	return n.start(name, append([]string{"ip", "netns", "exec", n.Name}, args...)...)
}

// start starts a command that goes into the namespace by itself.
func (n *NS) start(name string, command ...string) *Proc {
	n.lab.Helper()
	p := &Proc{Name: n.Short + "/" + name, lab: n.lab, done: make(chan struct{})}
	p.log = filepath.Join(n.Dir(), fmt.Sprintf("%s.log", name))
	p.cmd = exec.Command(command[0], command[1:]...)
	// Keys pressed in a terminal are for the lab's program alone.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.lab.create(func() error { return n.lab.launch(p) }); err != nil {
		n.lab.Fatalf("lab: start %s: %v", p.Name, err)
	}
	return p
}

// launch starts p; l.mu is held.
func (l *Lab) launch(p *Proc) error {
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	l.procs = append(l.procs, p)
	return nil
}

// Pid returns the process id, which stays the same through the exec of ip.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Running says whether the process has not ended yet.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Output returns what the process has printed so far.
func (p *Proc) Output() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimRight(b, "\n"))
}

// Signal sends a signal to the process; one that has ended does not mind.
func (p *Proc) Signal(s syscall.Signal) {
	if p.Running() {
		_ = p.cmd.Process.Signal(s)
	}
}

// Stop ends the process as an operator would, and returns how it ended: nil
// for exit status 0. After 10 seconds it is killed, and the test fails.
func (p *Proc) Stop() error {
	p.lab.Helper()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.kill()
		p.lab.Errorf("%s did not end within 10 s of SIGTERM", p.Name)
	}
	return p.err
}

// Crash ends the process without giving it a chance to say goodbye.
func (p *Proc) Crash() { p.kill() }

func (p *Proc) kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}
