package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// shorthand is a mapping that can be written as one word too.
type shorthand interface {
	// short reads the word; its error says what is wanted.
	short(text string) error
}

// decoder turns YAML nodes into values and collects what is wrong on the
// way; it never stops at a problem.
type decoder struct {
	file     string
	problems Errors
	lines    map[string]int    // where a key stands in the file
	env      map[string]string // the variable that a key comes from instead
	bad      map[string]bool   // keys with a problem of their own
}

// problem notes what is wrong with the key of path, at its line or that of
// what it is part of.
func (d *decoder) problem(path, format string, args ...any) {
	d.bad[path] = true
	text := fmt.Sprintf(format, args...)
	for at := path; ; at = parent(at) {
		if name, ok := d.env[at]; ok {
			d.problems = append(d.problems, Problem{File: "environment", Key: name, Text: text})
			return
		}
		if line, ok := d.lines[at]; ok || at == "" {
			d.problems = append(d.problems, Problem{File: d.file, Line: max(line, 1), Key: path, Text: text})
			return
		}
	}
}

// parent drops the last key or index of a path.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// entry is a known key of a mapping and the value that the file has for it.
type entry struct {
	field
	path string
	node *yaml.Node
}

// entries goes through a mapping: it reports unknown and repeated keys, and
// returns the others.
func (d *decoder) entries(t reflect.Type, path string, n *yaml.Node) []entry {
	fields := fieldsOf(t)
	if n.Kind != yaml.MappingNode {
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.key
		}
		d.problem(path, "want keys such as %s, %s", strings.Join(names[:min(len(names), 3)], ", "), found(n))
		return nil
	}
	var out []entry
	first := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		at := join(path, printable(key.Value))
		if line, again := first[key.Value]; again {
			d.problems = append(d.problems, Problem{File: d.file, Line: key.Line, Key: at, Text: fmt.Sprintf("the key stands in line %d already", line)})
			continue
		}
		first[key.Value] = key.Line
		d.lines[at] = key.Line
		switch f, ok := lookup(fields, key); {
		case key.Tag == "!!merge":
			d.problem(at, "merge keys are not supported, write the keys out")
		case key.Kind != yaml.ScalarNode:
			d.problem(path, "want a word as a key, not %s", kind(key))
		case !ok:
			d.problem(at, "%s", suggest(key.Value, path, fields))
		default:
			out = append(out, entry{field: f, path: at, node: value})
		}
	}
	return out
}

func lookup(fields []field, key *yaml.Node) (field, bool) {
	for _, f := range fields {
		if key.Kind == yaml.ScalarNode && f.key == key.Value {
			return f, true
		}
	}
	return field{}, false
}

// object reads a mapping into the struct v.
func (d *decoder) object(v reflect.Value, path string, n *yaml.Node) {
	present := make(map[string]bool)
	for _, e := range d.entries(v.Type(), path, n) {
		present[e.key] = true
		d.value(v.FieldByIndex(e.index), e.field, e.path, e.node)
	}
	if n.Kind == yaml.MappingNode {
		d.required(v.Type(), path, present)
	}
}

// required reports the keys of t that are missing.
func (d *decoder) required(t reflect.Type, path string, present map[string]bool) {
	for _, f := range fieldsOf(t) {
		if f.required && !present[f.key] {
			d.problem(join(path, f.key), "is missing")
		}
	}
}

// value reads the value of one key into v.
func (d *decoder) value(v reflect.Value, f field, path string, n *yaml.Node) {
	t := v.Type()
	switch {
	case isScalar(t):
		d.scalar(v, f, path, n)
	case t.Kind() == reflect.Slice:
		d.list(v, f, path, n)
	case n.Tag == "!!null":
		d.problem(path, "has no value, write {} for the defaults or remove the line")
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		setDefaults(v.Elem())
		d.object(v.Elem(), path, n)
	default:
		if s, ok := v.Addr().Interface().(shorthand); ok && n.Kind == yaml.ScalarNode {
			if err := s.short(n.Value); err != nil {
				d.problem(path, "%v, %s", err, found(n))
			}
			return
		}
		d.object(v, path, n)
	}
}

