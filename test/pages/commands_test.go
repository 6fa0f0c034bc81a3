package pages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// looked are the commands that are looked at, each by what it calls.
var looked = map[string]func(t *testing.T, c call) error{
	"make": make_, "go": golang, "evpnctl": cobra, "evpnd": cobra, "promtool": promtool, "containerlab": containerlab, "bin/test/sim": sim,
}

// passed are commands that need not be looked at where they stand in text.
var passed = []string{"ping", "vtysh", "bridge"}

// called is what the text of a page looks like when it is a command.
var called = regexp.MustCompile(`^([A-Z_]+=\S+ )*(make|go|evpnctl|evpnd|promtool|sudo|docker exec|bin/\S+/\S+) \S`)

// notCommands look like commands and are none.
var notCommands = []string{"evpnd needs CAP_NET_ADMIN in this network namespace"}

// Every command that text and tables name could work.
func TestCommandsInText(t *testing.T) {
	sh, found := newShell(t), 0
	for _, p := range read(t) {
		for _, s := range p.Spans {
			if called.MatchString(s.Text) && !slices.Contains(notCommands, s.Text) {
				found++
				sh.look(t, s.String(), s.Text)
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands found", found)
	}
}

// Every environment variable that text names is read by somebody.
func TestVariables(t *testing.T) {
	name := regexp.MustCompile(`^((?:EVPND|SOAK)_[A-Z_]+)(=.*)?$`)
	found := 0
	for _, p := range read(t) {
		for _, s := range p.Spans {
			if m := name.FindStringSubmatch(s.Text); m != nil {
				found++
				if !readSomewhere(m[1]) {
					t.Errorf("%v: nobody reads the environment variable %s", s, m[1])
				}
			}
		}
	}
	if found == 0 {
		t.Error("no variable found: this test looks for the wrong thing")
	}
}

// What is wrong is found.
func TestLook(t *testing.T) {
	sh := newShell(t)
	for _, tt := range []struct{ command, want string }{
		{"make demo KEEP=1", ""},
		{"make damo", "make -n damo"},
		{"make demo KEPT=1", "KEPT"},
		{"go test -v ./evpn", ""},
		{"go test -v ./evpnx", "./evpnx"},
		{"go test -vv ./evpn", "-vv"},
		{"go test ./evpn -run NoSuchTest", "NoSuchTest"},
		{"go test -run '^$' -bench NoSuchBenchmark ./evpn", "NoSuchBenchmark"},
		{"go test -run '^$' ./evpn", "no test"},
		{"EVPND_FAULTS=all go test ./test/faults", ""},
		{"EVPND_" + "FUALTS=all go test ./test/faults", "nobody reads"},
		{"evpnctl mac unfreeze --vni VNI MAC", ""},
		{"evpnctl mac list -o json --vni 200", ""},
		{"evpnctl mac lost", "mac has no command lost"},
		{"evpnctl mac list --vnis 200", "--vnis"},
		{"evpnctl config diff FILE FILE", "too many"},
		{"evpnctl status && evpnctl mood", "mood"},
		{"evpnd --config FILE --check", ""},
		{"evpnd --cheque", "--cheque"},
		{"frobnicate", "frobnicate"},
		{"bin/test/sim -only reflector -taken 47555", ""},
		{"bin/test/sim -lonely", "-lonely"},
	} {
		err := sh.try(t, tt.command)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.command, err, tt.want)
		}
	}
}

// call is a command as a shell would start it.
type call struct {
	name string
	args []string
	env  []string // what the command sets, NAME=VALUE
}

// shell finds the calls in a text: a shell reads it, with programs that only
// write down how they were called.
type shell struct{ dir string }

