package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is a key and what its tags say of it.
type field struct {
	key      string
	index    []int // for reflect.Value.FieldByIndex
	typ      reflect.Type
	auto     string
	bounds   string // as in the tag
	min, max int64  // numbers, or durations in nanoseconds
	whole    bool   // seconds only
	noneOK   bool
	required bool
	restart  bool
}

// fieldsOf lists the keys of a struct type. Embedded structs add theirs to
// the struct around them. A wrong tag is a mistake in this package.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, sf := range reflect.VisibleFields(t) {
		key, ok := sf.Tag.Lookup("key")
		if !ok {
			continue
		}
		f := field{
			key: key, index: sf.Index, typ: sf.Type,
			auto:     sf.Tag.Get("auto"),
			bounds:   sf.Tag.Get("range"),
			whole:    sf.Tag.Get("whole") == "second",
			noneOK:   sf.Tag.Get("none") == "ok",
			required: sf.Tag.Get("required") == "yes",
			restart:  sf.Tag.Get("restart") == "yes",
		}
		if f.bounds != "" {
			f.min, f.max = parseBounds(f.bounds, sf.Type)
		}
		out = append(out, f)
	}
	return out
}

func parseBounds(s string, t reflect.Type) (low, high int64) {
	first, last, _ := strings.Cut(s, "..")
	one := func(s string) int64 {
		if t == reflect.TypeFor[time.Duration]() {
			d, err := time.ParseDuration(s)
			if err != nil {
				panic(fmt.Sprintf("config: range tag %q: %v", s, err))
			}
			return int64(d)
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("config: range tag %q: %v", s, err))
		}
		return n
	}
	return one(first), one(last)
}

// hasKeys tells whether a value of type t is a mapping in the file.
func hasKeys(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !isScalar(t) && len(fieldsOf(t)) > 0
}

// isSection tells whether the keys of t can be overridden one by one: it is
// a mapping, outside of lists, and nothing else than a mapping.
func isSection(t reflect.Type) bool {
	return hasKeys(t) && !reflect.PointerTo(t).Implements(reflect.TypeFor[shorthand]())
}

// known is a key of the schema with its whole path, in which [] stands for
// the elements of a list.
type known struct {
	path string
	field
}

// schema lists every key under a struct type, sections before what is in
// them, in the order of the fields.
func schema(t reflect.Type, path string) []known {
	var out []known
	for _, f := range fieldsOf(t) {
		k := known{path: join(path, f.key), field: f}
		out = append(out, k)
		inner, at := f.typ, k.path
		if inner.Kind() == reflect.Slice && hasKeys(inner.Elem()) {
			inner, at = inner.Elem(), at+"[]"
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if hasKeys(inner) {
			out = append(out, schema(inner, at)...)
		}
	}
	return out
}

// single lists the keys under a section that can be overridden from the
// environment: those of one word outside of lists.
func single(t reflect.Type, path string) []known {
	var out []known
	for _, f := range fieldsOf(t) {
		switch at := join(path, f.key); {
		case isSection(f.typ):
			out = append(out, single(f.typ, at)...)
		case isScalar(f.typ):
			out = append(out, known{path: at, field: f})
		}
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest says what an operator may have meant by an unknown key under path,
// where the keys of fields are known.
func suggest(key, path string, fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	near, isNear := nearest(spelling(key), names)
	if isNear {
		return fmt.Sprintf("unknown key, did you mean %q?", near)
	}
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if k.key == spelling(key) {
			return fmt.Sprintf("unknown key here, it belongs to %q", strings.TrimSuffix(k.path, "."+k.key))
		}
	}
	if path == "" {
		return fmt.Sprintf("unknown section, the nearest is %q of %s", near, strings.Join(names, ", "))
	}
	return fmt.Sprintf("unknown key, the nearest is %q of %s", near, strings.Join(names, ", "))
}

// nearest returns which of names takes the fewest changes to get from word, and
// whether so few that it is likely to be meant.
func nearest(word string, names []string) (near string, likely bool) {
	distance := 1 << 30
	for _, n := range names {
		if d := editDistance(word, n); d < distance {
			near, distance = n, d
		}
	}
	return near, distance <= max(2, len(near)/3)
}

// spelling undoes what people write for a dash and in capitals.
func spelling(key string) string {
	return strings.ReplaceAll(strings.ToLower(key), "_", "-")
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbor until a is b (Damerau and Levenshtein, swapped letters at
// most once).
func editDistance(a, b string) int {
	const enough = 64 // longer ones are no typing mistakes
	if len(a) > enough {
		return len(a)
	}
	before, above, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+same)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above, row = above, row, make([]int, len(b)+1)
	}
	return above[len(b)]
}
