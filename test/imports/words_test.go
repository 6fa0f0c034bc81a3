package imports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reference is the configuration file with every key.
const reference = root + "/configs/evpnd.yaml"

// TestWords holds the packages below cmd to knowing neither evpnctl nor the
// configuration file: another program that uses them has none of these. What to
// say to an operator is said in cmd/internal/text.
func TestWords(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range regexp.MustCompile(`(?m)^[ #]*(?:- )?([a-z]+(?:-[a-z0-9]+)+):`).FindAllStringSubmatch(string(text), -1) {
		words = append(words, m[1])
	}
	if len(words) < 20 {
		t.Fatalf("%d keys of more than one word in %s: this test looks for the wrong thing", len(words), reference)
	}
	// Of one word the keys are words of any sentence, unless with the section
	// that they are in.
	named := regexp.MustCompile(`\bevpnctl\b|\b(?:vnis|vtep|bgp|api|metrics|state|log)\.(?:settings|[a-z]+(?:-[a-z]+)*\b(?: \(|:|\)|$))|(?:^|[^-a-z])(?:` +
		strings.Join(words, "|") + `)(?:[^-a-z]|$)`)
	for _, said := range []string{"see evpnctl status", "raise the limit (vnis.limits.local-macs)", "(max-routes of the peer)", "vnis.settings[].rd"} {
		if !named.MatchString(said) {
			t.Errorf("%q is let through", said)
		}
	}
	for _, p := range packages(t) {
		if !within(p.folder(), "evpn") && !within(p.folder(), "bgp") && !within(p.folder(), "dataplane") {
			continue
		}
		p.files(t, parser.SkipObjectResolution, func(pos func(ast.Node) string, test bool, file *ast.File) {
			if test {
				return
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if _, ok := n.(*ast.ImportSpec); ok {
					return false
				}
				l, ok := n.(*ast.BasicLit)
				if !ok || l.Kind != token.STRING {
					return true
				}
				if s, err := strconv.Unquote(l.Value); err == nil {
					if w := named.FindString(s); w != "" {
						t.Errorf("%s: %q names %q, which is of the CLI or of the configuration file: give what is so, and say it in cmd/internal/text", pos(l), s, strings.TrimSpace(w))
					}
				}
				return true
			})
		})
	}
}
