package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"strings"

	"github.com/evpnd/evpnd/evpn"
)

// Change is a setting that differs between two configurations.
type Change struct {
	Key string // the whole path, as in bgp.peers[10.0.0.2].hold-time
	// Old and New are the values as a file would have them; empty: there is
	// none. A member of a list that came or went has there as its value.
	Old, New string
	Restart  bool // it takes effect when evpnd is started again
}

// there is the value of a member of a list, whose keys say the rest.
const there = "there"

// String names the setting and what happened to it, without its values.
func (c Change) String() string {
	switch {
	case c.Old == "" && c.New == there:
		return c.Key + " added"
	case c.Old == there && c.New == "":
		return c.Key + " removed"
	}
	return c.Key + " changed"
}

// Parse is Load of a text in place of what the file at path holds. Relative
// paths in it count from where path is, and errors have its name.
func Parse(path string, text []byte) (*Config, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("configuration: it has %d bytes, at most %d are read", len(text), maxSize)
	}
	return parse(path, text)
}

// Diff lists the settings that a and b do not agree on, in the order of the
// fields. Members of the lists of peers, ranges and VNIs are told apart by
// what names them, not by where they stand. Of a secret it tells that it
// is another one, not which.
func Diff(a, b *Config) []Change {
	var d differ
	d.section("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
	return d.out
}

type differ struct {
	out     []Change
	restart bool // what is compared takes effect when evpnd is started again
}

func (d *differ) section(path string, a, b reflect.Value) {
	outer := d.restart
	for _, f := range fieldsOf(a.Type()) {
		x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		at := join(path, f.key)
		d.restart = outer || f.restart
		switch {
		case reflect.DeepEqual(x.Interface(), y.Interface()):
		case isSection(f.typ):
			d.section(at, x, y)
		case f.typ.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil():
			d.section(at, x.Elem(), y.Elem())
		case f.typ.Kind() == reflect.Slice && nameOf(f.typ.Elem()) != nil:
			d.members(at, x, y)
		default:
			d.value(at, x, y)
		}
	}
	d.restart = outer
}

func (d *differ) value(at string, x, y reflect.Value) {
	before, after := valueText(x), valueText(y)
	if before == Hidden && after == Hidden {
		after = Hidden + ", another one"
	}
	d.add(at, before, after)
}

func (d *differ) add(key, before, after string) {
	d.out = append(d.out, Change{Key: key, Old: before, New: after, Restart: d.restart})
}

// members compares lists whose elements have names.
func (d *differ) members(at string, a, b reflect.Value) {
	name := nameOf(a.Type().Elem())
	index := func(l reflect.Value) map[string]reflect.Value {
		m := make(map[string]reflect.Value, l.Len())
		for i := range l.Len() {
			m[name(l.Index(i))] = l.Index(i)
		}
		return m
	}
	before, after := index(a), index(b)
	for i := range a.Len() {
		key := name(a.Index(i))
		at := fmt.Sprintf("%s[%s]", at, key)
		if y, ok := after[key]; ok {
			d.section(at, a.Index(i), y)
		} else {
			d.add(at, there, "")
		}
	}
	for j := range b.Len() {
		if key := name(b.Index(j)); !before[key].IsValid() {
			d.add(fmt.Sprintf("%s[%s]", at, key), "", there)
		}
	}
}

// nameOf returns what names the elements of a list of type t; nil when nothing
// does.
func nameOf(t reflect.Type) func(reflect.Value) string {
	switch t {
	case reflect.TypeFor[Peer]():
		return func(v reflect.Value) string { return v.Interface().(Peer).Address.String() }
	case reflect.TypeFor[DynamicPeer]():
		return func(v reflect.Value) string { return v.Interface().(DynamicPeer).Range.String() }
	case reflect.TypeFor[VNI]():
		return func(v reflect.Value) string { return v.Interface().(VNI).VNI.String() }
	}
	return nil
}

// valueText renders a value much as a file would have it; empty: it is not
// set. A list that is set and empty is none.
func valueText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case fs.FileMode:
		return fmt.Sprintf("%04o", uint32(x))
	case slog.Level:
		return strings.ToLower(x.String())
	case Targets:
		switch x.Form {
		case evpn.TargetRFC8365:
			return "rfc8365"
		case evpn.TargetFixed:
			return fmt.Sprintf("fixed: %d", x.Fixed)
		}
		return "auto"
	case *Create:
		if x == nil {
			return ""
		}
		return fmt.Sprintf("bridge %s, device %s, local %s, port %d, mtu %d, ports %s",
			x.Bridge, x.Device, valueText(reflect.ValueOf(x.Local)), x.Port, x.MTU, strings.Join(x.Ports, " "))
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Array: // addresses and the like
		if v.IsZero() {
			return ""
		}
	case reflect.Slice:
		if v.Len() == 0 && !v.IsNil() {
			return "none"
		}
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = valueText(v.Index(i))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v.Interface())
}
