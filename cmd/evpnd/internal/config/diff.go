package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"

	"github.com/evpnd/evpnd/evpn"
)

// Change is a key whose value is another in another configuration.
type Change struct {
	Key      string // the whole path, as in bgp.peers[10.0.0.2].hold-time
	Old, New string // as a file would have it; empty: there is none
}

// Parse is Load of a text in place of what the file at path holds. Relative
// paths in it count from where path is, and errors have its name.
func Parse(path string, text []byte) (*Config, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("configuration: it has %d bytes, at most %d are read", len(text), maxSize)
	}
	return parse(path, text)
}

// Diff lists the keys that a and b do not agree on, in the order of the
// fields. Members of the lists of peers, ranges and VNIs are told apart by
// what names them, not by where they stand. Of a secret it tells that it
// is another one, not which.
func Diff(a, b *Config) []Change {
	var d differ
	d.section("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
	return d.out
}

type differ struct{ out []Change }

func (d *differ) section(path string, a, b reflect.Value) {
	for _, f := range fieldsOf(a.Type()) {
		x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		at := join(path, f.key)
		switch {
		case reflect.DeepEqual(x.Interface(), y.Interface()):
		case isSection(f.typ):
			d.section(at, x, y)
		case f.typ.Kind() == reflect.Slice && nameOf(f.typ.Elem()) != nil:
			d.members(at, x, y)
		default:
			d.leaf(at, x, y)
		}
	}
}

func (d *differ) leaf(at string, x, y reflect.Value) {
	before, after := valueText(x), valueText(y)
	if before == Hidden && after == Hidden {
		after = Hidden + ", another one"
	}
	d.out = append(d.out, Change{Key: at, Old: before, New: after})
}

// members compares lists whose elements have names.
func (d *differ) members(at string, a, b reflect.Value) {
	name := nameOf(a.Type().Elem())
	index := func(l reflect.Value, key string) int {
		for i := range l.Len() {
			if name(l.Index(i)) == key {
				return i
			}
		}
		return -1
	}
	for i := range a.Len() {
		key := name(a.Index(i))
		switch j := index(b, key); {
		case j < 0:
			d.out = append(d.out, Change{Key: fmt.Sprintf("%s[%s]", at, key), Old: "there"})
		case !reflect.DeepEqual(a.Index(i).Interface(), b.Index(j).Interface()):
			d.section(fmt.Sprintf("%s[%s]", at, key), a.Index(i), b.Index(j))
		}
	}
	for j := range b.Len() {
		if key := name(b.Index(j)); index(a, key) < 0 {
			d.out = append(d.out, Change{Key: fmt.Sprintf("%s[%s]", at, key), New: "there"})
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

// valueText renders a value much as a file would have it.
func valueText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case netip.Addr:
		if !x.IsValid() {
			return ""
		}
		return x.String()
	case evpn.RD:
		if x == (evpn.RD{}) {
			return ""
		}
		return x.String()
	case fs.FileMode:
		return fmt.Sprintf("%04o", uint32(x))
	case slog.Level:
		return strings.ToLower(x.String())
	case Selector:
		switch {
		case x.Device != "":
			return x.Device
		case x.First == x.Last:
			return x.First.String()
		}
		return fmt.Sprintf("%v-%v", x.First, x.Last)
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
	if v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = valueText(v.Index(i))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v.Interface())
}
