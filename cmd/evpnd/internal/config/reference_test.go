package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const (
	reference = "../../../../configs/evpnd.yaml"
	minimal   = "../../../../configs/minimal.yaml"
	page      = "../../../../docs/configuration.md"
)

// TestShippedFiles loads the files of configs/ as they stand: the reference
// sets no more than the minimal one.
func TestShippedFiles(t *testing.T) {
	full, err := Load(reference)
	if err != nil {
		t.Fatal(err)
	}
	least, err := Load(minimal)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(least, full, plain); diff != "" {
		t.Errorf("the reference file is not the minimal one (-minimal +reference):\n%s", diff)
	}
}

// off is a key or list element that is commented out in the reference file.
var off = regexp.MustCompile(`(?m)^( *)#([a-z-])`)

func everythingOn(text string) string { return off.ReplaceAllString(text, "$1$2") }

// TestReferenceWhole takes the comment signs from all that is off: that must
// be valid too, so that an operator can do the same with any part.
func TestReferenceWhole(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spine.password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parse(filepath.Join(dir, "evpnd.yaml"), []byte(everythingOn(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.BGP.Peers) != 3 || len(c.BGP.Dynamic) != 3 || len(c.VNIs.Settings) != 2 {
		t.Errorf("got %d peers, %d ranges and %d VNIs, want 3, 3 and 2", len(c.BGP.Peers), len(c.BGP.Dynamic), len(c.VNIs.Settings))
	}
}

// TestReferenceKeys holds the reference file against the struct: every key
// is there, with a comment, and what is shown as its default is its default.
func TestReferenceKeys(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	nodes := nodesOf(t, reference, everythingOn)
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if strings.HasPrefix(k.path, "vnis.targets.") { // shown in the comment, for the key has one value at a time
			if above := comment(string(text), known{field: field{key: "targets"}}); !strings.Contains(above, "{fixed: N}") {
				t.Errorf("vnis.targets: no comment shows {fixed: N}")
			}
			continue
		}
		if len(nodes[k.path]) == 0 {
			t.Errorf("%s does not occur", k.path)
			continue
		}
		if k.auto != "" && !strings.Contains(comment(string(text), k), "Default: "+k.auto) {
			t.Errorf("%s: no comment says \"Default: %s\"", k.path, k.auto)
		}
		// What a VNI does not set is as it is for all: that is its default.
		own := strings.HasPrefix(k.path, "vnis.settings[].") && isPath(strings.Replace(k.path, "vnis.settings[].", "vnis.", 1))
		if def := defaultOf(k.path); hasDefault(k, def) && !own && !showsDefault(nodes, k, def) {
			t.Errorf("%s is not shown with its default %v", k.path, def)
		}
		if k.bounds == "" || strings.HasPrefix(k.path, "bgp.dynamic-peers[]") {
			continue // those of dynamic peers are explained with the peers
		}
		first, last, _ := strings.Cut(k.bounds, "..")
		if !strings.Contains(comment(string(text), k), first+" to "+last) {
			t.Errorf("%s: no comment says \"%s to %s\"", k.path, first, last)
		}
	}
}

// showsDefault tells whether a value in the file is what the key has when it
// is absent.
func showsDefault(nodes map[string][]*yaml.Node, k known, def reflect.Value) bool {
	return slices.ContainsFunc(nodes[k.path], func(n *yaml.Node) bool { return reflect.DeepEqual(valueOf(k, n), def.Interface()) })
}

// valueOf reads the value of a key, or what is wrong with it.
func valueOf(k known, n *yaml.Node) any {
	d, v := newDecoder("reference"), reflect.New(k.typ).Elem()
	d.value(v, k.field, k.path, n)
	if len(d.problems) > 0 {
		return d.problems
	}
	return v.Interface()
}

// defaultOf returns the value of a key that the file does not have.
func defaultOf(path string) reflect.Value {
	c := defaultConfig()
	v := reflect.ValueOf(&c).Elem()
	for key := range strings.SplitSeq(path, ".") {
		name, element := strings.CutSuffix(key, "[]")
		fields := fieldsOf(v.Type())
		v = v.FieldByIndex(fields[slices.IndexFunc(fields, func(f field) bool { return f.key == name })].index)
		if element || v.Kind() == reflect.Pointer && !strings.HasSuffix(path, "."+key) {
			v = reflect.New(v.Type().Elem()).Elem()
			setDefaults(v)
		}
	}
	return v
}

// hasDefault tells whether a key has a value when the file does not have it:
// one that is required, is found out, or is a text or a list that is empty has
// none.
func hasDefault(k known, def reflect.Value) bool {
	if k.required || k.auto != "" || hasKeys(k.typ) && k.path != "vnis.targets" || k.typ.Kind() == reflect.Pointer {
		return false
	}
	_, secret := def.Interface().(Secret)
	empty := secret || def.Kind() == reflect.String || def.Kind() == reflect.Slice
	return !empty || !def.IsZero()
}

// comment returns all comments right above a key of that name, as one line.
func comment(text string, k known) string {
	var all, above []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		prose, isProse := strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "#- "), "- "), "# ")
		switch {
		case isProse:
			above = append(above, prose)
		case strings.HasPrefix(strings.TrimPrefix(line, "#"), k.key+":"):
			all = append(all, strings.Join(above, " "))
			above = nil
		default:
			above = nil
		}
	}
	return strings.Join(all, "\n")
}

// TestPage holds the page for users against the struct: a row a key, with
// its default and its range.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.HasPrefix(cells[1], " `") {
			rows[strings.Trim(cells[1], " `")] = line
		}
	}
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		// Rows of a range of peers that are those of a peer are not repeated,
		// nor those of one VNI that are those of all.
		as := strings.Replace(k.path, "bgp.dynamic-peers[].", "bgp.peers[].", 1)
		as = strings.Replace(as, "vnis.settings[].", "vnis.", 1)
		row, ok := rows[k.path]
		if !ok && as != k.path {
			row, ok = rows[as]
		}
		if hasKeys(k.typ) && !ok {
			continue // a section is described by its keys
		}
		if !ok {
			t.Errorf("%s has no row", k.path)
			continue
		}
		// What a VNI does not set is as it is for all: the row has that default.
		if cell, def := strings.Split(row, "|")[3], defaultOf(k.path); !hasDefault(k, def) {
			if strings.Contains(cell, "`") {
				t.Errorf("%s: the row has a default, and there is none:\n%s", k.path, row)
			}
		} else if as == k.path || strings.HasPrefix(k.path, "bgp.") {
			var doc yaml.Node
			if err := yaml.Unmarshal([]byte(strings.Trim(cell, " `")), &doc); err != nil || !strings.Contains(cell, "`") || !reflect.DeepEqual(valueOf(k, doc.Content[0]), def.Interface()) {
				t.Errorf("%s: the row does not say that the default is %v:\n%s", k.path, def, row)
			}
		}
		for _, want := range []string{k.auto, strings.Replace(k.bounds, "..", " to ", 1)} {
			if !strings.Contains(row, want) {
				t.Errorf("%s: the row does not say %q:\n%s", k.path, want, row)
			}
		}
		if k.required && !strings.Contains(row, "required") {
			t.Errorf("%s: the row does not say that it is required", k.path)
		}
	}
	for path := range rows {
		if !isPath(path) {
			t.Errorf("%s has a row but is no key", path)
		}
	}
}

func isPath(path string) bool {
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if k.path == path {
			return true
		}
	}
	return false
}
