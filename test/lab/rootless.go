package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stage is the environment variable by which a program knows that it was
// started again in a user namespace (again), or by a program that was
// (settled).
const stage = "EVPND_LAB_STAGE"

// Main is the TestMain of a suite that uses labs:
//
//	func TestMain(m *testing.M) { lab.Main(m) }
func Main(m *testing.M) {
	Enter()
	status := m.Run()
	RemoveBuilt()
	os.Exit(status)
}

// Enter sees to it that the program may make labs. As root it does nothing.
// Otherwise it starts the program again in a user namespace, in which it is
// root over network and mount namespaces of its own, and exits with its
// status. Where that is not allowed it returns as well, and Need says so. It
// must be called before anything else is done.
//
// It returns how the program got its privileges, for a person.
func Enter() string {
	switch os.Getenv(stage) {
	case "again":
		if rootlessError = settle(); rootlessError == nil {
			rootlessError = os.Setenv(stage, "settled")
		}
		return inUserNamespace
	case "settled":
		return inUserNamespace
	}
	if os.Geteuid() == 0 {
		return "as root"
	}
	status, err := again()
	if err != nil {
		rootlessError = err
		return "without privileges"
	}
	os.Exit(status)
	return ""
}

const inUserNamespace = "without root, in a user namespace of its own"

// rootlessError says why there are no privileges.
var rootlessError error

func rootless() string {
	if rootlessError == nil && os.Geteuid() == 0 {
		return ""
	}
	if errors.Is(rootlessError, unix.EPERM) || errors.Is(rootlessError, unix.EACCES) {
		return fmt.Sprintf("run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0): %v", rootlessError)
	}
	return fmt.Sprintf("run as root: no user namespace: %v", rootlessError)
}

// again runs the program once more, in new user, network and mount
// namespaces, and returns its exit status.
func again() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), stage+"=again")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	// A signal is for the child, which cleans up and whose status we hand
	// on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				// It may just have ended.
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 1, nil // killed by a signal
}

// settle makes the new namespaces usable: a /run that can be written, for
// the names of network namespaces, and lo up.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("lo up: %w: %s", err, out)
	}
	return nil
}
