package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	"github.com/evpnd/evpnd/evpn"
)

// A scalar is a value that stands in the file as one word. It is read from its
// spelling, never from what YAML makes of it: 0660 stays octal, a password
// of digits stays text.
type scalar func(text string) (any, error)

// scalars has the types of scalars. Their errors say what is wanted; what was
// found is added by the decoder, which knows what may be shown.
var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[string]():         func(s string) (any, error) { return s, nil },
	reflect.TypeFor[Secret]():         func(s string) (any, error) { return NewSecret(s), nil },
	reflect.TypeFor[bool]():           oneOf(map[string]bool{"true": true, "false": false}, "true or false"),
	reflect.TypeFor[uint16]():         number[uint16],
	reflect.TypeFor[uint32]():         number[uint32],
	reflect.TypeFor[int]():            number[int],
	reflect.TypeFor[time.Duration]():  duration,
	reflect.TypeFor[netip.Addr]():     address,
	reflect.TypeFor[netip.AddrPort](): listenAddress,
	reflect.TypeFor[WebAddress]():     webAddress,
	reflect.TypeFor[netip.Prefix]():   prefix,
	reflect.TypeFor[fs.FileMode]():    mode,
	reflect.TypeFor[slog.Level](): oneOf(map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}, "debug, info, warn or error"),
	reflect.TypeFor[Format]():       oneOf(map[string]Format{"text": FormatText, "json": FormatJSON}, "text or json"),
	reflect.TypeFor[LimitAction]():  oneOf(map[string]LimitAction{"stop": LimitStop, "reset": LimitReset}, "stop or reset"),
	reflect.TypeFor[apiaddr.Addr](): endpoint,
	reflect.TypeFor[Selector]():     selector,
	reflect.TypeFor[evpn.VNI]():     vni,
	reflect.TypeFor[evpn.RD]():      parsed(evpn.ParseRD),
	reflect.TypeFor[evpn.RT]():      parsed(evpn.ParseRT),
	reflect.TypeFor[evpn.Target]():  parsed(evpn.ParseTarget),
	reflect.TypeFor[evpn.MAC]():     hostMAC,
}

func isScalar(t reflect.Type) bool { return scalars[t] != nil }

func oneOf[T any](names map[string]T, list string) scalar {
	return func(s string) (any, error) {
		if v, ok := names[s]; ok {
			return v, nil
		}
		return nil, errors.New("want " + list)
	}
}

// parsed wraps a parser of package evpn, whose errors begin with what it was
// given; the decoder says that by itself.
func parsed[T any](parse func(string) (T, error)) scalar {
	return func(s string) (any, error) {
		v, err := parse(s)
		if err == nil {
			return v, nil
		}
		text := err.Error()
		if inner := errors.Unwrap(err); inner != nil {
			text = inner.Error()
		} else if i := strings.LastIndex(text, "want the form"); i > 0 {
			text = text[i:]
		}
		return nil, errors.New(text)
	}
}

var errNumber = errors.New("want a whole number")

func number[T uint16 | uint32 | int](s string) (any, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || uint64(T(n)) != n {
		return nil, errNumber
	}
	return T(n), nil
}

// duration reads Go's form, and plain numbers as seconds, which is what BGP
// timers are in everywhere else.
func duration(s string) (any, error) {
	want := errors.New("want a duration such as 90s, 5m or 1h30m, or a number of seconds")
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return nil, want
	}
	return d, nil
}

func address(s string) (any, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return nil, errors.New("want an IPv4 or IPv6 address")
	case a.Is4In6():
		return nil, fmt.Errorf("want the IPv4 address %s written as such", a.Unmap())
	}
	return a, nil
}

// bgpPort is where BGP listens when nothing else is said (RFC 4271 §8).
const bgpPort = 179

func listenAddress(s string) (any, error) {
	if a, err := netip.ParseAddr(s); err == nil && !a.Is4In6() {
		return netip.AddrPortFrom(a, bgpPort), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 || ap.Addr().Is4In6() {
		return nil, errors.New(`want an address, or address and port as in 192.0.2.1:179 and "[2001:db8::1]:179"`)
	}
	return ap, nil
}

func webAddress(s string) (any, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 || ap.Addr().Is4In6() || ap.Addr().IsMulticast() {
		return nil, errors.New(`want an address and port as in 127.0.0.1:9179 and "[2001:db8::1]:9179"`)
	}
	return WebAddress{ap}, nil
}

func prefix(s string) (any, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return nil, errors.New("want a range such as 192.0.2.0/24 or 2001:db8::/64")
	case p != p.Masked():
		return nil, fmt.Errorf("want %s, the bits behind the length being zero", p.Masked())
	}
	return p, nil
}

func mode(s string) (any, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return nil, errors.New("want octal permissions such as 0660")
	}
	return fs.FileMode(n), nil
}

func endpoint(s string) (any, error) { return apiaddr.ParseListen(s) }

var errVNI = fmt.Errorf("want a VNI from 1 to %d", evpn.MaxVNI)

func vni(s string) (any, error) {
	v, err := evpn.ParseVNI(s)
	if err != nil {
		return nil, errVNI
	}
	return v, nil
}

func hostMAC(s string) (any, error) {
	m, err := evpn.ParseMAC(s)
	if err != nil || !m.IsHost() {
		return nil, errors.New("want the MAC of a host such as 02:42:ac:12:00:0a")
	}
	return m, nil
}

// selector tells VNIs from devices by their first character: a device whose
// name begins with a digit can still be named by a pattern, as in [2]00.
func selector(s string) (any, error) {
	if s[0] < '0' || s[0] > '9' {
		if _, err := path.Match(s, ""); err != nil || s == "all" {
			return nil, errors.New("want VNIs, ranges of them, or devices such as vxlan*; remove the key for all")
		}
		return Selector{Device: s}, nil
	}
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err1 := evpn.ParseVNI(strings.TrimSpace(low))
	last, err2 := evpn.ParseVNI(strings.TrimSpace(high))
	if err1 != nil || err2 != nil || first > last {
		return nil, fmt.Errorf("want a VNI from 1 to %d or a range such as 100-199", evpn.MaxVNI)
	}
	return Selector{First: first, Last: last}, nil
}