// list reads a list. A single scalar may stand for a list of one; no value at
// all is what is left when every element has been commented out.
func (d *decoder) list(v reflect.Value, f field, path string, n *yaml.Node) {
	t := v.Type()
	switch {
	case n.Tag == "!!null":
		return
	case n.Kind == yaml.ScalarNode && f.noneOK && n.Value == "none":
		v.Set(reflect.MakeSlice(t, 0, 0))
		return
	case n.Kind == yaml.ScalarNode && isScalar(t.Elem()):
		n = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Content: []*yaml.Node{n}}
	case n.Kind != yaml.SequenceNode:
		d.problem(path, "want a list, each element with a dash before it, %s", found(n))
		return
	}
	out := reflect.MakeSlice(t, len(n.Content), len(n.Content))
	element := f
	element.typ = t.Elem()
	for i, c := range n.Content {
		c = resolve(c)
		at := path + "[" + strconv.Itoa(i) + "]"
		d.lines[at] = c.Line
		if isScalar(t.Elem()) {
			d.scalar(out.Index(i), element, at, c)
			continue
		}
		setDefaults(out.Index(i))
		d.object(out.Index(i), at, c)
	}
	v.Set(out)
}

// scalar reads one word.
func (d *decoder) scalar(v reflect.Value, f field, path string, n *yaml.Node) {
	_, secret := v.Interface().(Secret)
	switch {
	case n.Tag == "!!null" || (n.Kind == yaml.ScalarNode && n.Value == ""):
		d.problem(path, "has no value, give it one or remove the line")
		return
	case n.Kind != yaml.ScalarNode:
		d.problem(path, "want one value, %s", found(n))
		return
	case !utf8.ValidString(n.Value) || strings.ContainsRune(n.Value, 0):
		d.problem(path, "want plain text")
		return
	}
	x, err := scalars[v.Type()](n.Value)
	if err == nil {
		err = f.check(x)
	}
	if err != nil {
		if secret {
			d.problem(path, "%v", err)
		} else {
			d.problem(path, "%v, %s", f.want(err), found(n))
		}
		return
	}
	v.Set(reflect.ValueOf(x))
}

// check holds a number or duration against the bounds of its key.
func (f field) check(x any) error {
	v := reflect.ValueOf(x)
	var n int64
	switch {
	case v.CanInt():
		n = v.Int()
	case v.CanUint():
		n = int64(v.Uint())
	}
	if f.bounds != "" && (n < f.min || n > f.max) {
		return f.outside()
	}
	if f.whole && n%int64(time.Second) != 0 {
		return errors.New("want whole seconds")
	}
	return nil
}

// outside is the error of a value that is not within the bounds.
func (f field) outside() error {
	first, last, _ := strings.Cut(f.bounds, "..")
	what := "a number"
	if f.typ == reflect.TypeFor[time.Duration]() {
		what = "a duration"
	}
	return fmt.Errorf("want %s from %s to %s", what, first, last)
}

// want makes the error of a number that could not be read as useful as that
// of one outside of its bounds.
func (f field) want(err error) error {
	if f.bounds != "" && errors.Is(err, errNumber) {
		return f.outside()
	}
	return err
}

// found says what stands where something else is wanted.
func found(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		return fmt.Sprintf("not %q", printable(n.Value))
	}
	return "not " + kind(n)
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "keys of its own"
	default:
		return "nothing"
	}
}

// printable keeps a message readable whatever stands in the file.
func printable(s string) string {
	const most = 60
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// resolve follows an alias to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func newDecoder(file string) *decoder {
	return &decoder{
		file:  file,
		lines: make(map[string]int),
		env:   make(map[string]string),
		bad:   make(map[string]bool),
	}
}