const stub = `#!/bin/sh
case $0 in
*/sudo) exec "$@" ;;
*/docker) [ "$1" = exec ] && [ $# -ge 3 ] && shift 2 && exec "$@"; exit 1 ;;
esac
{
	printf '%s\0' CALL "$0" "$@"
	echo ENV
	/usr/bin/env
} >>"$CALLS"
`

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir()}
	names := append([]string{"sudo", "docker"}, passed...)
	for name := range looked {
		names = append(names, name)
	}
	for _, name := range names {
		file := filepath.Join(s.dir, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(stub), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// look fails the test when the text is not of commands that could work.
func (s *shell) look(t *testing.T, where, text string) {
	t.Helper()
	if err := s.try(t, text); err != nil {
		t.Errorf("%s: %s\n%v", where, strings.TrimSpace(text), err)
	}
}

func (s *shell) try(t *testing.T, text string) error {
	t.Helper()
	calls, err := s.calls(text)
	if err != nil {
		return err
	}
	for _, c := range calls {
		for _, e := range c.env {
			if name, _, _ := strings.Cut(e, "="); !readSomewhere(name) {
				return fmt.Errorf("nobody reads the environment variable %s", name)
			}
		}
		if slices.Contains(passed, c.name) {
			continue
		}
		if err := looked[c.name](t, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) calls(text string) (calls []call, err error) {
	file := filepath.Join(s.dir, "calls")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return nil, err
	}
	given := []string{"PATH=" + s.dir, "CALLS=" + file, "PWD=" + s.dir}
	cmd := exec.Command("/bin/sh", "-efc", text) // -f: [VNI] is no pattern
	cmd.Dir, cmd.Env = s.dir, given
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s(commands that can be looked at: %s)", err, out, strings.Join(known(), ", "))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for _, text := range strings.Split(string(b), "CALL\x00")[1:] {
		args, env, _ := strings.Cut(text, "ENV\n")
		words := strings.Split(strings.TrimSuffix(args, "\x00"), "\x00")
		c := call{name: strings.TrimPrefix(words[0], s.dir+"/"), args: words[1:]}
		for _, e := range strings.Fields(env) {
			if name, _, ok := strings.Cut(e, "="); ok && !slices.Contains([]string{"PATH", "CALLS", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
				c.env = append(c.env, e)
			}
		}
		calls = append(calls, c)
	}
	return calls, nil
}

func known() (names []string) {
	for name := range looked {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readSomewhere says whether the name of an environment variable stands in a
// file of the tree that is no page.
func readSomewhere(name string) bool {
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(sources())
}

// sources is the text of the programs, scripts and tests.
var sources = sync.OnceValue(func() string {
	var all strings.Builder
	for _, pattern := range []string{"Makefile", "test/run", "test/fuzz", "test/images", "*/*.go", "*/*/*.go", "*/*/*/*.go", "*/*/*/*/*.go"} {
		files, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is well-formed
		for _, f := range files {
			if filepath.Base(filepath.Dir(f)) == "pages" {
				continue
			}
			if b, err := os.ReadFile(f); err == nil {
				all.Write(b)
			}
		}
	}
	return all.String()
})

var makefile = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(filepath.Join(root, "Makefile"))
	return string(b), err
})

var targets = map[string]bool{} // those that are there

// make_ asks make for the target; it runs nothing.
func make_(_ *testing.T, c call) error {
	text, err := makefile()
	if err != nil {
		return err
	}
	for _, a := range c.args {
		if name, _, ok := strings.Cut(a, "="); ok {
			if !strings.Contains(text, "$("+name+")") {
				return fmt.Errorf("the Makefile does not use %s", name)
			}
			continue
		}
		if targets[a] {
			continue
		}
		// Without VERSION it would ask git for one.
		out, err := exec.Command("make", "-C", root, "-n", a, "VERSION=pages").CombinedOutput()
		if err != nil {
			return fmt.Errorf("make -n %s: %w: %s", a, err, out)
		}
		targets[a] = true
	}
	return nil
}

// cobra asks evpnd or evpnctl for the help of each command on the way.
func cobra(t *testing.T, c call) error {
	path := []string{c.name}
	h, err := help(t, path)
	if err != nil {
		return err
	}
	args := 0
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		switch name, _, given := strings.Cut(a, "="); {
		case strings.HasPrefix(a, "-") && a != "-":
			takes, ok := h.flags[name]
			if !ok {
				return fmt.Errorf("%s has no flag %s", strings.Join(path, " "), a)
			}
			if takes && !given {
				i++
			}
		case len(h.commands) > 0:
			if !slices.Contains(h.commands, a) {
				return fmt.Errorf("%s has no command %s", strings.Join(path, " "), a)
			}
			path = append(path, a)
			if h, err = help(t, path); err != nil {
				return err
			}
		default:
			args++
		}
	}
	if args > h.args {
		return fmt.Errorf("%s: %d arguments are too many, it takes %d", strings.Join(path, " "), args, h.args)
	}
	return nil
}

// helped is what the help of a command says.
type helped struct {
	commands []string
	flags    map[string]bool // whether it takes a value
	args     int             // how many at most
}

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`)
	helpFlag    = regexp.MustCompile(`(?m)^ +(?:(-\w), )?(--[a-z-]+)(?: (\S+))?  `)
	helps       = map[string]helped{}
)

func help(t *testing.T, path []string) (helped, error) {
	key := strings.Join(path, " ")
	if h, ok := helps[key]; ok {
		return h, nil
	}
	b, err := exec.Command(lab.Binary(t, path[0]), append(path[1:], "--help")...).CombinedOutput()
	if err != nil {
		return helped{}, fmt.Errorf("%s --help: %w: %s", key, err, b)
	}
	text := string(b)
	h := helped{flags: map[string]bool{}}
	_, usage, _ := strings.Cut(text, "\nUsage:\n")
	usage, _, _ = strings.Cut(usage, "\n\n")
	if _, list, ok := strings.Cut(text, "\nAvailable Commands:\n"); ok {
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range helpCommand.FindAllStringSubmatch(list, -1) {
			h.commands = append(h.commands, m[1])
		}
	}
	for _, m := range helpFlag.FindAllStringSubmatch(text, -1) {
		h.flags[m[2]] = m[3] != ""
		if m[1] != "" {
			h.flags[m[1]] = m[3] != ""
		}
	}
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(usage), key), "[flags]")
	for _, word := range strings.Fields(rest) {
		if !strings.HasPrefix(word, "-") {
			h.args++
		}
	}
	helps[key] = h
	return h, nil
}

// promtool is given files of ours; what it says of them is tried by the tests
// of the metrics.
func promtool(_ *testing.T, c call) error {
	if file := "configs/prometheus/" + c.args[len(c.args)-1]; !exists(file) {
		return fmt.Errorf("%s is not there", file)
	}
	return nil
}

// containerlab is given topologies of ours.
func containerlab(_ *testing.T, c call) error {
	if i := slices.Index(c.args, "-t"); i < 0 || !exists("test/containerlab/"+c.args[i+1]) {
		return fmt.Errorf("no topology of test/containerlab: %q", c.args)
	}
	return nil
}

// sim has its flags in its source.
func sim(_ *testing.T, c call) error {
	b, err := os.ReadFile(filepath.Join(root, "test/sim/main.go"))
	if err != nil {
		return err
	}
	for _, a := range c.args {
		if name, ok := strings.CutPrefix(a, "-"); ok && name != "h" && !strings.Contains(string(b), `, "`+name+`", `) {
			return fmt.Errorf("test/sim has no flag %s", a)
		}
	}
	return nil
}
