package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Kept says how to use a lab that stays up.
type Kept struct {
	// Enter is the command that runs another one on a node, whose name and
	// program follow; without a program it is a shell.
	Enter string
	// Remove is the command that removes the lab.
	Remove string
}

// Keep leaves the lab up when its test ends, and also when the program does.
func (l *Lab) Keep() Kept {
	l.Helper()
	l.mu.Lock()
	l.kept = true
	l.mu.Unlock()
	// A lab in a user namespace can only be reached through it, and that
	// lasts for as long as one of its processes. Whoever enters stays out of
	// the network namespaces, or the reaper would take him for one of these.
	through := ""
	if os.Getenv(stage) != "" {
		pids := l.Pids()
		if len(pids) == 0 {
			l.Fatalf("lab: nothing runs in %s that could keep its user namespace", l.prefix)
		}
		through = fmt.Sprintf("nsenter --preserve-credentials --user --mount --target %d ", pids[0])
	}
	k := Kept{Enter: filepath.Join(l.dir, "enter"), Remove: filepath.Join(l.dir, "remove")}
	reap := filepath.Join(l.dir, "reap")
	l.script(reap, strings.TrimPrefix(reaperScript, "\n"))
	l.script(k.Enter, fmt.Sprintf("node=%s-$1; shift\nexec %sip netns exec \"$node\" \"${@:-bash}\"\n", l.prefix, through))
	l.script(k.Remove, fmt.Sprintf("exec %ssh %s %s %s </dev/null\n", through, reap, l.prefix, l.dir))
	return k
}

func (l *Lab) script(path, text string) {
	l.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		l.Fatalf("lab: %v", err)
	}
}
