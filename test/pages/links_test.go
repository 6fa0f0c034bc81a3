package pages

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// read reads all pages.
func read(t *testing.T) []*Page {
	t.Helper()
	all, err := All(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Fatalf("only %d pages", len(all))
	}
	return all
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}

// Every link within the repository leads to a file that is there, and to a
// heading that is there; every file that is named is there.
func TestLinks(t *testing.T) {
	pages := read(t)
	headings := map[string][]string{}
	for _, p := range pages {
		for _, h := range p.Headings {
			headings[p.Name] = append(headings[p.Name], anchor(h))
		}
	}
	named := regexp.MustCompile(`^(bgp|cmd|configs|dataplane|docs|evpn|proto|test|tools)/[\w./-]+$`)
	links := 0
	for _, p := range pages {
		for _, l := range p.Links {
			if strings.Contains(l.Text, "://") {
				continue
			}
			links++
			file, at, _ := strings.Cut(l.Text, "#")
			target := p.Name
			if file != "" {
				target = path.Join(path.Dir(p.Name), file)
			}
			if !exists(target) {
				t.Errorf("%v: the link leads to %s, which is not there", l, target)
			} else if at != "" && !slices.Contains(headings[target], at) {
				t.Errorf("%v: %s has no heading #%s, it has %q", l, target, at, headings[target])
			}
		}
		for _, s := range p.Spans {
			if named.MatchString(s.Text) && !strings.HasSuffix(s.Text, "/...") && !exists(s.Text) {
				t.Errorf("%v: %s is not there", s, s.Text)
			}
		}
	}
	if links < 30 {
		t.Errorf("only %d links found", links)
	}
}

// Every page of docs/ is linked from the README, or from one that is.
func TestReachable(t *testing.T) {
	next := map[string][]string{}
	var all []string
	for _, p := range read(t) {
		all = append(all, p.Name)
		for _, l := range p.Links {
			file, _, _ := strings.Cut(l.Text, "#")
			target := path.Join(path.Dir(p.Name), file)
			if target == "docs/adr" {
				found, _ := filepath.Glob(filepath.Join(root, "docs/adr/*.md")) // the pattern is well-formed
				for _, f := range found {
					next[p.Name] = append(next[p.Name], "docs/adr/"+filepath.Base(f))
				}
			}
			next[p.Name] = append(next[p.Name], target)
		}
	}
	seen := map[string]bool{}
	for todo := []string{"README.md"}; len(todo) > 0; todo = todo[1:] {
		if !seen[todo[0]] {
			seen[todo[0]] = true
			todo = append(todo, next[todo[0]]...)
		}
	}
	for _, name := range all {
		if !seen[name] {
			t.Errorf("%s: no link leads here from README.md", name)
		}
	}
}

// anchor is the fragment that a heading has on GitHub.
func anchor(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
