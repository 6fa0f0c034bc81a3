package api

import (
	"net/netip"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// What a request says is text and numbers from outside. The functions here
// make values of it, or an INVALID_ARGUMENT that says what is wrong.

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

func notFound(format string, args ...any) error {
	return status.Errorf(codes.NotFound, format, args...)
}

// vniOr0 checks a VNI that may be left out.
func vniOr0(n uint32) (evpn.VNI, error) {
	if n == 0 {
		return 0, nil
	}
	return vniOf(n)
}

func vniOf(n uint32) (evpn.VNI, error) {
	if v := evpn.VNI(n); v.Valid() {
		return v, nil
	}
	return 0, invalid("VNI %d: want a number from 1 to %d", n, evpn.MaxVNI)
}

func macOf(s string) (evpn.MAC, error) {
	m, err := evpn.ParseMAC(s)
	if err != nil {
		return m, invalid("%v", err)
	}
	return m, nil
}

// macOrZero checks a MAC that may be left out.
func macOrZero(s string) (evpn.MAC, error) {
	if s == "" {
		return evpn.MAC{}, nil
	}
	m, err := macOf(s)
	if err == nil && m.IsZero() {
		return m, invalid("MAC %q: no host has it", s)
	}
	return m, err
}

func addrOf(what, s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, invalid("%s %q: want an IP address", what, s)
	}
	return a.Unmap(), nil
}

// addrOrNone checks an address that may be left out.
func addrOrNone(what, s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	return addrOf(what, s)
}

func originOf(o evpndv1.Origin) error {
	if _, ok := evpndv1.Origin_name[int32(o)]; !ok {
		return invalid("origin %d is not known", o)
	}
	return nil
}

// text renders an address that may not be there.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// macText renders a MAC that may not be there.
func macText(m evpn.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.String()
}

// esiText renders the identifier of a segment; zero is none.
func esiText(e evpn.ESI) string {
	if e.IsZero() {
		return ""
	}
	return e.String()
}

// timestamp renders a time; one that is not set is nil.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
