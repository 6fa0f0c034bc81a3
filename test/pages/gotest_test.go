package pages

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// golang looks at go test and go doc by the sources.
func golang(_ *testing.T, c call) error {
	if len(c.args) == 0 {
		return fmt.Errorf("go without a command")
	}
	switch c.args[0] {
	case "test":
		return gotest(c.args[1:])
	case "doc":
		for _, pkg := range c.args[1:] {
			if found, err := filepath.Glob(filepath.Join(root, pkg, "*.go")); err != nil || len(found) == 0 {
				return fmt.Errorf("go doc: no package %s", pkg)
			}
		}
		return nil
	}
	return fmt.Errorf("go %s is not known here", c.args[0])
}

// gotest holds arguments of go test to what there is: the flags, the packages,
// and in them something that -run or -bench names. Of a pattern the part
// before the first slash counts, the rest is known only when it runs.
func gotest(args []string) error {
	f := flag.NewFlagSet("go test", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	run, bench := f.String("run", "", ""), f.String("bench", "", "")
	f.Bool("v", false, "")
	f.Bool("race", false, "")
	f.Bool("short", false, "")
	f.Bool("benchmem", false, "")
	f.String("benchtime", "", "")
	f.Int("count", 1, "")
	f.Int("parallel", 1, "")
	f.Int("p", 1, "")
	f.Duration("timeout", 0, "")
	var packages []string
	for len(args) > 0 { // flags may stand behind packages
		if err := f.Parse(args); err != nil {
			return err
		}
		if args = f.Args(); len(args) > 0 {
			packages, args = append(packages, args[0]), args[1:]
		}
	}
	if len(packages) == 0 {
		return fmt.Errorf("go test without a package")
	}
	for _, pkg := range packages {
		names, err := tests(pkg)
		if err != nil {
			return err
		}
		if *bench != "" {
			if err := matches(*bench, "Benchmark", names); err != nil {
				return fmt.Errorf("%s: -bench: %w", pkg, err)
			}
			continue
		}
		if err := matches(*run, "Test", names); err != nil {
			return fmt.Errorf("%s: -run: %w", pkg, err)
		}
	}
	return nil
}

// matches looks for a name of the kind that the pattern finds.
func matches(pattern, kind string, names []string) error {
	first, _, _ := strings.Cut(pattern, "/")
	p, err := regexp.Compile(first)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, kind) && p.MatchString(name) {
			return nil
		}
	}
	return fmt.Errorf("no test or benchmark is named %q", pattern)
}

var function = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)[A-Z]\w*)\(\w+ \*testing\.[TB]\)`)

// tests returns the tests and benchmarks of a package, or with /... of all
// packages below a folder.
func tests(pkg string) (names []string, err error) {
	dir, below := strings.CutSuffix(pkg, "/...")
	top := filepath.Join(root, dir)
	err = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != top && (!below || e.Name() == "bin" || strings.HasPrefix(e.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(b), -1) {
			names = append(names, m[1])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("no package %s: %w", pkg, err)
	}
	return names, nil
}
